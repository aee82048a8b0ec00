from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest

from hls_sessions.errors import FfmpegNotFound
from hls_sessions.ffmpeg.binary import _from_wheel
from hls_sessions.testing import nvenc_ffmpeg


@pytest.fixture(scope="session", params=os.environ.get("HLS_SESSIONS_TEST_FFMPEGS", "PATH:wheel").split(":"))
def ffmpeg(request) -> str:
    """Every ffmpeg there is: the system's, and that of the imageio-ffmpeg wheel; or those that were asked for."""
    if os.sep in request.param:
        return request.param
    if request.param == "PATH":
        return shutil.which("ffmpeg") or pytest.skip("there is no ffmpeg on PATH")
    try:
        return _from_wheel()
    except FfmpegNotFound:
        pytest.skip("the imageio-ffmpeg wheel is not installed")


@pytest.fixture(scope="session")
def soak_end(request) -> float | None:
    """When a soak is over, on the monotonic clock; None when this run is no soak."""
    seconds = request.config.getoption("--soak")
    return None if seconds is None else time.monotonic() + seconds


@pytest.fixture
def open_with_card(ffmpeg, start_daemon, hls_clip, tmp_path):
    """Return a function that starts a daemon with a card that works for some runs, and opens a film of 16 seconds."""

    def open_with_card(works):
        (folder := tmp_path / f"works {works}").mkdir()
        card = nvenc_ffmpeg(folder, works=works, real=ffmpeg)
        daemon = start_daemon(
            HLS_SESSIONS_FFMPEG=str(card), HLS_SESSIONS_ENCODER="auto", HLS_SESSIONS_COPY_STREAMS="false"
        )
        # Ten frames a second leave enough bits for each.
        return daemon, daemon.open(hls_clip(seconds=16, size="320x180", rate="10"))

    return open_with_card


@pytest.fixture
def all_hardware(open_with_card):
    """Return a daemon and its session, all of which a card makes."""
    return open_with_card(-1)


@pytest.fixture
def half_hardware(open_with_card):
    """Return a daemon and its session: a card made the init segment and the segments from 6 to 10 s, then it failed.

    Software has made the segments before and after.
    """
    daemon, session = open_with_card(1)

    def fetch(numbers):
        for number in numbers:
            assert daemon.http.get(f"/sessions/{session['session_id']}/video-180p/{number}.m4s").is_success

    fetch(range(4, 9))
    for number in (6, 7, 8):
        Path(session["directory"], "video-180p", f"{number}.m4s").unlink()
    fetch([8, 7, 6, 3, 2, 1, 0])
    [video, _] = daemon.http.get(f"/sessions/{session['session_id']}").json()["renditions"]
    assert video["encoder"] == "libx264"
    assert "h264_nvenc was given up" in video["given_up"][0]
    return daemon, session
