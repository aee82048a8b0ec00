"""Limits as callers meet them: how many sessions there may be, and which of them are displaced."""

from __future__ import annotations

import asyncio

import pytest

from hls_sessions.errors import CapacityExceeded, SessionEnded
from hls_sessions.testing import hanging_ffmpeg, lost_timers

BOUND = 30
VIDEO = "video-90p"


@pytest.fixture
def full(hls_supervisor, hls_clock):
    """Start a supervisor on the test's clock, for two sessions."""

    def full(**settings):
        return hls_supervisor(clock=hls_clock, **({"max_sessions": 2} | settings))

    return full


def is_there(supervisor, session):
    return session in supervisor.sessions()


# ---- refused


def test_one_session_too_many_is_refused_with_a_place_and_a_time_and_leaves_nothing(full, film, hls_segments_dir):
    supervisor = full()
    sessions = [supervisor.open(film, user=user) for user in ("anna", "ben")]

    for user, place in (("cleo", 1), ("dora", 2), ("cleo", 1)):
        with pytest.raises(CapacityExceeded) as refused:
            supervisor.open(film, user=user)
        assert refused.value.facts() == {"limit": "max_sessions", "most": 2, "place": place, "retry_after": 10.0}

    assert supervisor.sessions() == sessions
    assert {path.name for path in hls_segments_dir.iterdir()} == {session.directory.name for session in sessions}


def test_a_user_is_never_refused_the_session_that_it_has(full, film):
    supervisor = full()
    session = supervisor.open(film, user="anna")
    supervisor.open(film, user="ben")

    assert supervisor.open(film, user="anna") is session


def test_a_free_place_is_kept_for_the_caller_that_came_first(full, film):
    supervisor = full()
    leaving, _ = (supervisor.open(film, user=user) for user in ("anna", "ben"))
    for user in ("cleo", "dora"):
        with pytest.raises(CapacityExceeded):
            supervisor.open(film, user=user)
    leaving.stop()

    with pytest.raises(CapacityExceeded) as refused:
        supervisor.open(film, user="dora")
    assert refused.value.place == 2
    assert supervisor.open(film, user="cleo").user == "cleo"
    with pytest.raises(CapacityExceeded) as refused:
        supervisor.open(film, user="dora")
    assert refused.value.place == 1


def test_a_place_is_not_kept_for_a_caller_that_does_not_ask_again(full, film, hls_clock):
    supervisor = full()
    leaving, _ = (supervisor.open(film, user=user) for user in ("anna", "ben"))
    with pytest.raises(CapacityExceeded):
        supervisor.open(film, user="cleo")
    leaving.stop()
    hls_clock.advance(30)

    assert supervisor.open(film, user="dora").user == "dora"


def test_a_user_may_have_so_many_and_others_as_many(full, film):
    supervisor = full(max_sessions=10, max_sessions_per_user=1)
    supervisor.open(film, user="anna")
    other = film.with_name(f"other-{film.name}")
    if not other.exists():
        other.write_bytes(film.read_bytes())

    with pytest.raises(CapacityExceeded, match=r"\(max_sessions_per_user is 1\): number 1 in the queue"):
        supervisor.open(other, user="anna")
    supervisor.open(other, user="ben")
    supervisor.open(other)
    supervisor.open(other)


def test_resuming_a_session_that_is_gone_is_refused_like_opening(full, film):
    supervisor = full()
    session = supervisor.open(film, user="anna")
    snapshot = session.pause()
    session.stop()
    for user in ("ben", "cleo"):
        supervisor.open(film, user=user)

    with pytest.raises(CapacityExceeded):
        supervisor.resume(snapshot)


# ---- cleared away


@pytest.mark.parametrize("when_full", ["reject", "evict"])
def test_overdue_sessions_are_cleared_away_for_a_new_one(full, film, hls_clock, when_full):
    supervisor = full(when_full=when_full)
    with lost_timers(supervisor):
        overdue, idle = supervisor.open(film, idle_timeout=100), supervisor.open(film, idle_timeout=500)
        hls_clock.advance(200)

        supervisor.open(film)

    assert not is_there(supervisor, overdue)
    assert not overdue.directory.exists()
    assert is_there(supervisor, idle)


# ---- displaced


def test_the_session_that_was_idle_longest_is_displaced_and_says_so(full, film, hls_clock):
    supervisor = full(when_full="evict")
    first, second = supervisor.open(film, user="anna"), supervisor.open(film, user="ben")
    hls_clock.advance(100)
    first.heartbeat()
    hls_clock.advance(60)

    third = supervisor.open(film, user="cleo")

    assert supervisor.sessions() == [first, third]
    assert not second.directory.exists()
    with pytest.raises(SessionEnded, match=r"expired at .*: it made room for another: nothing was asked of it for 160"):
        supervisor.find(second.id)
    assert [(step.step, step.by) for step in second.history][-1] == ("yield", "supervisor")


def test_a_session_that_was_used_a_moment_ago_is_not_displaced(full, film, hls_clock):
    supervisor = full(when_full="evict", encoder_idle_timeout=60)
    sessions = [supervisor.open(film, user=user) for user in ("anna", "ben")]
    hls_clock.advance(59.9)

    with pytest.raises(CapacityExceeded):
        supervisor.open(film, user="cleo")

    assert supervisor.sessions() == sessions


def test_a_session_in_which_a_viewer_waits_is_not_displaced_however_long(full, film, hls_clock, tmp_path):
    supervisor = full(when_full="evict", ffmpeg=str(hanging_ffmpeg(tmp_path)), idle_timeout=5000)
    waited_for, idle = supervisor.open(film), supervisor.open(film)
    waiting = waited_for.ask_segment(VIDEO, 0)
    waited_for.ask_peek().get(BOUND)
    hls_clock.advance(10)
    idle.heartbeat()
    hls_clock.advance(100)

    third = supervisor.open(film)
    assert supervisor.sessions() == [waited_for, third]
    with pytest.raises(CapacityExceeded):
        supervisor.open(film)
    assert not waiting.done()


def test_a_session_that_somebody_listens_to_is_not_displaced(full, film, hls_clock):
    supervisor = full(when_full="evict", max_sessions=1)
    session = supervisor.open(film)

    async def listen():
        with supervisor.stream(session.id):
            hls_clock.advance(1000)
            with pytest.raises(CapacityExceeded):
                await asyncio.to_thread(supervisor.open, film)

    asyncio.run(listen())
    assert is_there(supervisor, session)


def test_a_session_that_crashes_over_the_question_is_not_asked_for_ever(full, film, hls_clock, monkeypatch):
    supervisor = full(when_full="evict", max_sessions=1)
    session = supervisor.open(film, user="anna")
    hls_clock.advance(100)
    monkeypatch.setattr("hls_sessions.supervisor.admission_control.ANSWER", 0.05)
    monkeypatch.setattr("hls_sessions.session.server.SessionServer._ends_for", lambda *_: 1 / 0)

    with pytest.raises(CapacityExceeded):
        supervisor.open(film, user="ben")

    assert supervisor.sessions() == [session]
