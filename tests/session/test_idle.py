"""A session stops itself: its encoders after a minute without a segment request, itself after half an hour.

It also stops an encoder that does nothing for ten seconds while a viewer waits.

The clock stands still unless a test advances it.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from hls_sessions.errors import SegmentImpossible, SessionEnded
from hls_sessions.testing import hanging_ffmpeg, runs_of

VIDEO, AUDIO = "video-90p", "audio-0"
BOUND = 30
A_MOMENT = 0.001


def peek(session):
    """Return the session's info without counting as activity, once it has heard all messages before."""
    return session.ask_peek().get(BOUND)


def processor_time(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def is_alive(session):
    try:
        peek(session)
    except SessionEnded:
        return False
    return True


@pytest.fixture
def hanging(hls_supervisor, hls_clock, tmp_path):
    """Start a supervisor whose encoders never make anything."""

    def hanging(*, times=-1, **settings):
        ffmpeg = hanging_ffmpeg(tmp_path, times=times)
        return hls_supervisor(clock=hls_clock, ffmpeg=str(ffmpeg), **settings)

    return hanging


# ---- the session


def test_a_session_that_nobody_asks_anything_of_expires(hls_supervisor, film, hls_clock):
    session = hls_supervisor(clock=hls_clock).open(film, user="anna")

    hls_clock.advance(1800 - A_MOMENT)
    assert is_alive(session)
    hls_clock.advance(A_MOMENT)

    with pytest.raises(SessionEnded, match=r"expired at .*: nothing was asked of it for 1800 seconds"):
        session.info()


def test_an_expired_session_leaves_no_directory_and_is_no_longer_listed(hls_supervisor, film, hls_clock):
    supervisor = hls_supervisor(clock=hls_clock)
    session = supervisor.open(film, user="anna")
    session.segment(VIDEO, 0, BOUND)
    other = supervisor.open(film, user="ben", idle_timeout=5000)

    hls_clock.advance(1800)

    assert not is_alive(session)
    assert not session.directory.exists()
    assert supervisor.sessions() == [other]


def test_an_expired_session_takes_its_encoders_with_it(hanging, film, hls_clock, ends):
    session = hanging(encoder_idle_timeout=5000).open(film, user="anna")
    left = session.ask_segment(VIDEO, 0)
    [run] = peek(session).runs
    left.cancel()

    hls_clock.advance(1800)

    assert ends(run.pid)
    assert not is_alive(session)


def test_opening_after_the_end_gives_a_new_session(hls_supervisor, film, hls_clock):
    supervisor = hls_supervisor(clock=hls_clock)
    session = supervisor.open(film, user="anna")

    hls_clock.advance(1800)

    assert supervisor.open(film, user="anna").id != session.id


ACTIVITIES = {
    "a heartbeat": lambda session: session.heartbeat(),
    "get_info": lambda session: session.info(),
    "the master playlist": lambda session: session.master_playlist(),
    "a media playlist": lambda session: session.media_playlist(VIDEO),
    "an init segment": lambda session: session.init(VIDEO, BOUND),
    "a segment that has to be made": lambda session: session.segment(VIDEO, 0, BOUND),
    "a segment that is on disk": lambda session: session.published(AUDIO, 0),
}


@pytest.mark.parametrize("act", ACTIVITIES.values(), ids=ACTIVITIES)
def test_every_request_counts_as_activity(hls_supervisor, film, hls_clock, act):
    session = hls_supervisor(clock=hls_clock).open(film, user="anna")
    session.segment(AUDIO, 0, BOUND)
    hls_clock.advance(1000)

    act(session)
    peek(session)  # it hears all earlier messages before the clock goes on
    hls_clock.advance(1800 - A_MOMENT)
    assert is_alive(session)
    hls_clock.advance(A_MOMENT)

    assert not is_alive(session)


def test_opening_again_counts_as_activity(hls_supervisor, film, hls_clock):
    supervisor = hls_supervisor(clock=hls_clock)
    session = supervisor.open(film, user="anna")
    hls_clock.advance(1000)

    assert supervisor.open(film, user="anna") is session
    hls_clock.advance(1000)

    assert is_alive(session)


def test_a_peek_does_not_count_as_activity(hls_supervisor, film, hls_clock):
    session = hls_supervisor(clock=hls_clock).open(film, user="anna")

    hls_clock.advance(1000)
    peek(session)
    hls_clock.advance(800)

    assert not is_alive(session)


def test_the_idle_timeout_is_the_daemons_or_the_sessions_own(hls_supervisor, film, hls_clock):
    supervisor = hls_supervisor(clock=hls_clock, idle_timeout=100)
    usual, patient = supervisor.open(film), supervisor.open(film, idle_timeout=200)

    hls_clock.advance(100)
    assert (is_alive(usual), is_alive(patient)) == (False, True)
    hls_clock.advance(100)

    assert not is_alive(patient)


def test_a_session_says_when_it_will_expire(hls_supervisor, film, hls_clock):
    session = hls_supervisor(clock=hls_clock).open(film)

    hls_clock.advance(300)

    assert peek(session).expires_in == 1500
    assert session.info().expires_in == 1800


def test_setting_the_clock_ends_no_session(hls_supervisor, film, hls_clock):
    session = hls_supervisor(clock=hls_clock).open(film)

    hls_clock.set_time(hls_clock.time() + 30 * 24 * 3600)
    hls_clock.advance(1800 - A_MOMENT)
    assert is_alive(session)
    hls_clock.set_time(hls_clock.time() - 60 * 24 * 3600)
    hls_clock.advance(A_MOMENT)

    assert not is_alive(session)


def test_a_session_does_not_expire_while_a_viewer_waits(hanging, film, hls_clock):
    session = hanging().open(film, idle_timeout=5)
    waiting = session.ask_segment(VIDEO, 0)
    peek(session)

    hls_clock.advance(100)

    assert is_alive(session)
    assert not waiting.done()


def test_a_viewer_who_has_left_keeps_no_session_alive(hanging, film, hls_clock):
    session = hanging().open(film, idle_timeout=5)
    session.ask_segment(VIDEO, 0).cancel()
    session.ask_init(AUDIO).cancel()
    peek(session)

    hls_clock.advance(100)

    assert not is_alive(session)


# ---- its encoders


def test_encoders_are_stopped_after_a_minute_without_a_segment_request(hanging, film, hls_clock, ends):
    session = hanging().open(film)
    left = session.ask_segment(VIDEO, 0)
    [run] = peek(session).runs
    left.cancel()

    hls_clock.advance(60 - A_MOMENT)
    session.heartbeat()
    assert peek(session).runs == (run,)
    hls_clock.advance(A_MOMENT)

    assert ends(run.pid)
    assert is_alive(session)


@pytest.mark.parametrize("passed", [1, 29, 31, 59, 61, 89])
def test_the_minute_counts_from_the_last_segment_request(hanging, film, hls_clock, ends, passed):
    session = hanging().open(film)
    hls_clock.advance(passed)
    left = session.ask_segment(VIDEO, 0)
    [run] = peek(session).runs
    left.cancel()

    hls_clock.advance(60 - A_MOMENT)
    assert peek(session).runs == (run,)
    hls_clock.advance(A_MOMENT)

    assert ends(run.pid)


def test_each_rendition_has_a_minute_of_its_own(hanging, film, hls_clock, ends):
    session = hanging(copy_streams=False).open(film)
    left = [session.ask_segment(VIDEO, 0)]
    peek(session)
    hls_clock.advance(30)
    left.append(session.ask_segment(AUDIO, 0))
    video, audio = peek(session).runs
    for reply in left:
        reply.cancel()

    hls_clock.advance(30)

    assert ends(video.pid)
    assert audio in peek(session).runs


def test_encoders_go_on_while_a_viewer_waits_for_them(hanging, film, hls_clock):
    session = hanging().open(film)
    session.ask_segment(VIDEO, 0)
    runs = peek(session).runs

    hls_clock.advance(600)

    assert peek(session).runs == runs


def test_segments_stay_when_the_encoders_are_stopped(hls_supervisor, film, hls_clock):
    session = hls_supervisor(clock=hls_clock).open(film)
    session.segment(VIDEO, 0, BOUND)

    hls_clock.advance(60)
    peek(session)

    assert session.published(VIDEO, 0).exists()


def test_the_next_request_after_the_encoders_were_stopped_starts_one(hanging, film, hls_clock, is_right, until):
    supervisor = hanging(times=1)
    ffmpeg = Path(supervisor.binary.path)
    session = supervisor.open(film)
    session.ask_segment(VIDEO, 0).cancel()
    until(lambda: runs_of(ffmpeg) == 1)

    hls_clock.advance(60)

    assert is_right(session, VIDEO, 0, session.segment(VIDEO, 0, BOUND))
    assert runs_of(ffmpeg) == 2


# ---- encoders that do nothing

LOOK = 2.5
"""Seconds between two checks of an encoder that a viewer waits for."""


@pytest.fixture
def pass_time(hls_clock):
    """Let seconds pass, so slowly that a session makes each of its checks, until it has ended."""

    def pass_time(session, seconds):
        for _ in range(int(seconds / LOOK)):
            if is_alive(session):
                hls_clock.advance(LOOK)
        is_alive(session)

    return pass_time


def test_an_encoder_that_does_nothing_is_replaced_while_a_viewer_waits(hanging, film, hls_clock, until, is_right):
    supervisor = hanging(times=1)
    session = supervisor.open(film)
    waiting = session.ask_segment(VIDEO, 1)
    until(lambda: runs_of(Path(supervisor.binary.path)) == 1)
    runs = peek(session).runs

    while peek(session).runs == runs:
        hls_clock.advance(LOOK)

    assert is_right(session, VIDEO, 1, waiting.get(BOUND))


def test_an_encoder_that_does_nothing_is_given_ten_seconds(hanging, film, pass_time):
    session = hanging().open(film)
    session.ask_segment(VIDEO, 1)
    runs = peek(session).runs

    pass_time(session, 10)

    assert peek(session).runs == runs


def test_a_segment_at_which_encoders_do_nothing_three_times_is_impossible(hanging, film, pass_time):
    session = hanging().open(film)
    waiting = session.ask_segment(VIDEO, 1)

    pass_time(session, 200)

    with pytest.raises(SegmentImpossible, match="its encoder did nothing for 10 seconds"):
        waiting.get(BOUND)


def test_an_encoder_that_works_is_given_the_time_it_needs(hls_supervisor, film, double, hls_clock, until):
    session = hls_supervisor(ffmpeg=str(double("while :; do :; done")), clock=hls_clock).open(film)
    waiting = session.ask_segment(VIDEO, 1)
    [run] = peek(session).runs

    for _ in range(12):
        worked = processor_time(run.pid)
        until(lambda worked=worked: processor_time(run.pid) > worked)
        hls_clock.advance(LOOK)
        assert peek(session).runs == (run,)

    assert not waiting.done()


def test_an_encoder_that_does_nothing_goes_on_while_nobody_waits(hanging, film, pass_time):
    session = hanging().open(film)
    left = session.ask_segment(VIDEO, 1)
    runs = peek(session).runs
    left.cancel()

    pass_time(session, 55)

    assert peek(session).runs == runs
