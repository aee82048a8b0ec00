from __future__ import annotations

import os
import shutil
import time

import pytest

from hls_sessions.errors import FfmpegNotFound
from hls_sessions.ffmpeg.binary import _from_wheel


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
    """When a soak is over, on the monotonic clock; None when this is none."""
    seconds = request.config.getoption("--soak")
    return None if seconds is None else time.monotonic() + seconds
