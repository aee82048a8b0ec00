"""Settings that change while the supervisor runs: everyone goes by the new ones at once, and by all or none of them."""

from __future__ import annotations

import threading

import pytest

from hls_sessions import Changes, Filter, Reconfigured, Settings
from hls_sessions.errors import CapacityExceeded, SessionEnded, SessionNotFound, SettingsRefused
from hls_sessions.session import SessionServer
from hls_sessions.testing import crash

VIDEO = "video-90p"
BOUND = 30


def peek(session):
    return session.ask_peek().get(BOUND)


@pytest.fixture
def supervisor(hls_supervisor, hls_clock):
    return hls_supervisor(clock=hls_clock)


def test_open_sessions_follow_a_new_default_and_keep_times_of_their_own(supervisor, film):
    default, own, updated = supervisor.open(film), supervisor.open(film, idle_timeout=900), supervisor.open(film)
    supervisor.update_many(Filter(session_id=updated.id), Changes(idle_timeout=800))

    supervisor.reconfigure(idle_timeout=60)

    assert [peek(session).idle_timeout for session in (default, own, updated)] == [60, 900, 800]
    assert peek(supervisor.open(film)).idle_timeout == 60


def test_a_session_whose_time_is_up_by_the_new_default_expires_at_once(supervisor, film, hls_clock, until):
    session = supervisor.open(film)
    hls_clock.advance(600)

    supervisor.reconfigure(idle_timeout=600)

    until(lambda: not supervisor.sessions())
    with pytest.raises(SessionEnded, match="nothing was asked of it for 600 seconds"):
        supervisor.find(session.id)


def test_a_longer_time_is_granted_to_those_that_are_there(supervisor, film, hls_clock):
    session = supervisor.open(film)
    supervisor.reconfigure(idle_timeout=7200)

    hls_clock.advance(3600)
    supervisor.reap()

    assert peek(session).expires_in == 3600


def test_encoders_that_nobody_uses_are_stopped_by_the_new_time(hls_supervisor, film, slow_ffmpeg, hls_clock, until):
    # With this ffmpeg there is an encoder for as long as it is used.
    supervisor = hls_supervisor(clock=hls_clock, ffmpeg=slow_ffmpeg, look_ahead=0.1)
    session = supervisor.open(film)
    session.segment(VIDEO, 0)
    hls_clock.advance(30)
    assert peek(session).runs

    supervisor.reconfigure(encoder_idle_timeout=30)

    until(lambda: not peek(session).runs)


def test_encoders_are_looked_after_once_at_a_time_however_often_their_time_changes(
    supervisor, film, hls_clock, monkeypatch, until
):
    looks = []
    look_at = SessionServer._look_at_encoders

    def counted(server, message):
        looks.append(message)
        look_at(server, message)

    monkeypatch.setattr(SessionServer, "_look_at_encoders", counted)
    session = supervisor.open(film)
    for seconds in (50, 40, 30):
        supervisor.reconfigure(encoder_idle_timeout=seconds)
    peek(session)
    looks.clear()

    hls_clock.advance(60)  # all reminders that were ever set are due

    until(lambda: looks)
    session.heartbeat()
    assert len(looks) == 1


def test_an_encoder_is_held_by_the_new_look_ahead(hls_supervisor, hls_clip, paced, until):
    supervisor = hls_supervisor(ffmpeg=paced(8))
    session = supervisor.open(hls_clip(seconds=60, size="160x90"))
    supervisor.reconfigure(look_ahead=4)

    session.segment(VIDEO, 0)

    until(lambda: [run.held for run in peek(session).runs] == [True])
    held_at = peek(session).runs[0].next
    supervisor.reconfigure(look_ahead=1000)
    until(lambda: peek(session).renditions[0].published > held_at)


def test_a_session_that_comes_back_goes_by_the_new_settings(hls_supervisor, film, until):
    supervisor = hls_supervisor()
    session = supervisor.open(film)
    supervisor.reconfigure(encoder_idle_timeout=5, idle_timeout=70)
    crash(session)

    until(lambda: peek(session).restarts)
    assert peek(session).idle_timeout == 70


def test_a_session_that_starts_meanwhile_goes_by_the_new_settings(supervisor, film, monkeypatch):
    start_link = SessionServer.start_link
    told = threading.Event()
    monkeypatch.setattr(SessionServer, "_reconfigure", lambda *_: told.set())

    def start(spec, services, record):
        ref = start_link(spec, services, record)
        supervisor.reconfigure(look_ahead=5)  # before it is known by its name
        return ref

    monkeypatch.setattr(SessionServer, "start_link", start)

    supervisor.open(film)

    assert told.wait(BOUND)


def test_ended_sessions_are_remembered_for_the_new_time(hls_supervisor, film, hls_clock):
    supervisor = hls_supervisor(clock=hls_clock, janitor_interval=10_000)
    session = supervisor.open(film, idle_timeout=5)
    hls_clock.advance(5)
    supervisor.reap()
    hls_clock.advance(100)

    supervisor.reconfigure(keep_anything=50)

    with pytest.raises(SessionNotFound):
        supervisor.find(session.id)
    assert supervisor.tidy().sessions_forgotten == 1


def test_fewer_places_clear_away_what_has_expired_and_cut_off_nobody(supervisor, film, hls_clock, monkeypatch):
    monkeypatch.setattr(SessionServer, "expire_if_idle", lambda server: None)
    overdue, watched, idle = supervisor.open(film, idle_timeout=5), supervisor.open(film), supervisor.open(film)
    hls_clock.advance(10)
    assert len(supervisor.sessions()) == 3
    monkeypatch.undo()

    supervisor.reconfigure(max_sessions=1)

    assert supervisor.sessions() == [watched, idle]
    assert not overdue.directory.exists()
    assert supervisor.stats().max_sessions == 1


def test_listeners_are_told_of_the_changes(supervisor, until):
    heard = []
    supervisor.subscribe(Reconfigured, heard.append)

    supervisor.reconfigure(idle_timeout=60, look_ahead=30, max_sessions=7)
    supervisor.reconfigure(idle_timeout=60)
    supervisor.reconfigure()

    supervisor.stop()
    assert [(event.session_id, event.settings) for event in heard] == [("", {"idle_timeout": 60, "max_sessions": 7})]


def test_a_refused_change_changes_nothing(supervisor, film):
    heard = []
    supervisor.subscribe(Reconfigured, heard.append)
    session, before = supervisor.open(film), supervisor.settings

    with pytest.raises(SettingsRefused, match="port: it cannot change"):
        supervisor.reconfigure(idle_timeout=60, port=1)
    with pytest.raises(SettingsRefused, match="look_ahead: Input should be greater than 0"):
        supervisor.reconfigure(idle_timeout=60, look_ahead=-1)

    assert supervisor.settings is before
    assert peek(session).idle_timeout == 1800
    supervisor.stop()
    assert heard == []


def test_changes_of_many_threads_are_all_made(supervisor):
    names = ["idle_timeout", "look_ahead", "subscriber_ttl", "encoder_idle_timeout", "keep_failed", "stuck_after"]
    threads = [threading.Thread(target=lambda name=name: supervisor.reconfigure(**{name: 77})) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert {getattr(supervisor.settings, name) for name in names} == {77}


def test_a_supervisor_that_does_not_run_begins_with_the_new_settings(supervisor, film):
    supervisor.stop()
    assert isinstance(supervisor.reconfigure(idle_timeout=60, max_sessions=1), Settings)

    with supervisor:
        assert peek(supervisor.open(film)).idle_timeout == 60
        with pytest.raises(CapacityExceeded):
            supervisor.open(film)
