"""The reaper and subscribers: a session is kept while a viewer or a subscriber is there, and ended after that."""

from __future__ import annotations

import asyncio

import pytest

from hls_sessions import Ended, Restarted, SegmentReady, StateChanged
from hls_sessions.errors import SessionEnded, SessionNotFound, Unavailable
from hls_sessions.session import SessionServer
from hls_sessions.supervisor import stream as streams
from hls_sessions.testing import crash, hanging_ffmpeg, lost_timers, process_of

VIDEO = "video-90p"
BOUND = 30


def peek(session):
    return session.ask_peek().get(BOUND)


def is_alive(session):
    try:
        peek(session)
    except SessionEnded:
        return False
    return True


# ---- one cycle


def test_a_cycle_ends_overdue_sessions_and_no_others(hls_supervisor, film, hls_clock):
    supervisor = hls_supervisor(clock=hls_clock)
    idle, patient = supervisor.open(film, idle_timeout=100), supervisor.open(film, idle_timeout=200)

    assert supervisor.reap() == []
    hls_clock.advance(150)
    supervisor.reap()

    assert not idle.directory.exists()
    assert supervisor.sessions() == [patient]
    with pytest.raises(SessionEnded, match=r"expired at .*: nothing was asked of it for 100 seconds"):
        supervisor.find(idle.id)


def test_a_cycle_ends_a_session_whose_own_reminder_was_lost(hls_supervisor, film, hls_clock):
    supervisor = hls_supervisor(clock=hls_clock)
    session = supervisor.open(film)
    with lost_timers(supervisor):
        hls_clock.advance(1800)
        assert peek(session).state == "active"

        assert supervisor.reap() == [session.id]

    assert not session.directory.exists()
    assert supervisor.sessions() == []


def test_the_reaper_runs_its_cycle_by_itself(hls_supervisor, film, hls_clock, monkeypatch, until):
    supervisor = hls_supervisor(clock=hls_clock, reap_interval=10)
    monkeypatch.setattr(
        SessionServer, "remind", lambda server, *_: server._services.timers.send_after(server.ref, None, 1e9)
    )
    session = supervisor.open(film, idle_timeout=15)

    def expired():
        hls_clock.advance(10)
        return not supervisor.sessions()

    until(expired)
    assert [step.by for step in session.history][1:] == ["reaper"]


def test_a_cycle_spares_a_session_while_a_viewer_waits(hls_supervisor, film, hls_clock, tmp_path):
    supervisor = hls_supervisor(clock=hls_clock, ffmpeg=str(hanging_ffmpeg(tmp_path)))
    session = supervisor.open(film, idle_timeout=5)
    session.ask_segment(VIDEO, 0)
    peek(session)
    hls_clock.advance(100)

    assert supervisor.reap() == []
    assert is_alive(session)


def test_a_reaper_that_was_killed_comes_back_and_no_session_notices(hls_supervisor, film):
    supervisor = hls_supervisor()
    session = supervisor.open(film)
    reaper = process_of(supervisor, "reaper")

    reaper.kill()

    assert process_of(supervisor, "reaper").is_alive()
    assert peek(session).restarts == {}


def test_a_supervisor_that_does_not_run_reaps_nothing_and_streams_nothing(hls_supervisor):
    supervisor = hls_supervisor()
    supervisor.stop()

    async def listen():
        with supervisor.stream():
            pass

    with pytest.raises(Unavailable):
        supervisor.reap()
    with pytest.raises(Unavailable):
        asyncio.run(listen())


# ---- a session that has ended


def test_a_session_that_timed_out_says_when_and_why_for_as_long_as_its_history_is_kept(hls_supervisor, film, hls_clock):
    supervisor = hls_supervisor(clock=hls_clock, keep_anything=3600)
    session = supervisor.open(film, idle_timeout=60)
    hls_clock.advance(60)
    supervisor.reap()

    for _ in range(2):
        with pytest.raises(SessionEnded) as gone:
            supervisor.find(session.id)
        assert gone.value.facts() == {
            "session_id": session.id,
            "state": "expired",
            "reason": "nothing was asked of it for 60 seconds",
            "ended_at": "2023-11-14T22:14:20+00:00",
        }
        hls_clock.advance(3000)
    with pytest.raises(SessionNotFound):
        supervisor.find(session.id)


# ---- subscribers


def test_a_subscriber_is_counted_and_keeps_the_session(hls_supervisor, film, hls_clock):
    supervisor = hls_supervisor(clock=hls_clock)
    session = supervisor.open(film)

    async def listen():
        with supervisor.stream(session.id), supervisor.stream(session.id):
            hls_clock.advance(10_000)
            return await session.ask_peek()

    info = asyncio.run(listen())
    assert (info.subscriber_count, info.last_subscriber_left_at, info.expires_in) == (2, None, 1800)
    after = peek(session)
    assert after.subscriber_count == 0
    assert after.last_subscriber_left_at.timestamp() == hls_clock.time()
    assert after.expires_in == 90


def test_a_session_that_its_last_subscriber_has_left_expires_soon(hls_supervisor, film, hls_clock):
    supervisor = hls_supervisor(clock=hls_clock, subscriber_ttl=30)
    left, returned, alone = (supervisor.open(film) for _ in range(3))

    async def listen():
        with supervisor.stream(left.id), supervisor.stream(returned.id):
            pass
        hls_clock.advance(20)
        with supervisor.stream(returned.id):
            hls_clock.advance(10)
            await asyncio.to_thread(supervisor.reap)
            return supervisor.sessions()

    assert asyncio.run(listen()) == [returned, alone]
    with pytest.raises(SessionEnded, match="nothing was asked of it for 30 seconds after its last subscriber left"):
        supervisor.find(left.id)


def test_a_crash_of_the_actor_forgets_no_subscriber(hls_supervisor, film):
    supervisor = hls_supervisor()
    session = supervisor.open(film)

    async def listen():
        with supervisor.stream(session.id) as stream:
            crash(session)
            async for event in stream:
                if isinstance(event, Restarted):
                    return (await session.ask_peek()).subscriber_count
        return None

    assert asyncio.run(asyncio.wait_for(listen(), BOUND)) == 1


def test_a_stream_tells_of_its_session_alone_and_ends_with_it(hls_supervisor, film):
    supervisor = hls_supervisor()
    session, other = supervisor.open(film), supervisor.open(film)

    async def listen():
        with supervisor.stream(session.id) as stream:
            await other.ask_pause()
            await session.ask_segment(VIDEO, 0)
            await asyncio.to_thread(session.stop)
            return [event async for event in stream], stream.stopping

    told, stopping = asyncio.run(asyncio.wait_for(listen(), BOUND))
    assert {event.session_id for event in told} == {session.id}
    assert isinstance(told[0], SegmentReady)
    assert [event.to_state for event in told if isinstance(event, StateChanged)] == ["completed"]
    assert isinstance(told[-1], Ended)
    assert not stopping


def test_a_stream_of_all_tells_of_all_and_ends_when_the_supervisor_stops(hls_supervisor, film):
    supervisor = hls_supervisor()
    session = supervisor.open(film)

    async def listen():
        with supervisor.stream() as stream:
            other = await asyncio.to_thread(supervisor.open, film)
            await session.ask_pause()
            await asyncio.to_thread(supervisor.stop)
            return other, [event async for event in stream], stream.stopping

    other, told, stopping = asyncio.run(asyncio.wait_for(listen(), BOUND))
    assert [event.session_id for event in told] == [other.id, other.id, session.id]
    assert stopping


def test_a_reader_that_is_too_slow_is_cut_off_and_harms_nobody(hls_supervisor, film, monkeypatch):
    monkeypatch.setattr(streams.Stream.__init__, "__defaults__", (3,))
    supervisor = hls_supervisor()
    session = supervisor.open(film)

    async def listen():
        with supervisor.stream(session.id) as stream:
            for _ in range(3):
                await session.ask_pause()
                await session.ask_resume()
            return [event async for event in stream]

    assert asyncio.run(asyncio.wait_for(listen(), BOUND)) == []
    assert peek(session).subscriber_count == 0


def test_a_reader_may_listen_to_some_kinds_of_events_alone(hls_supervisor, film):
    supervisor = hls_supervisor()

    async def listen():
        session = supervisor.open(film)
        with supervisor.stream(session.id, kinds={"ended", "started"}) as stream:
            await session.ask_pause()
            await asyncio.to_thread(session.stop)
            return [event.name async for event in stream]

    assert asyncio.run(asyncio.wait_for(listen(), BOUND)) == ["ended"]


def test_nobody_can_listen_to_a_session_that_is_not_there(hls_supervisor, film, hls_clock):
    supervisor = hls_supervisor(clock=hls_clock)
    session = supervisor.open(film, idle_timeout=5)
    hls_clock.advance(5)
    supervisor.reap()

    async def listen(session_id):
        with supervisor.stream(session_id):
            pass

    with pytest.raises(SessionEnded):
        asyncio.run(listen(session.id))
    with pytest.raises(SessionNotFound):
        asyncio.run(listen("x"))
