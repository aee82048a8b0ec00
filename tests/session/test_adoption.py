"""The segments of an earlier daemon: published again after the check, or made again."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

from hls_sessions.errors import StorageFailed
from hls_sessions.ffmpeg import ProcessId, boot_id, find
from hls_sessions.media import read_segment
from hls_sessions.segments import SegmentDirectory
from hls_sessions.segments.quota import MakeRoom
from hls_sessions.testing import actor_of, crash, runs_of

VIDEO, AUDIO, TEXT = "video-90p", "audio-0", "subtitles-0"
BOUND = 30
EARLIER = str(ProcessId(pid=1, started=1, boot_id=boot_id()))
"""A daemon that is gone, though the machine was not restarted."""
TALK = "1\n00:00:01,000 --> 00:00:02,000\nGood morning\n"


@pytest.fixture
def counted(double):
    """An ffmpeg that works, and counts its runs."""
    return double(":")


@pytest.fixture
def session(hls_supervisor, film, counted, until):
    """A session whose segments are all on disk, and whose encoders are gone."""
    return whole_session(hls_supervisor(ffmpeg=counted), film, until)


def whole_session(supervisor, film, until):
    session = supervisor.open(film)
    for rendition in (VIDEO, AUDIO):
        for number in range(len(session.presentation.cuts(rendition))):
            session.segment(rendition, number, BOUND)
    until(lambda: not session.info().runs)
    return session


@pytest.fixture
def change_hands(until):
    """Give a session another actor, which takes all files for those of an earlier daemon."""

    def change_hands(session):
        (session.directory / "owner").write_text(EARLIER)
        until(crash(session))
        session.info()

    return change_hands


def contents(session, rendition):
    return {path.name: path.read_bytes() for path in (session.directory / rendition).glob("*.m*")}


def test_whole_segments_are_shown_again_and_nothing_is_made(session, change_hands, counted):
    before, made = contents(session, VIDEO), runs_of(counted)
    change_hands(session)

    again = {number: session.segment(VIDEO, number, BOUND) for number in range(6)}

    assert {path.name: path.read_bytes() for path in again.values()} | {"init.mp4": before["init.mp4"]} == before
    assert runs_of(counted) == made


def test_segments_that_are_not_checked_yet_are_counted_and_evicted_like_all_others(
    session, change_hands, hls_supervisor
):
    on_disk = session.info().bytes_on_disk
    change_hands(session)
    assert session.info().bytes_on_disk == on_disk > 0

    actor_of(session).send(MakeRoom(on_disk))

    assert session.info().bytes_on_disk == 0
    assert contents(session, VIDEO).keys() <= {"init.mp4"}
    assert not list(session.directory.glob("*/earlier/*.m4s"))
    assert session.segment(VIDEO, 2, BOUND).exists()


def test_a_segment_made_again_on_the_way_to_a_missing_one_is_kept_once(session, change_hands, until):
    for number in (1, 4):
        (session.directory / VIDEO / f"{number}.m4s").unlink()
    change_hands(session)

    for number in (1, 4):
        session.segment(VIDEO, number, BOUND)

    until(lambda: not session.info().runs)
    assert session.info().bytes_on_disk == sum(file.stat().st_size for file in session.directory.rglob("*.m4s"))


def test_nothing_is_seen_before_it_is_checked(session, change_hands):
    change_hands(session)

    assert session.published(VIDEO, 2) is None
    assert session.info().renditions[0].published == 6

    session.segment(VIDEO, 2, BOUND)

    assert session.published(VIDEO, 2) is not None
    assert session.published(VIDEO, 3) is None


@pytest.mark.parametrize("damage", ["cut short", "another's time", "noise", "empty", "a folder", "a pipe"])
def test_a_damaged_segment_is_made_again(session, change_hands, is_right, damage):
    whole = contents(session, VIDEO)
    victim = session.directory / VIDEO / "2.m4s"
    match damage:
        case "cut short":
            victim.write_bytes(whole["2.m4s"][:-1])
        case "another's time":
            victim.write_bytes(whole["3.m4s"])
        case "noise":
            victim.write_bytes(os.urandom(1000))
        case "empty":
            victim.write_bytes(b"")
        case "a folder":
            victim.unlink()
            victim.mkdir()
        case "a pipe":
            victim.unlink()
            os.mkfifo(victim)
    damaged = victim.read_bytes() if victim.is_file() else None
    change_hands(session)

    assert all(is_right(session, VIDEO, number, session.segment(VIDEO, number, BOUND)) for number in (1, 2, 3))
    assert session.segment(VIDEO, 2, BOUND).read_bytes() != damaged


@pytest.mark.parametrize("damage", [lambda init: init.write_bytes(b"noise"), lambda init: init.unlink()])
def test_without_its_init_segment_a_rendition_is_made_again(session, change_hands, is_right, damage):
    whole = contents(session, VIDEO)
    damage(session.directory / VIDEO / "init.mp4")
    change_hands(session)

    assert session.init(VIDEO, BOUND).read_bytes() == whole["init.mp4"]
    assert is_right(session, VIDEO, 4, session.segment(VIDEO, 4, BOUND))
    assert session.segment(AUDIO, 0, BOUND).exists()


def test_files_that_do_not_belong_in_a_session_directory_are_deleted(session, change_hands):
    audio = session.directory / AUDIO
    shutil.rmtree(audio)
    audio.write_text("a file in the place of a folder")
    (session.directory / VIDEO / "3.m4s.part").touch()
    (session.directory / VIDEO / "earlier").touch()
    change_hands(session)

    assert session.segment(AUDIO, 0, BOUND).exists()
    assert session.segment(VIDEO, 3, BOUND).exists()
    assert not (session.directory / VIDEO / "3.m4s.part").exists()


def test_a_directory_of_another_user_is_not_touched(session, monkeypatch):
    (session.directory / "owner").write_text(EARLIER)
    before = sorted(session.directory.rglob("*"))
    with monkeypatch.context() as other:
        other.setattr(os, "geteuid", lambda: 12345)

        with pytest.raises(StorageFailed, match="another user's"):
            SegmentDirectory(session.directory).open()

    assert sorted(session.directory.rglob("*")) == before


def test_segments_that_one_actor_has_not_checked_are_there_for_the_next(session, change_hands, counted):
    made = runs_of(counted)
    change_hands(session)
    session.segment(VIDEO, 0, BOUND)
    change_hands(session)

    assert session.segment(VIDEO, 4, BOUND).exists()
    assert session.segment(VIDEO, 0, BOUND).exists()
    assert runs_of(counted) == made


def test_an_encoder_does_not_make_segments_that_are_there_already(hls_supervisor, film, change_hands, counted, until):
    session = whole_session(hls_supervisor(ffmpeg=counted, share_segments=False), film, until)
    (session.directory / VIDEO / "1.m4s").unlink()
    made = runs_of(counted)
    change_hands(session)

    for number in range(6):
        session.segment(VIDEO, number, BOUND)

    assert runs_of(counted) == made + 1


@pytest.mark.parametrize("damage", [None, b"", b"WEBVTT\n\0\0\0\n"])
def test_a_segment_of_subtitles_is_published_again_if_it_is_whole(hls_supervisor, hls_clip, change_hands, damage):
    session = hls_supervisor().open(hls_clip(seconds=4, size="160x90", container="mkv", subtitles=(TALK,)))
    text = session.segment(TEXT, 2, BOUND).read_text()
    if damage is not None:
        session.segment(TEXT, 2, BOUND).write_bytes(damage)
    change_hands(session)

    assert session.published(TEXT, 2) is None
    assert session.segment(TEXT, 2, BOUND).read_text() == text
    assert "Good morning" in text


# ---- copies of an earlier version


@pytest.mark.parametrize("container", ["mp4", "mkv"])
def test_copies_that_an_ffmpeg_has_made_for_an_earlier_version_are_made_again(
    hls_supervisor, hls_clip, change_hands, tmp_path, container
):
    film = hls_clip(seconds=8, size="160x90", gop=25, pixels="yuv420p", audio=None, container=container)
    session = hls_supervisor().open(film)
    folder = session.directory / "video-copy"
    old = copied_by_an_ffmpeg(film, tmp_path)
    folder.mkdir()
    (folder / "init.mp4").write_bytes(old[0][0])
    for number in (0, 1):
        (folder / f"{number}.m4s").write_bytes(old[number][1])
    change_hands(session)
    assert session.segment("video-copy", 0, BOUND).read_bytes() == old[0][1]

    third = session.segment("video-copy", 2, BOUND).read_bytes()

    new, init = session.segment("video-copy", 0, BOUND).read_bytes(), session.init("video-copy", BOUND).read_bytes()
    assert init != old[0][0]
    # Players that have the earlier init segment play on, with the same segments as players that come now.
    for head in (old[0][0], init):
        shown = [
            read_segment(data, head) for data in (new, session.segment("video-copy", 1, BOUND).read_bytes(), third)
        ]
        assert [float(segment.first) for segment in shown] == pytest.approx([0.25, 2.25, 4.25], abs=0.002)
    assert read_segment(old[0][1], old[0][0]).first == read_segment(new, init).first


def copied_by_an_ffmpeg(film, tmp_path):
    """Make copied segments as versions before the packager did: (init segment, media segment) of each."""
    options = "movflags=+frag_keyframe+empty_moov+default_base_moof+skip_trailer+frag_discont"
    options += ":avoid_negative_ts=disabled:use_editlist=0:output_ts_offset=0.25"
    command = ["-copyts", "-i", film, "-map", "0:v", "-c", "copy", "-map_metadata", "-1", "-f", "segment"]
    command += ["-segment_format", "mp4", "-segment_format_options", options, "-avoid_negative_ts", "disabled"]
    command += ["-segment_times", "1.99,3.99,5.99", tmp_path / "%d.m4s"]
    subprocess.run([find(), "-v", "error", "-nostdin", *command], check=True)
    files = [(tmp_path / f"{number}.m4s").read_bytes() for number in range(4)]
    return [(data[: (head := read_segment(data).head)], data[head:]) for data in files]
