from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from functools import partial
from threading import Event
from typing import NamedTuple

import pytest

from hls_sessions import Supervisor
from hls_sessions.errors import Unavailable
from hls_sessions.ffmpeg import find
from hls_sessions.session import SessionServer
from hls_sessions.supervisor import MediaRoots
from hls_sessions.testing import actor_of, hanging_ffmpeg, hanging_share

BOUND = 30


class Usage(NamedTuple):
    total: int
    used: int
    free: int


@pytest.fixture
def free(monkeypatch):
    """Have the given percentage of the disk be free."""

    def free(percent):
        monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(100, 100 - percent, percent))

    free(50)
    return free


def test_a_daemon_that_can_do_its_work_is_healthy(hls_supervisor, free):
    health = hls_supervisor().health()

    assert (health.status, health.reasons) == ("healthy", ())


def test_health_counts_sessions_and_seconds(hls_supervisor, film, hls_clock, free):
    supervisor = hls_supervisor(clock=hls_clock)
    supervisor.open(film)
    hls_clock.advance(90)

    health = supervisor.health()

    assert (health.sessions, health.uptime) == (1, 90)


@pytest.mark.parametrize(
    ("percent", "status"), [(31, "healthy"), (30, "warning"), (11, "warning"), (10, "critical"), (0, "critical")]
)
def test_a_disk_is_a_warning_from_70_percent_on_and_critical_from_90(
    hls_supervisor, free, hls_segments_dir, percent, status
):
    supervisor = hls_supervisor()
    free(percent)

    health = supervisor.health()

    sentence = f"The disk of {hls_segments_dir} is {100 - percent}% full."
    assert health.status == status
    assert health.reasons == (() if status == "healthy" else (sentence,))
    assert health.disk_used == pytest.approx((100 - percent) / 100)


def test_space_that_is_kept_for_root_is_neither_used_nor_free(hls_supervisor, free, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(total=100, used=60, free=20))

    health = hls_supervisor().health()

    assert (health.status, health.disk_used, health.disk_free_bytes) == ("warning", 0.75, 20)


@pytest.mark.parametrize(("sessions", "status"), [(6, "healthy"), (7, "warning"), (8, "warning"), (9, "critical")])
def test_sessions_are_a_warning_from_70_percent_on_and_critical_from_90(hls_supervisor, free, film, sessions, status):
    supervisor = hls_supervisor(max_sessions=10)
    for _ in range(sessions):
        supervisor.open(film)

    health = supervisor.health()

    assert health.status == status
    assert health.reasons == (() if status == "healthy" else (f"{sessions} of 10 sessions are open.",))


def test_encoders_are_judged_where_there_is_a_limit(hls_supervisor, free, film, tmp_path):
    supervisor = hls_supervisor(max_encoders=2, ffmpeg=hanging_ffmpeg(tmp_path), copy_streams=False)
    session = supervisor.open(film)
    session.ask_segment("video-90p", 0)
    session.ask_segment("audio-0", 0)
    session.info()

    health = supervisor.health()

    assert (health.status, health.reasons) == ("critical", ("2 of 2 encoders run.",))


def test_an_encoder_that_is_held_and_a_copy_take_no_slot(hls_supervisor, free, hls_clip, slow_ffmpeg, until):
    supervisor = hls_supervisor(max_encoders=1, look_ahead=1, ffmpeg=slow_ffmpeg)
    session = supervisor.open(hls_clip(seconds=64, size="160x90", rate="10"))
    session.segment("video-90p", 0, 30)
    session.segment("audio-0", 0, 30)

    until(lambda: [run.held for run in session.info().runs if run.rendition == "video-90p"] == [True])

    assert (supervisor.health().encoders, supervisor.health().status) == (0, "healthy")


def test_a_supervisor_that_is_stopping_wants_no_viewers(hls_supervisor, free):
    supervisor = hls_supervisor()

    supervisor.wind_down()

    assert (supervisor.health().status, supervisor.health().reasons) == ("critical", ("The supervisor is stopping.",))


def test_a_session_whose_viewer_waits_in_vain_is_stuck(hls_supervisor, free, film, tmp_path, hls_clock):
    supervisor = hls_supervisor(ffmpeg=hanging_ffmpeg(tmp_path), clock=hls_clock, stuck_after=5, janitor_interval=600)
    supervisor.open(film)
    stuck = supervisor.open(film)
    stuck.ask_segment("video-90p", 0)
    stuck.info()
    hls_clock.advance(4.9)
    assert supervisor.health().status == "healthy"
    hls_clock.advance(0.1)

    health = supervisor.health()

    assert (health.status, health.stuck_sessions) == ("warning", 1)
    assert health.reasons == ("1 of 2 sessions are stuck: they do not answer, or a viewer waits in vain.",)
    assert supervisor.stats().stuck == (stuck.id,)


def test_a_session_that_does_not_answer_is_stuck(hls_supervisor, free, film, monkeypatch):
    monkeypatch.setattr("hls_sessions.supervisor.monitoring.monitor.LOOK", 0.1)
    supervisor = hls_supervisor()
    session = supervisor.open(film)
    let_go = Event()
    server = actor_of(session)
    monkeypatch.setattr(SessionServer, "handle_cast", lambda *_: let_go.wait(BOUND))
    server.cast("work")
    try:
        health = supervisor.health()
        assert (health.status, health.stuck_sessions) == ("warning", 1)
        assert session.id not in str(health)  # because the id is the right to watch
    finally:
        monkeypatch.undo()
        let_go.set()
    assert server.is_alive()


def test_a_history_that_cannot_be_written_is_a_warning(hls_supervisor, free, film, tmp_path, until):
    supervisor = hls_supervisor(state_dir=tmp_path / "state")
    database = tmp_path / "state" / "history.db"
    with closing(sqlite3.connect(database, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        supervisor.open(film)
        until(lambda: supervisor.health().status == "warning")

        assert supervisor.health().reasons == (f"The history {database} cannot be written: database is locked.",)


def test_health_says_when_the_janitor_last_ran_and_when_it_is_late(hls_supervisor, free, hls_clock):
    supervisor = hls_supervisor(clock=hls_clock, janitor_interval=60)
    assert supervisor.health().janitor_ran_at is None
    done = supervisor.tidy()
    assert supervisor.health().janitor_ran_at == done.at

    hls_clock.set_time(hls_clock.time() + 300)  # as if it had not run for so long

    assert supervisor.health().reasons == ("The janitor is 180 seconds late.",)


def test_a_segments_directory_that_is_gone_is_critical(hls_supervisor, free, hls_segments_dir):
    supervisor = hls_supervisor()
    hls_segments_dir.rmdir()

    health = supervisor.health()

    assert health.status == "critical"
    assert health.reasons == (f"The segments directory {hls_segments_dir} cannot be written to.",)


def test_an_ffmpeg_that_is_gone_is_critical(hls_supervisor, free, tmp_path):
    ffmpeg = tmp_path / "ffmpeg"
    ffmpeg.symlink_to(find())
    supervisor = hls_supervisor(ffmpeg=str(ffmpeg))
    ffmpeg.unlink()

    health = supervisor.health()

    assert health.status == "critical"
    assert health.reasons == (f"ffmpeg at {ffmpeg} is gone.",)


def test_an_ffmpeg_without_the_encoders_is_critical(hls_supervisor, free, tmp_path):
    ffmpeg = tmp_path / "ffmpeg"
    ffmpeg.write_text(f"""#!/bin/sh
case "$*" in *-codecs*) echo " DEA.L. aac  AAC (decoders: aac aac_fixed )"; exit ;; esac
exec {find()} "$@"
""")
    ffmpeg.chmod(0o755)

    health = hls_supervisor(ffmpeg=str(ffmpeg)).health()

    assert health.status == "critical"
    assert health.reasons == (f"ffmpeg at {ffmpeg} lacks the encoders libx264.",)


def test_a_supervisor_that_does_not_run_is_critical(hls_segments_dir, free):
    health = Supervisor(segments_dir=hls_segments_dir).health()

    assert (health.status, health.uptime) == ("critical", 0.0)
    assert health.reasons == ("The supervisor does not run.",)


def test_all_that_is_critical_is_said(hls_segments_dir, free):
    supervisor = Supervisor(segments_dir=hls_segments_dir)
    free(0)

    assert supervisor.health().reasons == (
        "The supervisor does not run.",
        f"The disk of {hls_segments_dir} is 100% full.",
    )


def test_media_roots_that_do_not_answer_are_named_without_their_paths(
    hls_supervisor, film, free, tmp_path, monkeypatch
):
    monkeypatch.setattr("hls_sessions.supervisor.supervisor.MediaRoots", partial(MediaRoots, patience=0.05))
    share = tmp_path / "share"
    share.mkdir()
    supervisor = hls_supervisor(media=(share, film.parent))

    with hanging_share(share):
        with pytest.raises(Unavailable, match="does not answer"):
            supervisor.open(share / "film.mkv")
        health = supervisor.health()

    assert health.status == "warning"
    assert health.reasons == ("The storage of 1 of the media roots does not answer: files there cannot be opened.",)
