"""The info of a session: its beginning, its time in each state, and its counters."""

from __future__ import annotations

import shlex

import pytest

from hls_sessions.errors import SessionEnded, SessionNotFound
from hls_sessions.ffmpeg import find
from hls_sessions.testing import crash, failing_ffmpeg, hanging_ffmpeg, runs_of

VIDEO, AUDIO = "video-90p", "audio-0"
BOUND = 30


def peek(session):
    return session.ask_peek().get(BOUND)


def test_it_says_when_it_began_and_how_long_it_was_in_each_state(hls_supervisor, film, hls_clock):
    session = hls_supervisor(clock=hls_clock).open(film)
    hls_clock.advance(12)

    info = session.info()

    assert info.created_at == info.started_at
    assert (info.last_activity_at - info.started_at).total_seconds() == 12
    assert info.seconds_in == {"pending": 0, "active": 12, "paused": 0}


def test_every_served_segment_counts_whether_from_disk_or_newly_made(hls_supervisor, film):
    session = hls_supervisor().open(film)

    made = session.segment(VIDEO, 0, BOUND)
    session.segment(VIDEO, 0, BOUND)
    audio = session.segment(AUDIO, 0, BOUND)

    info = peek(session)
    assert info.segments_served == 3
    assert info.bytes_served == 2 * made.stat().st_size + audio.stat().st_size


def test_a_viewer_who_has_left_was_served_nothing(hls_supervisor, film, tmp_path):
    session = hls_supervisor(ffmpeg=str(hanging_ffmpeg(tmp_path))).open(film)

    session.ask_segment(VIDEO, 0).cancel()

    assert peek(session).segments_served == 0


def test_the_made_segments_are_those_on_disk(hls_supervisor, film, until):
    session = hls_supervisor().open(film)
    session.segment(VIDEO, 0, BOUND)
    until(lambda: not peek(session).runs)

    info, files = peek(session), list(session.directory.glob(f"{VIDEO}/*.m4s"))
    assert info.segments_made == len(files)
    assert info.bytes_made == sum(file.stat().st_size for file in files)


def test_the_processor_time_of_its_encoders_is_known_while_they_run_and_when_they_have_ended(
    hls_supervisor, film, double, until
):
    session = hls_supervisor(ffmpeg=str(double("while :; do :; done")), max_runs=1).open(film)
    asked = session.ask_segment(VIDEO, 0)
    until(lambda: peek(session).encoder_seconds > 0)
    asked.cancel()
    before = peek(session).encoder_seconds

    session.ask_segment(VIDEO, 4)  # the only run is moved
    until(lambda: [run.first for run in peek(session).runs] == [4])

    assert peek(session).encoder_seconds >= before


def test_the_replacement_of_a_crashed_encoder_counts_as_a_restart(hls_supervisor, film, tmp_path):
    session = hls_supervisor(ffmpeg=str(failing_ffmpeg(tmp_path, times=2))).open(film)

    session.segment(VIDEO, 2, BOUND)

    assert peek(session).restarts == {"crashed": 2}
    assert peek(session).encoder_failures == 2


def test_the_replacement_of_an_encoder_that_did_nothing_counts_as_another_restart(
    hls_supervisor, film, double, hls_clock, until
):
    # The second is slow, so that it is at work when the end of the first is heard.
    ffmpeg = double(f'[ "$run" -gt 1 ] || exec sleep 3600; exec {shlex.quote(find())} -readrate 4 "$@"')
    session = hls_supervisor(ffmpeg=str(ffmpeg), clock=hls_clock).open(film)
    waiting = session.ask_segment(VIDEO, 1)
    until(lambda: runs_of(ffmpeg) == 1)

    runs = peek(session).runs

    while peek(session).runs == runs:
        hls_clock.advance(2.5)
    waiting.get(BOUND)

    until(lambda: peek(session).encoder_failures)  # by then the end of the first is heard
    assert peek(session).restarts == {"stalled": 1}


def test_an_encoder_that_was_only_moved_is_no_restart(hls_supervisor, film):
    session = hls_supervisor().open(film)

    session.segment(VIDEO, 3, BOUND)
    session.segment(VIDEO, 0, BOUND)

    assert peek(session).restarts == {}


def test_a_crash_of_its_actor_loses_nothing(hls_supervisor, film, until):
    supervisor = hls_supervisor()
    session = supervisor.open(film)
    session.segment(VIDEO, 0, BOUND)
    until(lambda: not peek(session).runs)
    before, history = peek(session), session.history

    crash(session)

    after = peek(session)
    assert after.restarts == {"actor": 1}
    assert after.started_at == before.started_at
    assert after.seconds_in["active"] > before.seconds_in["active"]
    assert after.segments_made == before.segments_made
    assert after.bytes_served == before.bytes_served
    assert after.encoder_seconds == before.encoder_seconds > 0
    assert session.history == history


# ---- the end


def test_the_history_tells_how_it_ended(hls_supervisor, film, hls_clock):
    supervisor = hls_supervisor(clock=hls_clock)
    stopped, idle = supervisor.open(film), supervisor.open(film, idle_timeout=5)

    stopped.stop()
    hls_clock.advance(5)
    with pytest.raises(SessionEnded):
        idle.info()

    assert [(step.step, step.by, step.to_state) for step in supervisor.history(stopped.id)] == [
        ("start", "session", "active"),
        ("complete", "viewer", "completed"),
    ]
    assert [(step.step, step.by, step.reason) for step in supervisor.history(idle.id)][1:] == [
        ("expire", "reaper", "nothing was asked of it for 5 seconds")
    ]
    assert idle.history == supervisor.history(idle.id)


def test_the_end_of_the_supervisor_completes_the_sessions_that_are_left(hls_supervisor, film):
    supervisor = hls_supervisor()
    session = supervisor.open(film)

    supervisor.stop()

    assert [(step.step, step.by, step.reason) for step in session.history][1:] == [
        ("complete", "supervisor", "the supervisor stopped")
    ]


def test_an_actor_that_crashes_too_often_fails_its_session_by_its_supervisor(hls_supervisor, film, until):
    supervisor = hls_supervisor()
    session = supervisor.open(film)

    for _ in range(4):
        crash(session)
    until(lambda: len(session.history) == 2)

    assert (session.history[-1].step, session.history[-1].by) == ("fail", "supervisor")
    assert "its actor crashed too often" in session.history[-1].reason


def test_the_history_of_an_ended_session_is_forgotten_after_a_while(hls_supervisor, film, hls_clock):
    supervisor = hls_supervisor(clock=hls_clock, keep_completed=100)
    session = supervisor.open(film)
    session.stop()

    hls_clock.advance(99)
    assert supervisor.history(session.id)
    hls_clock.advance(1)

    with pytest.raises(SessionNotFound):
        supervisor.history(session.id)


def test_the_history_of_a_session_that_has_not_ended_is_not_forgotten(hls_supervisor, film, hls_clock):
    supervisor = hls_supervisor(clock=hls_clock, keep_anything=100)
    session = supervisor.open(film)

    hls_clock.advance(200)

    assert [step.step for step in supervisor.history(session.id)] == ["start"]
