from __future__ import annotations

import shutil
from typing import NamedTuple

import pytest

from hls_sessions import Supervisor
from hls_sessions.ffmpeg import find


class Usage(NamedTuple):
    total: int
    used: int
    free: int


@pytest.fixture
def free(monkeypatch):
    """Have so many percent of the disk be free."""

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


def test_a_disk_that_is_almost_full_is_a_warning(hls_supervisor, free, hls_segments_dir):
    supervisor = hls_supervisor()
    free(9)

    health = supervisor.health()

    assert health.status == "warning"
    assert health.reasons == (f"Only 9% of the disk of {hls_segments_dir} is free.",)


def test_a_full_disk_is_critical(hls_supervisor, free, hls_segments_dir):
    supervisor = hls_supervisor()
    free(1)

    health = supervisor.health()

    assert health.status == "critical"
    assert health.reasons == (f"The disk of {hls_segments_dir} is full.",)


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
case "$*" in *-encoders*) echo " A..... aac"; exit ;; esac
exec {find()} "$@"
""")
    ffmpeg.chmod(0o755)

    health = hls_supervisor(ffmpeg=str(ffmpeg)).health()

    assert health.status == "critical"
    assert health.reasons == (f"ffmpeg at {ffmpeg} lacks the encoders libx264.",)


def test_what_does_not_run_is_critical(hls_segments_dir, free):
    health = Supervisor(segments_dir=hls_segments_dir).health()

    assert (health.status, health.uptime) == ("critical", 0.0)
    assert health.reasons == ("The supervisor does not run.",)


def test_all_that_is_critical_is_said(hls_segments_dir, free):
    supervisor = Supervisor(segments_dir=hls_segments_dir)
    free(0)

    assert supervisor.health().reasons == (
        "The supervisor does not run.",
        f"The disk of {hls_segments_dir} is full.",
    )
