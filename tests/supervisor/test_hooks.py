"""Hooks: a callback gets the events that it subscribed to, and harms nobody, however it behaves."""

from __future__ import annotations

import queue
import threading
from contextlib import suppress

import pytest

from hls_sessions import Ended, Event, Evicted, Restarted, Started, StateChanged
from hls_sessions.errors import IllegalTransition, SessionNotFound
from hls_sessions.testing import crash, failing_ffmpeg, hanging_ffmpeg

VIDEO = "video-90p"
BOUND = 30


def peek(session):
    return session.ask_peek().get(BOUND)


@pytest.fixture
def hear():
    """Return a queue, and a function that puts events into it."""
    heard = queue.Queue()
    return heard, heard.put


def test_a_hook_hears_of_a_session_from_its_start_to_its_end(hls_supervisor, film, hear):
    heard, put = hear
    supervisor = hls_supervisor()
    supervisor.subscribe(Event, put)
    session = supervisor.open(film, user="anna")
    session.pause()
    session.resume()
    session.stop()

    told = [heard.get(timeout=BOUND) for _ in range(6)]

    assert {event.session_id for event in told} == {session.id}
    assert [(type(event), getattr(event, "step", None)) for event in told] == [
        (StateChanged, "start"),
        (Started, None),
        (StateChanged, "pause"),
        (StateChanged, "resume"),
        (StateChanged, "complete"),
        (Ended, None),
    ]
    assert (told[1].user, told[1].media) == ("anna", str(film))
    assert told[2].snapshot.session_id == session.id
    assert (told[5].state, told[5].reason) == ("completed", "its viewer or an operator stopped it")
    assert [event.at for event in told] == sorted(event.at for event in told)


def test_a_hook_hears_of_every_segment_once_with_its_size(hls_supervisor, film, hear):
    heard, put = hear
    supervisor = hls_supervisor()
    supervisor.subscribe("segment_ready", put)
    session = supervisor.open(film)

    session.segment(VIDEO, 0, BOUND)
    told = [heard.get(timeout=BOUND) for _ in range(5)]

    assert [(event.rendition, event.segment) for event in told] == [(VIDEO, number) for number in range(5)]
    assert [event.size for event in told] == [session.published(VIDEO, n).stat().st_size for n in range(5)]


def test_a_hook_hears_of_a_replaced_encoder_and_a_restarted_actor(hls_supervisor, film, tmp_path, hear):
    heard, put = hear
    supervisor = hls_supervisor(ffmpeg=str(failing_ffmpeg(tmp_path, times=1)))
    supervisor.subscribe(Restarted, put)
    session = supervisor.open(film)

    session.segment(VIDEO, 2, BOUND)
    encoder = heard.get(timeout=BOUND)
    crash(session)
    actor = heard.get(timeout=BOUND)

    assert (encoder.what, encoder.cause, encoder.rendition, encoder.segment) == ("encoder", "crashed", VIDEO, 2)
    assert (actor.what, actor.rendition) == ("actor", None)
    assert "crashed with NotImplementedError" in actor.cause


def test_a_hook_hears_of_a_segment_that_is_found_missing(hls_supervisor, film, hear):
    heard, put = hear
    supervisor = hls_supervisor()
    supervisor.subscribe("evicted", put)
    session = supervisor.open(film)
    session.segment(VIDEO, 1, BOUND).unlink()

    session.segment(VIDEO, 1, BOUND)

    told = heard.get(timeout=BOUND)
    assert isinstance(told, Evicted)
    assert (told.rendition, told.segment) == (VIDEO, 1)


def test_a_hook_hears_of_the_end_with_the_counters_of_the_session(hls_supervisor, film, hear):
    heard, put = hear
    supervisor = hls_supervisor()
    supervisor.subscribe(Ended, put)
    session = supervisor.open(film)
    path = session.segment(VIDEO, 0, BOUND)
    size = path.stat().st_size

    session.stop()

    sums = heard.get(timeout=BOUND).sums
    assert (sums.segments_served, sums.bytes_served) == (1, size)
    assert sums.segments_made >= 1
    assert sums.encoder_seconds > 0


def test_stopping_the_supervisor_tells_of_every_end_before_it_returns(hls_supervisor, film):
    heard = []
    supervisor = hls_supervisor()
    supervisor.subscribe(Ended, heard.append)
    sessions = [supervisor.open(film) for _ in range(5)]

    supervisor.stop()

    assert {event.session_id for event in heard} == {session.id for session in sessions}
    assert {(event.state, event.reason) for event in heard} == {("completed", "the supervisor stopped")}


def test_a_hook_of_before_a_restart_hears_after_it_too(hls_supervisor, film):
    heard = []
    supervisor = hls_supervisor()
    supervisor.subscribe(Started, heard.append)
    supervisor.open(film)
    supervisor.stop()

    with supervisor:
        supervisor.open(film)

    assert len(heard) == 2


# ---- nobody is harmed


def test_a_hook_that_raises_harms_nobody_and_hears_the_next(hls_supervisor, film, hear, caplog):
    heard, put = hear

    def misbehave(event):
        put(event)
        raise SystemExit("a bug in a hook")

    supervisor = hls_supervisor()
    broken = supervisor.subscribe(StateChanged, misbehave)
    session = supervisor.open(film)
    session.pause()
    session.resume()

    assert [heard.get(timeout=BOUND).step for _ in range(3)] == ["start", "pause", "resume"]
    assert peek(session).state == "active"
    supervisor.unsubscribe(broken)
    assert broken.failed >= 2
    assert "a bug in a hook" in caplog.text


def test_a_hook_that_hangs_keeps_neither_the_session_nor_other_hooks_waiting(hls_supervisor, film, hear):
    heard, put = hear
    release = threading.Event()
    supervisor = hls_supervisor()
    stuck = supervisor.subscribe(Event, lambda _: release.wait(BOUND), limit=2)
    supervisor.subscribe(StateChanged, put)
    session = supervisor.open(film)

    for _ in range(20):
        session.pause()
        session.resume()

    assert len([heard.get(timeout=BOUND) for _ in range(41)]) == 41
    assert stuck.dropped >= 38
    release.set()


def test_a_hook_may_end_the_session_it_hears_of(hls_supervisor, film, hear, tmp_path):
    heard, put = hear
    supervisor = hls_supervisor(ffmpeg=str(hanging_ffmpeg(tmp_path)))
    supervisor.subscribe(StateChanged, lambda event: event.to_state == "paused" and supervisor.close(event.session_id))
    supervisor.subscribe(Ended, put)
    session = supervisor.open(film)
    session.ask_segment(VIDEO, 0)

    with suppress(SessionNotFound):  # it may be gone before its encoders are
        session.pause()

    assert heard.get(timeout=BOUND).session_id == session.id
    assert supervisor.sessions() == []


def test_a_hook_that_was_unsubscribed_hears_nothing_more(hls_supervisor, film, hear):
    heard, put = hear
    supervisor = hls_supervisor()
    subscription = supervisor.subscribe(StateChanged, put)
    session = supervisor.open(film)
    heard.get(timeout=BOUND)

    supervisor.unsubscribe(subscription)
    supervisor.unsubscribe(subscription)
    session.stop()

    assert heard.empty()


@pytest.mark.parametrize("wrong", ["", "Started", "nothing"])
def test_an_event_that_does_not_exist_is_refused_with_those_that_do(hls_supervisor, wrong):
    names = "started, state_changed, segment_ready, restarted, evicted, source_changed, updated, reconfigured, ended"
    with pytest.raises(ValueError, match=f"only {names}"):
        hls_supervisor().subscribe(wrong, print)


@pytest.mark.parametrize("wrong", [(5, print), (int, print), ("started", None), ("started", print, 0)], ids=str)
def test_an_impossible_hook_is_refused_and_harms_nobody(hls_supervisor, film, wrong):
    supervisor = hls_supervisor()
    kind, callback, *limit = wrong
    with pytest.raises((TypeError, ValueError), match=r"no kind of event|cannot be called|must be able to wait"):
        supervisor.subscribe(kind, callback, **({"limit": limit[0]} if limit else {}))

    assert supervisor.open(film).info().state == "active"


def test_hooks_hear_the_steps_of_many_threads_in_the_order_of_the_history(hls_supervisor, film):
    heard = []
    supervisor = hls_supervisor()
    supervisor.subscribe(StateChanged, heard.append)
    session = supervisor.open(film)

    def pause_and_resume():
        for _ in range(10):
            for ask in (session.pause, session.resume):
                try:
                    ask()
                except IllegalTransition:  # another thread was quicker
                    continue

    threads = [threading.Thread(target=pause_and_resume) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    history = session.history
    supervisor.stop()

    assert [(event.at, event.from_state, event.to_state, event.reason) for event in heard[:-1]] == [
        (step.at, step.from_state, step.to_state, step.reason) for step in history
    ]
