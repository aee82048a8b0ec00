from __future__ import annotations

import os
import subprocess
import sys

import pytest


@pytest.fixture
def run(daemon):
    """Run a command against the daemon; return what it printed and its exit code."""

    def run_(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "hls_sessions", *arguments],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
            env=os.environ | {"HLS_SESSIONS_URL": daemon.url},
        )

    return run_


@pytest.fixture
def film(hls_clip):
    return hls_clip(seconds=5, size="160x90")
