"""One operation on many sessions: each is judged and treated in one step, without affecting the others."""

from __future__ import annotations

from math import inf

import pytest
from pydantic import ValidationError

from hls_sessions import Changes, Filter, Updated
from hls_sessions.errors import SessionEnded, SessionNotFound, Unavailable
from hls_sessions.supervisor.sessions import SessionTable
from hls_sessions.testing import busy, crash, hanging_ffmpeg

VIDEO = "video-90p"
BOUND = 30


def peek(session):
    return session.ask_peek().get(BOUND)


def done(outcomes) -> list[str]:
    assert [outcome.refusal for outcome in outcomes if not outcome.done] == []
    return [outcome.session_id for outcome in outcomes]


@pytest.fixture
def supervisor(hls_supervisor, hls_clock):
    return hls_supervisor(clock=hls_clock)


@pytest.fixture
def anna(supervisor, film):
    return supervisor.open(film, user="anna")


@pytest.fixture
def ben(supervisor, film, anna):
    return supervisor.open(film, user="ben")


def test_stopping_many_ends_those_that_are_meant_with_all_they_cost(supervisor, anna, ben):
    anna.segment(VIDEO, 0)

    assert done(supervisor.stop_many(Filter(user="anna"))) == [anna.id]

    assert not anna.directory.exists()
    assert supervisor.sessions() == [ben]
    assert (anna.history[-1].to_state, anna.history[-1].reason) == ("completed", "an operator stopped it")


def test_finding_many_returns_those_that_are_meant_and_does_nothing_to_them(supervisor, hls_clock, anna, ben):
    hls_clock.advance(100)
    ben.heartbeat()

    assert supervisor.find_many(Filter(all=True)) == [anna, ben]
    assert supervisor.find_many(Filter(idle_for=50)) == [anna]
    assert supervisor.sessions() == [anna, ben]


def test_all_can_be_stopped_and_then_nothing_is_meant(supervisor, anna, ben):
    assert done(supervisor.stop_many(Filter(all=True))) == [anna.id, ben.id]
    assert supervisor.stop_many(Filter(all=True)) == []


def test_pausing_many_stops_their_encoders(supervisor, anna, ben):
    anna.segment(VIDEO, 0)

    assert done(supervisor.pause_many(Filter(state="active"))) == [anna.id, ben.id]

    assert [(peek(session).state, peek(session).runs) for session in (anna, ben)] == [("paused", ())] * 2
    assert anna.resume().state == "active"


def test_a_refusal_of_one_is_reported_and_does_not_affect_the_others(supervisor, anna, ben):
    anna.pause()

    [refused, paused] = supervisor.pause_many(Filter(all=True))

    assert (refused.done, refused.refusal) == (False, "A session that is paused cannot pause.")
    assert paused.done
    assert peek(ben).state == "paused"


def test_a_session_that_does_not_answer_is_refused(supervisor, anna, ben, monkeypatch):
    monkeypatch.setattr("hls_sessions.supervisor.bulk.PATIENCE", 2)

    with busy(anna):
        [stuck, paused] = supervisor.pause_many(Filter(all=True))

    assert (stuck.done, stuck.refusal) == (False, "It did not answer within 2 seconds.")
    assert paused.done


def test_age_and_idleness_are_conditions(supervisor, film, hls_clock):
    old, busy = supervisor.open(film), supervisor.open(film)
    hls_clock.advance(600)
    busy.heartbeat()
    young = supervisor.open(film)

    assert done(supervisor.pause_many(Filter(older_than=600, idle_for=600))) == [old.id]
    assert done(supervisor.stop_many(Filter(older_than=600))) == [old.id, busy.id]
    assert supervisor.sessions() == [young]


def test_a_session_in_which_somebody_waits_is_not_idle(hls_supervisor, film, hls_clock, tmp_path):
    supervisor = hls_supervisor(clock=hls_clock, ffmpeg=hanging_ffmpeg(tmp_path))
    session = supervisor.open(film)
    waiting = session.ask_segment(VIDEO, 0)
    session.ask_info().get(BOUND)  # by now it has been asked for
    hls_clock.advance(5)

    assert supervisor.stop_many(Filter(idle_for=5)) == []

    waiting.cancel()
    assert done(supervisor.stop_many(Filter(idle_for=5))) == [session.id]


def test_an_operation_on_many_does_not_count_as_activity(supervisor, anna, hls_clock):
    hls_clock.advance(600)

    supervisor.pause_many(Filter(all=True))
    supervisor.update_many(Filter(all=True), Changes(idle_timeout=1000))

    assert peek(anna).expires_in == 400


def test_a_file_is_a_condition_by_any_of_its_names(supervisor, film, hls_clip, anna):
    other = supervisor.open(hls_clip(seconds=6, size="160x90"))

    assert done(supervisor.pause_many(Filter(media=film.name))) == [anna.id]
    assert done(supervisor.stop_many(Filter(media=str(film)))) == [anna.id]
    assert supervisor.stop_many(Filter(media="no such file")) == []
    assert supervisor.stop_many(Filter(media="\0")) == []
    assert supervisor.sessions() == [other]


def test_a_file_that_was_deleted_still_names_its_sessions(supervisor, hls_clip, hls_clip_folder):
    film = hls_clip(seconds=1, size="160x90", name="deleted.mp4")
    session = supervisor.open(film)
    film.unlink()

    assert done(supervisor.stop_many(Filter(media="deleted.mp4"))) == [session.id]


# ---- a session that goes on meanwhile


def test_a_session_that_is_resumed_meanwhile_is_not_stopped(supervisor, anna, monkeypatch):
    anna.pause()
    find = SessionTable.find

    def resumed_first(entries, session_id):
        anna.resume()
        return find(entries, session_id)

    monkeypatch.setattr(SessionTable, "find", resumed_first)

    [outcome] = supervisor.stop_many(Filter(state="paused"))

    monkeypatch.undo()
    assert (outcome.done, outcome.refusal) == (False, "The session is no longer one of those that were meant.")
    assert peek(anna).state == "active"
    assert [step.step for step in anna.history] == ["start", "pause", "resume"]


def test_a_session_whose_viewer_comes_back_meanwhile_is_not_paused(supervisor, anna, hls_clock, monkeypatch):
    hls_clock.advance(600)
    ask = type(anna).ask_pause_if

    def with_a_heartbeat_first(session, provided):
        session.heartbeat()
        return ask(session, provided)

    monkeypatch.setattr(type(anna), "ask_pause_if", with_a_heartbeat_first)

    [outcome] = supervisor.pause_many(Filter(idle_for=600))

    assert (outcome.done, outcome.refusal) == (False, "The session is no longer one of those that were meant.")
    assert peek(anna).state == "active"


def test_a_session_that_ends_meanwhile_is_refused_with_the_reason(supervisor, anna, monkeypatch):
    find = SessionTable.find

    def ended_first(entries, session_id):
        monkeypatch.undo()
        supervisor.close(session_id)
        return find(entries, session_id)

    monkeypatch.setattr(SessionTable, "find", ended_first)

    [outcome] = supervisor.stop_many(Filter(all=True))

    assert (outcome.done, outcome.refusal) == (False, str(SessionNotFound(anna.id)))


# ---- other times


def test_an_update_changes_the_times_of_those_that_are_meant(supervisor, anna, ben, until):
    heard = []
    supervisor.subscribe(Updated, heard.append)

    assert done(supervisor.update_many(Filter(user="anna"), Changes(idle_timeout=60))) == [anna.id]

    assert [(peek(s).idle_timeout, peek(s).expires_in) for s in (anna, ben)] == [(60, 60), (1800, 1800)]
    until(lambda: heard)
    assert [(event.session_id, event.settings) for event in heard] == [(anna.id, {"idle_timeout": 60})]


def test_a_session_that_was_given_less_time_expires_sooner(supervisor, anna, ben, hls_clock, until):
    supervisor.update_many(Filter(session_id=anna.id), Changes(idle_timeout=60))
    peek(anna)
    hls_clock.advance(60)

    until(lambda: supervisor.sessions() == [ben])
    with pytest.raises(SessionEnded, match="nothing was asked of it for 60 seconds"):
        supervisor.find(anna.id)


def test_a_session_that_was_given_more_time_lives_longer(supervisor, anna, ben, hls_clock):
    supervisor.update_many(Filter(session_id=anna.id), Changes(idle_timeout=7200))
    hls_clock.advance(3600)
    supervisor.reap()

    assert supervisor.sessions() == [anna]


def test_an_update_outlives_a_crash_of_the_actor(hls_supervisor, film, until):
    supervisor = hls_supervisor()
    anna = supervisor.open(film)
    supervisor.update_many(Filter(all=True), Changes(idle_timeout=60))
    crash(anna)

    until(lambda: peek(anna).restarts)
    assert peek(anna).idle_timeout == 60


def test_a_snapshot_carries_what_was_updated(supervisor, anna):
    supervisor.update_many(Filter(all=True), Changes(idle_timeout=60))

    assert anna.pause().settings.idle_timeout == 60


@pytest.mark.parametrize("changes", [{}, {"idle_timeout": 0}, {"idle_timeout": inf}, {"user": "ben"}])
def test_an_update_of_nothing_or_nonsense_is_refused(changes):
    with pytest.raises(ValidationError):
        Changes(**changes)


def test_a_supervisor_that_does_not_run_refuses_operations_on_many(supervisor):
    supervisor.stop()

    with pytest.raises(Unavailable):
        supervisor.stop_many(Filter(all=True))
    with pytest.raises(Unavailable):
        supervisor.pause_many(Filter(all=True))
    with pytest.raises(Unavailable):
        supervisor.update_many(Filter(all=True), Changes(idle_timeout=60))
