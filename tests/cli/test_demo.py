"""The demo does what README says of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from hls_sessions.testing import session_directories

DEMO = Path(__file__).parents[2] / "scripts" / "demo.py"


@pytest.fixture
def demo(hls_clip, hls_segments_dir):
    """Start the demo with a film."""

    def demo(*options):
        film = hls_clip(seconds=2, size="160x90")
        return subprocess.Popen(
            [sys.executable, str(DEMO), *options, str(film)],
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"HLS_SESSIONS_SEGMENTS_DIR": str(hls_segments_dir), "HLS_SESSIONS_ENCODER": "libx264"},
        )

    return demo


def test_it_fetches_everything_once_and_leaves_nothing(demo, hls_segments_dir):
    with demo("--once") as process:
        said = process.stdout.read()

    assert process.returncode == 0
    assert "video-90p  3 of 3" in said
    assert session_directories(hls_segments_dir) == set()


def test_it_waits_for_ctrl_c_and_then_leaves_nothing(demo, hls_segments_dir):
    with demo() as process:
        assert any(line.startswith("Watch it at http://127.0.0.1:") for line in process.stdout)
        assert len(session_directories(hls_segments_dir)) == 1
        process.send_signal(signal.SIGINT)

    assert process.returncode == 0
    assert session_directories(hls_segments_dir) == set()
