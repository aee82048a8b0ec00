"""ffmpeg itself as the player: an independent reading of the same playlists."""

from __future__ import annotations

import shutil
import subprocess

import judge

from hls_sessions.ffmpeg import find
from hls_sessions.verify import verify


def test_ffmpeg_plays_the_whole_url_and_decodes_as_many_frames_as_the_source_has(daemon, hls_clip):
    film = hls_clip(seconds=8, rate="24000/1001", size="320x180")

    plays_whole(daemon, daemon.open(film), film)


def test_ffmpeg_plays_across_changes_between_hardware_and_software(half_hardware):
    daemon, session = half_hardware

    plays_whole(daemon, session, session["media"])


def plays_whole(daemon, session, film):
    count = ("-map", "0:v:0", "-fps_mode", "passthrough", "-f", "framecrc", "-")
    played = subprocess.run(
        [shutil.which("ffmpeg") or find(), "-v", "error", "-i", daemon.url + session["playlist_url"], *count],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert played.returncode == 0, played.stderr

    frames = [line for line in played.stdout.splitlines() if not line.startswith("#")]
    assert len(frames) == len(judge.source_times(film))
    assert played.stderr == ""


def with_a_hole(hls_clip):
    """Make a film in which a quarter from the middle on is lost."""
    whole = hls_clip(seconds=16, size="320x180", gop=25)
    film = whole.with_name("hole-for-ffmpeg.mp4")
    data = bytearray(whole.read_bytes())
    middle, hole = len(data) // 2, len(data) // 4
    data[middle : middle + hole] = bytes(hole)
    film.write_bytes(data)
    return film


def test_ffmpeg_passes_over_a_hole_and_plays_on_to_the_end(daemon, hls_clip):
    session = daemon.open(with_a_hole(hls_clip))

    count = ("-map", "0:v:0", "-map", "0:a:0", "-fps_mode", "passthrough", "-f", "framecrc", "-")
    played = subprocess.run(
        [
            shutil.which("ffmpeg") or find(),
            "-v",
            "error",
            "-copyts",
            "-i",
            daemon.url + session["playlist_url"],
            *count,
        ],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )

    video, *_ = daemon.http.get(f"/sessions/{session['session_id']}").json()["renditions"]
    assert video["gaps"]
    rows = [line.split(",") for line in played.stdout.splitlines() if not line.startswith("#")]
    last = max(int(row[2]) for row in rows if row[0].strip() == "0")
    bases = [line for line in played.stdout.splitlines() if line.startswith("#tb 0:")]
    numerator, denominator = map(int, bases[0].split()[-1].split("/"))
    assert last * numerator / denominator > 15.5


def test_verify_finds_nothing_wrong_with_audio_that_begins_late(daemon, hls_clip):
    clip = hls_clip(seconds=14, size="160x90", gop=25)
    film = clip.with_name("late-audio.mp4")
    inputs = ("-i", str(clip), "-itsoffset", "7", "-i", str(clip))
    maps = ("-map", "0:v", "-map", "1:a", "-t", "14", "-c", "copy")
    subprocess.run([find(), "-v", "error", "-y", *inputs, *maps, str(film)], check=True)
    session = daemon.open(film)

    report = verify(daemon.url + session["playlist_url"], film)

    assert report.findings == []


def test_verify_says_where_the_holes_of_a_film_are_and_why(daemon, hls_clip):
    session = daemon.open(with_a_hole(hls_clip))

    report = verify(daemon.url + session["playlist_url"])

    gaps = [finding.sentence for finding in report.findings if finding.rule == "gap"]
    assert gaps
    assert all("off its boundary" in sentence for sentence in gaps)
    # A segment that has lost only its beginning is shorter than the playlist announces.
    assert {finding.rule for finding in report.findings} <= {"gap", "4.3.2.1"}
