"""Films that are not ordinary play too: without audio or video, several audio tracks, odd lengths, a late start."""

from __future__ import annotations

import subprocess

import judge
import pytest

from hls_sessions.errors import SegmentImpossible
from hls_sessions.ffmpeg import find

FFMPEGS_IN_TURN = ()


@pytest.fixture
def play(hls_supervisor, ffmpeg):
    """Return a function that opens a film, and returns the session and each rendition, joined from its segments."""
    supervisor = hls_supervisor(ffmpeg=ffmpeg)

    def play_(film):
        session = supervisor.open(film)
        renditions = session.presentation.renditions
        return session, {rendition: everything(session, rendition) for rendition in renditions}

    return play_


def everything(session, rendition):
    count = len(session.presentation.cuts(rendition))
    segments = [session.segment(rendition, number, timeout=60).read_bytes() for number in reversed(range(count))]
    return session.init(rendition, timeout=60).read_bytes() + b"".join(reversed(segments))


def test_a_silent_film_plays(play, hls_clip):
    film = hls_clip(seconds=5, size="160x90", audio=None)

    session, made = play(film)

    assert list(made) == ["video-90p"]
    assert "AUDIO" not in session.master_playlist()
    assert judge.frames(made["video-90p"]) == len(judge.source_times(film))


def test_audio_alone_plays(play, hls_clip):
    film = hls_clip(seconds=5, video=None, container="m4a")

    session, made = play(film)

    assert list(made) == ["audio-0"]
    assert 'CODECS="mp4a.40.2"' in session.master_playlist()
    assert judge.is_increasing(judge.times(made["audio-0"]))
    assert float(judge.times(made["audio-0"])[-1]) == pytest.approx(5, abs=0.1)


def test_every_audio_track_is_a_rendition(play, hls_clip, tmp_path, hls_clip_folder):
    film = hls_clip_folder / "two-audio-tracks.mkv"
    source = hls_clip(seconds=5, size="160x90")
    tracks = ("-map", "0:v", "-map", "0:a", "-map", "0:a", "-c", "copy")
    names = ("-metadata:s:a:0", "language=eng", "-metadata:s:a:1", "language=fra", "-metadata:s:a:1", 'title=Le "son"')
    subprocess.run([find(), "-v", "error", "-y", "-i", str(source), *tracks, *names, str(film)], check=True)

    session, made = play(film)

    assert list(made) == ["video-90p", "audio-0", "audio-1"]
    assert 'LANGUAGE="fr"' in session.master_playlist()
    assert len(judge.times(made["audio-0"])) == len(judge.times(made["audio-1"]))


@pytest.mark.parametrize("seconds", [0.2, 0.99, 1.0, 1.01, 2.05])
def test_a_very_short_film_plays_to_its_last_frame(play, hls_clip, seconds):
    film = hls_clip(seconds=seconds, size="160x90")

    _, made = play(film)

    assert judge.frames(made["video-90p"]) == len(judge.source_times(film))


@pytest.mark.parametrize(("video", "audio"), [(3, 8), (8, 3)])
@pytest.mark.parametrize("pixels", ["yuv420p", "yuv422p"], ids=["copied", "encoded"])
def test_video_and_audio_of_different_lengths_play_to_the_end_of_the_longer(play, hls_clip, video, audio, pixels):
    film = hls_clip(seconds=video, audio_seconds=audio, size="160x90", gop=25, pixels=pixels)

    session, made = play(film)

    for rendition in session.presentation.renditions:
        assert judge.is_increasing(judge.times(made[rendition]))
        assert judge.frames(made[rendition]) == len(judge.times(made[rendition]))
    for rendition in session.presentation.video:
        held = session.presentation.cuts(rendition.id).held
        assert judge.frames(made[rendition.id]) == len(judge.source_times(film)) + held
        assert (held > 0) == (video < audio)
        # A held frame lasts until the next segment begins, or the film ends.
        last = 8 - session.presentation.cuts(rendition.id).longest() if held else video
        assert float(judge.times(made[rendition.id])[-1]) == pytest.approx(last, abs=0.1)
    assert float(judge.times(made["audio-0"])[-1]) == pytest.approx(8, abs=0.1)


@pytest.mark.parametrize("container", ["mkv", "ts"])
def test_a_film_whose_clock_starts_late_plays_from_its_beginning(play, hls_clip, container):
    film = hls_clip(seconds=5, size="160x90", container=container, options=("-output_ts_offset", "100"))

    _, made = play(film)

    first = judge.times(made["video-90p"])[0]
    assert abs(first) < judge.MILLISECOND * 50
    assert judge.frames(made["video-90p"]) == len(judge.source_times(film))


def test_of_two_recordings_that_were_joined_the_longer_plays_to_its_last_frame(play, hls_clip):
    long = hls_clip(seconds=8, size="160x90", container="ts", options=("-output_ts_offset", "3600"))
    short = hls_clip(seconds=3, size="160x90", container="ts")
    film = long.with_name("joined, its clock jumps.ts")
    film.write_bytes(short.read_bytes() + long.read_bytes())

    session, made = play(film)

    assert "its clock jumps" in session.info().notes[0]
    assert judge.frames(made["video-90p"]) == len(judge.source_times(long))
    assert judge.is_increasing(judge.times(made["video-90p"]))


@pytest.mark.parametrize("container", ["mkv", "mp4"])
def test_of_a_film_whose_clock_begins_below_zero_the_packets_with_a_time_play(play, hls_clip, container):
    below = ("-output_ts_offset", "-3", "-avoid_negative_ts", "disabled")
    film = hls_clip(seconds=8, size="160x90", gop=25, container=container, options=below)

    session, made = play(film)

    for rendition in session.presentation.renditions:
        assert judge.frames(made[rendition]) == len(judge.times(made[rendition]))
        assert float(judge.times(made[rendition])[-1]) == pytest.approx(5, abs=0.1)


@pytest.mark.parametrize("container", ["mkv", "mp4"])
def test_audio_with_a_single_image_plays_to_its_end_as_audio_with_a_cover_does(play, hls_clip, container):
    video, audio = hls_clip(seconds=0.04, size="160x90", audio=None), hls_clip(seconds=6, video=None)
    film = video.with_name(f"album.{container}")
    inputs = ("-i", str(video), "-i", str(audio))
    subprocess.run(
        [find(), "-v", "error", "-y", *inputs, "-map", "0", "-map", "1", "-c", "copy", str(film)], check=True
    )

    session, made = play(film)

    assert float(session.presentation.media.duration) == pytest.approx(6, abs=0.1)
    assert list(made) == ["audio-0"]
    assert "the video is a single image" in session.info().notes[0]
    assert float(judge.times(made["audio-0"])[-1]) == pytest.approx(6, abs=0.1)


def late(hls_clip, kind, container):
    """Make a film whose video or audio begins seven seconds after the other."""
    clip = hls_clip(seconds=14, size="160x90", gop=25)
    film = clip.with_name(f"late {kind}.{container}")
    first, second = ("1:v", "0:a") if kind == "video" else ("0:v", "1:a")
    inputs = ("-i", str(clip), "-itsoffset", "7", "-i", str(clip))
    maps = ("-map", first, "-map", second, "-t", "14", "-c", "copy")
    subprocess.run([find(), "-v", "error", "-y", *inputs, *maps, str(film)], check=True)
    return film


@pytest.mark.parametrize("container", ["mkv", "mp4"])
@pytest.mark.parametrize("kind", ["video", "audio"])
def test_a_track_that_begins_late_plays_in_time(play, hls_clip, kind, container):
    session, made = play(late(hls_clip, kind, container))

    for rendition in session.presentation.renditions:
        cuts = session.presentation.cuts(rendition)
        assert judge.frames(made[rendition]) == len(judge.times(made[rendition]))
        assert judge.is_increasing(judge.times(made[rendition]))
        assert cuts.leading == (6 if rendition.startswith(kind) and kind == "audio" else 0)
        assert kind == "video" or cuts.longest() < 3
        if rendition.startswith(kind):
            own = session.init(rendition).read_bytes() + session.segment(rendition, cuts.leading).read_bytes()
            first, second, *_ = judge.times(own)
            # The first frame of video is shown from the beginning on.
            assert abs(float(second if kind == "video" else first) - 7) < 0.1
            assert kind == "audio" or abs(first) < judge.MILLISECOND


@pytest.mark.parametrize("rate", ["5", "50", "60000/1001"])
def test_few_and_many_frames_per_second_play(play, hls_clip, rate):
    film = hls_clip(seconds=5, size="160x90", rate=rate)

    _, made = play(film)

    moments = judge.times(made["video-90p"])
    assert judge.worst_deviation(moments, judge.source_times(film)) <= judge.MILLISECOND


def test_large_video_is_offered_smaller_too(play, hls_clip):
    session, made = play(hls_clip(seconds=2, size="854x480"))

    assert list(made) == ["video-480p", "video-360p", "audio-0"]
    assert len(judge.times(made["video-480p"])) == len(judge.times(made["video-360p"]))
    assert "RESOLUTION=854x480" in session.master_playlist()


def test_a_film_that_is_cut_off_plays_as_far_as_it_goes_and_says_where_it_ends(hls_supervisor, hls_clip, tmp_path):
    whole = hls_clip(seconds=20, size="320x180", container="mkv")
    film = whole.with_name("cut-off.mkv")
    film.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    session = hls_supervisor().open(film)
    cuts = session.presentation.cuts("video-180p")

    assert session.segment("video-180p", 0, timeout=60).exists()
    assert float(cuts.times[-1]) < 20
    assert session.segment("video-180p", len(cuts) - 1, timeout=60).exists()


@pytest.mark.parametrize("container", ["mkv", "mp4"])
def test_video_and_audio_of_a_film_with_a_hole_play_around_it(hls_supervisor, hls_clip, container):
    whole = hls_clip(seconds=16, size="320x180", gop=25, container=container)
    film = whole.with_name(f"hole.{container}")
    data = bytearray(whole.read_bytes())
    middle, hole = len(data) // 2, len(data) // 8
    data[middle : middle + hole] = bytes(hole)
    film.write_bytes(data)
    session = hls_supervisor().open(film)

    made = {}
    for rendition in ("video-180p", "audio-0"):
        for number in range(len(session.presentation.cuts(rendition))):
            try:
                made[rendition, number] = session.segment(rendition, number, timeout=60).exists()
            except SegmentImpossible:
                made[rendition, number] = False

    for rendition in ("video-180p", "audio-0"):
        last = len(session.presentation.cuts(rendition)) - 1
        assert made[rendition, 0]
        assert made[rendition, last]
    assert session.info().state == "active"


def test_every_player_decodes_copied_audio_with_damaged_packets(hls_supervisor, hls_clip, ffmpeg):
    whole = hls_clip(seconds=16, size="320x180", gop=25)
    film = whole.with_name("damaged-audio.mp4")
    data = bytearray(whole.read_bytes())
    middle, hole = len(data) // 2, len(data) // 8
    data[middle : middle + hole] = bytes(hole)
    film.write_bytes(data)
    session = hls_supervisor(ffmpeg=ffmpeg).open(film)

    made = everything(session, "audio-0")

    assert judge.frames(made) == len(judge.times(made))
    assert judge.is_increasing(judge.times(made))
    assert float(judge.times(made)[-1]) == pytest.approx(16, abs=0.1)
