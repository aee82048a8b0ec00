from __future__ import annotations

import os
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from hls_sessions.cli import app


@pytest.fixture
def run(daemon):
    """Run a command against the daemon, in this process; return what it printed and its exit code."""

    def run_(*arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {"HLS_SESSIONS_URL": daemon.url}
        ended = CliRunner().invoke(app, arguments, env=environment, prog_name="hls-sessions", catch_exceptions=False)
        return subprocess.CompletedProcess(arguments, ended.exit_code, ended.stdout, ended.stderr)

    return run_


@pytest.fixture
def type_(daemon):
    """Run a command against the daemon as a shell does: in a process of its own."""

    def type_(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "hls_sessions", *arguments],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
            env=os.environ | {"HLS_SESSIONS_URL": daemon.url},
        )

    return type_


@pytest.fixture
def film(hls_clip):
    return hls_clip(seconds=5, size="160x90")
