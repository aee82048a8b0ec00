"""The history, which outlives its sessions and the supervisor."""

from __future__ import annotations

import os
import sqlite3
import subprocess
from contextlib import closing
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from hls_sessions.errors import (
    EncoderFailed,
    NotPlayable,
    SegmentImpossible,
    SessionEnded,
    SessionNotFound,
    StateUnusable,
    StorageFailed,
)
from hls_sessions.ffmpeg import ProcessId
from hls_sessions.supervisor import recovery
from hls_sessions.testing import crash, failing_ffmpeg, written

VIDEO = "video-90p"
BOUND = 30


@pytest.fixture
def state_dir(tmp_path):
    return tmp_path / "state"


@pytest.fixture
def rows(state_dir):
    """Read a table of a history that nobody uses any more."""

    def rows(columns, table, order="rowid"):
        with closing(sqlite3.connect(state_dir / "history.db")) as connection:
            return connection.execute(f"SELECT {columns} FROM {table} ORDER BY {order}").fetchall()

    return rows


def steps(supervisor, session_id):
    return [(step.before, step.after, step.by, step.reason) for step in written(supervisor).transitions(session_id)]


def test_a_session_is_written_down_from_its_opening_on(hls_supervisor, film, hls_clock):
    supervisor = hls_supervisor(clock=hls_clock)

    session = supervisor.open(film, user="anna", start_at=3)

    row = written(supervisor).session(session.id)
    assert (row.user, row.media, row.state, row.start_at) == ("anna", str(film), "active", 3)
    assert (row.created_at, row.started_at, row.ended_at) == (hls_clock.time(), hls_clock.time(), None)
    assert steps(supervisor, session.id) == [
        ("pending", "active", "session", "its directory is open and its playlists are known")
    ]


def test_a_session_that_was_stopped_is_completed_and_says_what_it_made(hls_supervisor, film):
    supervisor = hls_supervisor()
    session = supervisor.open(film)
    size = session.segment(VIDEO, 2, BOUND).stat().st_size

    session.stop()

    row = written(supervisor).session(session.id)
    assert (row.state, row.position) == ("completed", 1.0)
    assert row.segments_made >= 1
    assert row.bytes_made >= size
    assert row.first_segment_after > 0
    assert row.ended_at is not None
    assert steps(supervisor, session.id)[-1] == (
        "active",
        "completed",
        "viewer",
        "its viewer or an operator stopped it",
    )


def test_a_session_that_expired_says_why(hls_supervisor, film, hls_clock, until):
    supervisor = hls_supervisor(clock=hls_clock)
    session = supervisor.open(film, idle_timeout=10)

    hls_clock.advance(10)

    until(lambda: written(supervisor).session(session.id).state == "expired")
    assert steps(supervisor, session.id)[-1] == (
        "active",
        "expired",
        "reaper",
        "nothing was asked of it for 10 seconds",
    )


def test_a_session_that_failed_says_why(hls_supervisor, film, tmp_path, until):
    supervisor = hls_supervisor(ffmpeg=failing_ffmpeg(tmp_path), copy_streams=False)
    session = supervisor.open(film)

    waiting = [session.ask_init(rendition) for rendition in session.presentation.renditions]

    until(lambda: written(supervisor).session(session.id).state == "failed")
    row = written(supervisor).session(session.id)
    assert "failed 3 times" in row.reason
    assert row.encoder_failures > 6
    for reply in waiting:
        with pytest.raises((SegmentImpossible, EncoderFailed)):
            reply.get(BOUND)


def test_a_crash_is_a_restart_and_costs_no_sum(hls_supervisor, film, until):
    supervisor = hls_supervisor()
    session = supervisor.open(film)
    session.segment(VIDEO, 0, BOUND)
    made = supervisor.stats().segments_made

    crash(session)
    until(lambda: supervisor.stats().restarts == {"actor": 1})
    session.info()

    assert supervisor.stats().segments_made >= made
    assert supervisor.stats().living == 1


def test_a_session_that_could_not_be_started_is_a_failed_one(hls_supervisor, film, hls_segments_dir):
    supervisor = hls_supervisor()
    hls_segments_dir.rmdir()
    hls_segments_dir.touch()
    with pytest.raises(StorageFailed):
        supervisor.open(film)
    hls_segments_dir.unlink()
    hls_segments_dir.mkdir()

    assert supervisor.stats().by_state["failed"] == 1
    assert supervisor.stats().living == 0


def test_a_file_that_cannot_be_opened_leaves_nothing_in_the_history(hls_supervisor, tmp_path):
    supervisor = hls_supervisor(media=(tmp_path,))
    (tmp_path / "text.mp4").write_text("To be, or not to be.\n" * 100)

    with pytest.raises(NotPlayable):
        supervisor.open("text.mp4")

    assert supervisor.stats().sessions == 0


def test_a_supervisor_that_stops_completes_its_sessions(hls_supervisor, film, state_dir, rows):
    supervisor = hls_supervisor(state_dir=state_dir)
    supervisor.open(film).segment(VIDEO, 0, BOUND)
    supervisor.stop()

    [(state, reason, made)] = rows("state, reason, segments_made", "sessions")
    assert (state, reason) == ("completed", "the supervisor stopped")
    assert made >= 1
    assert rows("before, after", "transitions") == [("pending", "active"), ("active", "completed")]


def test_the_next_supervisor_knows_the_sessions_of_the_last(hls_supervisor, film, state_dir, hls_clock, until):
    first = hls_supervisor(state_dir=state_dir, clock=hls_clock)
    expired = first.open(film, idle_timeout=10).id
    completed = first.open(film)
    completed.stop()
    hls_clock.advance(10)
    until(lambda: written(first).session(expired).state == "expired")
    first.stop()

    second = hls_supervisor(state_dir=state_dir, clock=hls_clock)

    assert second.stats().by_state | {"expired": 1, "completed": 1} == second.stats().by_state
    with pytest.raises(SessionEnded, match="nothing was asked of it for 10 seconds"):
        second.find(expired)
    with pytest.raises(SessionNotFound):
        second.find(completed.id)
    hls_clock.advance(86_400)
    with pytest.raises(SessionNotFound):
        second.find(expired)


def test_the_next_supervisor_probes_no_file_again(hls_supervisor, film, state_dir, monkeypatch):
    first = hls_supervisor(state_dir=state_dir)
    read = first.probe(film)
    first.stop()
    monkeypatch.setattr("hls_sessions.ffmpeg.probing.prober.PROBE", "os:abort")

    second = hls_supervisor(state_dir=state_dir)

    assert second.probe(film) == read


def test_a_damaged_history_costs_the_history_and_nothing_else(hls_supervisor, film, state_dir, caplog):
    state_dir.mkdir()
    (state_dir / "history.db").write_bytes(os.urandom(5000))

    session = hls_supervisor(state_dir=state_dir).open(film)

    assert session.segment(VIDEO, 0, BOUND).exists()
    assert "cannot be used: file is not a database. It was set aside as" in caplog.text


def test_two_supervisors_do_not_share_a_state_folder(hls_supervisor, film, state_dir):
    hls_supervisor(state_dir=state_dir)

    with pytest.raises(StateUnusable, match="another daemon uses it"):
        hls_supervisor(state_dir=state_dir)


def test_a_state_folder_is_free_when_its_supervisor_has_stopped(hls_supervisor, state_dir):
    for _ in range(2):
        hls_supervisor(state_dir=state_dir).stop()


def test_a_supervisor_may_be_started_again(hls_supervisor, film, state_dir):
    supervisor = hls_supervisor(state_dir=state_dir)
    supervisor.open(film)
    supervisor.stop()
    supervisor.start()
    supervisor.open(film)

    assert supervisor.stats().by_state | {"completed": 1, "active": 1} == supervisor.stats().by_state


def test_without_a_state_folder_nothing_is_written(hls_supervisor, film, tmp_path, hls_segments_dir):
    supervisor = hls_supervisor()
    supervisor.open(film).stop()

    assert supervisor.stats().by_state["completed"] == 1
    assert supervisor.health().history == "memory"
    assert list(tmp_path.iterdir()) == [hls_segments_dir]


# ---- the janitor


def test_the_janitor_forgets_by_the_rule(hls_supervisor, film, hls_clock):
    supervisor = hls_supervisor(clock=hls_clock, idle_timeout=1e6)
    lives = supervisor.open(film)
    supervisor.open(film).stop()
    hls_clock.advance(6 * 3600 - 1)
    assert supervisor.tidy().sessions_forgotten == 0
    hls_clock.advance(1)

    supervisor.tidy()

    assert [row.id for row in written(supervisor).sessions()] == [lives.id]


def test_the_time_for_which_sessions_are_kept_can_be_set(hls_supervisor, film, hls_clock):
    supervisor = hls_supervisor(clock=hls_clock, keep_completed=5)
    supervisor.open(film).stop()
    hls_clock.advance(5)

    assert supervisor.tidy().sessions_forgotten == 1
    assert supervisor.stats().sessions == 0


def test_the_janitor_sweeps_by_itself(hls_supervisor, hls_clock, until):
    supervisor = hls_supervisor(clock=hls_clock, janitor_interval=60)

    for _ in range(3):
        hls_clock.advance(60)
        until(lambda: supervisor.health().janitor_ran_at == datetime.fromtimestamp(hls_clock.time(), UTC))


def test_the_janitor_clears_away_after_a_daemon_that_is_killed_meanwhile(hls_supervisor, hls_segments_dir):
    supervisor = hls_supervisor()
    left = hls_segments_dir / str(uuid4())
    left.mkdir()
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as dead:
        (left / "owner").write_text(str(ProcessId.of(dead.pid)))

    assert supervisor.tidy().directories_cleared == 1
    assert not left.exists()


def test_a_janitor_that_crashes_comes_back_and_harms_no_session(hls_supervisor, film, monkeypatch, until):
    supervisor = hls_supervisor()
    session = supervisor.open(film)
    monkeypatch.setattr(recovery, "orphans", lambda _: 1 / 0)
    with pytest.raises(Exception, match="The janitor did not sweep"):
        supervisor.tidy()
    monkeypatch.undo()

    assert supervisor.tidy().number == 1
    assert session.info().state == "active"


def test_the_janitors_look_keeps_no_session_alive(hls_supervisor, film, hls_clock, until):
    supervisor = hls_supervisor(clock=hls_clock, janitor_interval=1)
    session = supervisor.open(film, idle_timeout=10)

    for _ in range(10):
        hls_clock.advance(1)
        supervisor.stats()

    until(lambda: written(supervisor).session(session.id).state == "expired")
