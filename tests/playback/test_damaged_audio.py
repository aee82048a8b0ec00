"""Audio that cannot be decoded is silent, and the other tracks never notice."""

from __future__ import annotations

import subprocess

import judge
import pytest

from hls_sessions.ffmpeg import find

FFMPEGS_IN_TURN = ()
BOUND = 60
NUMBERS = "sin(440*2*PI*t)"
NO_NUMBERS = f"if(between(t,1.9,4.2),0/0,{NUMBERS})"


def run(*arguments):
    subprocess.run([find(), "-v", "error", "-y", *arguments], check=True, timeout=60)


@pytest.fixture
def with_damaged_track(hls_clip):
    """Return a function that makes a film with a whole audio track and one in which no packet is whole."""

    def make(codec):
        film = hls_clip(seconds=6, size="128x72", rate="10", gop=20, pixels="yuv420p", container="mkv", audio=codec)
        noise, both = film.with_name(f"noise {codec}.mkv"), film.with_name(f"damaged {codec}.mkv")
        run("-i", str(film), "-map", "0:a", "-c", "copy", "-bsf:a", "noise=amount=1", str(noise))
        run("-i", str(film), "-i", str(noise), "-map", "0", "-map", "1:a", "-c", "copy", str(both))
        return both

    return make


@pytest.mark.parametrize("codec", ["ac3", "eac3", "aac"])
def test_a_track_of_damaged_packets_is_silent_and_the_others_play(hls_supervisor, ffmpeg, with_damaged_track, codec):
    supervisor, film = hls_supervisor(ffmpeg=ffmpeg), with_damaged_track(codec)
    session = supervisor.open(film)

    assert max(loudness(session, "audio-1", number) for number in (0, 3)) < 0.01
    assert loudness(session, "audio-0", 1) > 0.05
    for rendition in session.presentation.video:
        assert session.segment(rendition.id, 1, BOUND).exists()
    info = session.info()
    assert info.state == "active"
    assert any(note.startswith("audio-1: ") for note in info.notes)
    # Another session tries the track again, because the fault may have been this one's.
    other = supervisor.open(film)
    other.segment("audio-1", 0, BOUND)
    assert other.info().segments_shared == 0


def test_samples_that_are_no_numbers_are_silent_and_the_rest_is_heard(hls_supervisor, ffmpeg, hls_clip):
    film = hls_clip(seconds=8, video=None, container="mkv").with_name("no numbers.mkv")
    run("-f", "lavfi", "-i", f"aevalsrc='{NO_NUMBERS}':d=8", "-c:a", "pcm_f32le", str(film))
    session = hls_supervisor(ffmpeg=ffmpeg).open(film)

    assert [loudness(session, "audio-0", number) > 0.5 for number in (0, 3, 5)] == [True, False, True]


def loudness(session, rendition, number):
    segment = session.segment(rendition, number, BOUND)
    return judge.loudness(session.init(rendition, BOUND).read_bytes() + segment.read_bytes())
