"""A rendition that can be made by several methods: when one fails the next goes on, and the viewer hardly notices.

The better method here is an x264 with other settings, so that its parameter sets differ. By these settings the tests
tell ffmpeg when to fail.
"""

from __future__ import annotations

import errno
import os
import shlex
import signal
from pathlib import Path

import judge
import pytest

from hls_sessions.encoding import rendition as encoding_rendition
from hls_sessions.errors import SegmentImpossible
from hls_sessions.ffmpeg import SOFTWARE, Encoder, Method, find
from hls_sessions.ffmpeg.methods import several
from hls_sessions.testing import runs_of

VIDEO, AUDIO = "video-90p", "audio-0"
BOUND = 30


class Better(Encoder):
    """An x264 that goes without CABAC and B-frames."""

    name = "libx264"
    b_frames = False

    def options(self, rendition, *, b_frames):
        return SOFTWARE.options(rendition, b_frames=b_frames) | {"coder": "vlc"}


METHODS = several(Method("better", Better()), Method("plain", SOFTWARE))


@pytest.fixture(autouse=True)
def two_methods(monkeypatch):
    """Every video rendition has two methods, audio has one."""
    original = encoding_rendition.methods
    monkeypatch.setattr(
        encoding_rendition, "methods", lambda made, *how: METHODS if made.kind == "video" else original(made, *how)
    )


@pytest.fixture
def open_with(hls_supervisor, film, double):
    """Open a film with an ffmpeg that runs a shell script first; $better is 1 for a run of the better method."""

    def open_with(misbehave, path=film):
        script = double(f'case "$*" in *"-coder vlc"*) better=1 ;; *) better=0 ;; esac; {misbehave}')
        return hls_supervisor(ffmpeg=str(script), look_ahead=1).open(path)

    return open_with


FAILS = 'if [ $better = 1 ]; then echo "No device" >&2; exit 3; fi'


def peek(session):
    return session.ask_peek().get(BOUND)


def video(session):
    return next(rendition for rendition in peek(session).renditions if rendition.id == VIDEO)


def test_the_best_method_is_used_and_shown(open_with, film):
    session = open_with(":")
    session.segment(VIDEO, 0, BOUND)

    assert (video(session).encoder, video(session).given_up) == ("better", ())
    assert {run.encoder for run in peek(session).runs} <= {"better"}


def test_a_method_that_fails_before_it_has_made_anything_is_left_at_once(open_with, is_right):
    session = open_with(FAILS)

    assert is_right(session, VIDEO, 2, session.segment(VIDEO, 2, BOUND))
    assert video(session).encoder == "plain"
    assert peek(session).encoder_failures == 1


def test_why_a_method_was_left_is_shown_with_ffmpegs_last_words(open_with):
    session = open_with(FAILS)
    session.segment(VIDEO, 2, BOUND)

    why = "better was given up at segment 2: its encoder ended with exit code 3. ffmpeg said: No device"
    assert video(session).given_up == (why,)
    assert f"{VIDEO}: {why}" in peek(session).notes


def test_other_renditions_keep_their_methods(open_with):
    session = open_with(FAILS)
    session.segment(VIDEO, 0, BOUND)
    session.segment(AUDIO, 0, BOUND)

    [audio] = [rendition for rendition in peek(session).renditions if rendition.id == AUDIO]
    assert (audio.encoder, audio.given_up) == ("copy", ())


def test_a_method_that_has_worked_is_left_after_three_failures_at_a_segment(open_with, long_film, is_right):
    slowly = f'[ "$run" -gt 1 ] || exec {shlex.quote(find())} -readrate 4 "$@"'  # so that it is far from the seek
    session = open_with(f"if [ $better = 1 ]; then {slowly}; exit 3; fi", long_film)
    session.segment(VIDEO, 0, BOUND)

    assert is_right(session, VIDEO, 20, session.segment(VIDEO, 20, BOUND))
    assert (video(session).encoder, peek(session).encoder_failures) == ("plain", 3)


def test_a_method_whose_run_is_killed_once_is_kept(open_with, is_right, until, tmp_path):
    session = open_with('if [ "$run" = 1 ]; then exec sleep 3600; fi')
    waiting = session.ask_segment(VIDEO, 1)
    until(lambda: runs_of(tmp_path / "ffmpeg") == 1)
    [run] = peek(session).runs

    os.kill(run.pid, signal.SIGKILL)

    assert is_right(session, VIDEO, 1, waiting.get(BOUND))
    assert (video(session).encoder, peek(session).encoder_failures) == ("better", 0)


def test_a_method_whose_files_are_refused_is_left(open_with, is_right):
    session = open_with('if [ $better = 1 ]; then : > "$folder/1.m4s"; exit 0; fi')

    assert is_right(session, VIDEO, 1, session.segment(VIDEO, 1, BOUND))
    assert (video(session).encoder, peek(session).segments_refused) == ("plain", 1)


def test_a_method_that_stalls_is_left(hls_supervisor, film, double, hls_clock, is_right, until):
    script = double('case "$*" in *"-coder vlc"*) exec sleep 3600 ;; esac')
    session = hls_supervisor(ffmpeg=str(script), clock=hls_clock).open(film)
    waiting = session.ask_segment(VIDEO, 1)
    until(lambda: peek(session).runs)

    while not waiting.done() and video(session).encoder == "better":
        hls_clock.advance(2.5)

    assert is_right(session, VIDEO, 1, waiting.get(BOUND))
    assert "its encoder did nothing for 10 seconds" in video(session).given_up[0]


def test_the_last_method_has_three_tries_of_its_own_and_then_the_segment_is_impossible(open_with, film):
    session = open_with('[ "$better" = 0 ] && echo "No such codec" >&2; exit 4')

    with pytest.raises(SegmentImpossible, match="its encoder ended with exit code 4"):
        session.segment(VIDEO, 0, BOUND)


def test_a_broken_disk_is_no_fault_of_the_method(open_with, monkeypatch, is_right, until):
    session, left, write_bytes = open_with(":"), iter(range(2)), Path.write_bytes

    def write(path, data):
        if path.name.endswith(".m4s.part") and next(left, None) is not None:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return write_bytes(path, data)

    monkeypatch.setattr(Path, "write_bytes", write)

    assert is_right(session, VIDEO, 0, session.segment(VIDEO, 0, BOUND))
    until(lambda: peek(session).encoder_failures == 2)  # each counts when its end is heard
    assert video(session).encoder == "better"


def test_a_file_that_ends_early_is_no_fault_of_the_method(open_with):
    session = open_with("exit 0")

    with pytest.raises(SegmentImpossible, match="the file ends before it"):
        session.segment(VIDEO, 3, BOUND)

    assert video(session).encoder == "better"


def test_segments_of_both_methods_play_in_any_order_with_the_first_ones_init_segment(open_with, film):
    session = open_with('if [ $better = 1 ] && [ "$run" -gt 1 ]; then exit 3; fi')
    for number in (3, 0, 1, 2, 4):
        session.segment(VIDEO, number, BOUND)
    segments = [session.segment(VIDEO, number, BOUND).read_bytes() for number in range(6)]
    init = session.init(VIDEO, BOUND).read_bytes()

    assert video(session).encoder == "plain"
    assert [judge.frames(init + segment) for segment in segments] == [12, 13, 25, 50, 50, 50]
    assert judge.frames(init + b"".join(segments)) == 200
