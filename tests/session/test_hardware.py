"""A graphics card that works when it is tried, and fails at run time: software goes on, and says why."""

from __future__ import annotations

import judge
import pytest

from hls_sessions.testing import crash, nvenc_ffmpeg, runs_of

VIDEO, AUDIO = "video-90p", "audio-0"
BOUND = 30


@pytest.fixture
def open_with(hls_supervisor, film, tmp_path):
    """Open a film on a machine whose card works for so many runs."""

    def open_with(path=film, **card):
        return hls_supervisor(ffmpeg=str(nvenc_ffmpeg(tmp_path, **card)), encoder="auto", look_ahead=1).open(path)

    return open_with


def video(session):
    info = session.ask_peek().get(BOUND)
    return next(rendition for rendition in info.renditions if rendition.id == VIDEO)


def test_a_card_that_works_encodes_and_is_shown(open_with, is_right):
    session = open_with()

    for number in (3, 0, 4):
        assert is_right(session, VIDEO, number, session.segment(VIDEO, number, BOUND))
    assert (video(session).encoder, video(session).given_up) == ("h264_nvenc", ())
    assert session.info().encoder_failures == 0


def test_a_card_that_fails_at_once_costs_the_viewer_one_try(open_with, is_right, tmp_path):
    session = open_with(works=0)

    assert is_right(session, VIDEO, 2, session.segment(VIDEO, 2, BOUND))
    assert video(session).encoder == "libx264"
    assert runs_of(tmp_path / "nvenc-ffmpeg") == session.info().encoder_failures == 1


def test_why_the_card_was_given_up_is_shown(open_with):
    session = open_with(works=0, says="OpenEncodeSessionEx failed: out of memory (10)", code=187)
    session.segment(VIDEO, 2, BOUND)

    why = (
        "h264_nvenc was given up at segment 2: its encoder ended with exit code 187."
        " ffmpeg said: OpenEncodeSessionEx failed: out of memory (10)"
    )
    assert video(session).given_up == (why,)
    assert f"{VIDEO}: {why}" in session.info().notes


def test_a_card_that_fails_in_the_middle_of_a_run_leaves_its_segments_and_software_makes_the_rest(open_with, is_right):
    session = open_with(works=0, frames=40)  # which is not enough for segment 2

    for number in range(5):
        assert is_right(session, VIDEO, number, session.segment(VIDEO, number, BOUND))
    assert video(session).encoder == "libx264"
    assert session.info().state == "active"


def test_a_card_that_fails_after_a_seek_is_tried_three_times(open_with, long_film, paced, is_right, tmp_path):
    # The run that works is slow, and so far from the seek.
    session = open_with(long_film, works=1, real=str(paced(4)))
    session.segment(VIDEO, 0, BOUND)

    assert is_right(session, VIDEO, 20, session.segment(VIDEO, 20, BOUND))
    assert video(session).encoder == "libx264"
    assert runs_of(tmp_path / "nvenc-ffmpeg") == 4


def test_the_whole_film_plays_across_the_change_there_and_back(open_with, film):
    session = open_with(works=1)
    for number in (3, 0, 1, 2, 4, 5):
        session.segment(VIDEO, number, BOUND)
    segments = [session.segment(VIDEO, number, BOUND).read_bytes() for number in range(6)]
    init = session.init(VIDEO, BOUND).read_bytes()

    assert video(session).encoder == "libx264"
    assert judge.frames(init + b"".join(segments)) == len(judge.source_times(film))
    assert judge.times(init + b"".join(segments)) == judge.source_times(film)


def test_a_session_that_crashes_afterwards_goes_on_with_the_segments_of_both(hls_supervisor, film, tmp_path, is_right):
    ffmpeg = nvenc_ffmpeg(tmp_path, works=1)
    supervisor = hls_supervisor(ffmpeg=str(ffmpeg), encoder="auto", look_ahead=1)
    session = supervisor.open(film)
    for number in (3, 0):
        session.segment(VIDEO, number, BOUND)
    crash(session)

    for number in range(5):
        assert is_right(session, VIDEO, number, session.segment(VIDEO, number, BOUND))
    assert session.info().state == "active"


def test_other_sessions_find_out_for_themselves(hls_supervisor, film, tmp_path):
    supervisor = hls_supervisor(ffmpeg=str(nvenc_ffmpeg(tmp_path, works=1)), encoder="auto", share_segments=False)
    works, fails = supervisor.open(film), supervisor.open(film)
    works.segment(VIDEO, 0, BOUND)
    fails.segment(VIDEO, 0, BOUND)

    assert [video(session).encoder for session in (works, fails)] == ["h264_nvenc", "libx264"]
