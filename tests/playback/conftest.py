from __future__ import annotations

import os
import shutil
import time
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import psutil
import pytest

from hls_sessions import Supervisor
from hls_sessions.errors import FfmpegNotFound
from hls_sessions.ffmpeg.candidates import _from_wheel
from hls_sessions.testing import Clip, make, nvenc_ffmpeg, spare

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = [
    "--autoplay-policy=no-user-gesture-required",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
]


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
def supervise(ffmpeg, hls_shared_workers):
    """Return a function that makes a supervisor with this ffmpeg, for fixtures that several tests share.

    It encodes in software, because results must not depend on the machine, and uses the workers of all tests.
    """
    workers, _ = hls_shared_workers
    return partial(Supervisor, ffmpeg=ffmpeg, encoder="libx264", workers=workers)


@pytest.fixture(scope="session")
def soak_end(request) -> float | None:
    """When a soak is over, on the monotonic clock; None when this run is no soak."""
    seconds = request.config.getoption("--soak")
    return None if seconds is None else time.monotonic() + seconds


@pytest.fixture(scope="session")
def open_with_card(ffmpeg, share_daemon, hls_clip_folder, tmp_path_factory):
    """Return a context: a daemon with a card that works for some runs, and its session of a film of 16 seconds."""

    @contextmanager
    def open_with_card(works):
        card = nvenc_ffmpeg(tmp_path_factory.mktemp("card"), works=works, real=ffmpeg)
        with share_daemon(
            HLS_SESSIONS_FFMPEG=str(card), HLS_SESSIONS_ENCODER="auto", HLS_SESSIONS_COPY_STREAMS="false"
        ) as daemon:
            # Ten frames a second leave enough bits for each.
            film = make(Clip(seconds=16, size="320x180", rate="10"), hls_clip_folder)
            yield daemon, daemon.open(film)

    return open_with_card


@pytest.fixture(scope="session")
def all_hardware(open_with_card):
    """Return a daemon and its session, all of which a card makes."""
    with open_with_card(-1) as opened:
        yield opened


@pytest.fixture(scope="session")
def half_hardware(open_with_card):
    """Return a daemon and its session: a card made the init segment and the segments from 6 to 10 s, then it failed.

    Software has made the segments before and after.
    """
    with open_with_card(1) as (daemon, session):
        make_half(daemon, session)
        yield daemon, session


def make_half(daemon, session):
    def fetch(numbers):
        for number in numbers:
            assert daemon.http.get(f"/sessions/{session['session_id']}/video-180p/{number}.m4s").is_success

    fetch(range(5, 10))
    for number in (7, 8, 9):
        Path(session["directory"], "video-180p", f"{number}.m4s").unlink()
    fetch([9, 8, 7, 4, 3, 2, 1, 0])
    [video, _] = daemon.http.get(f"/sessions/{session['session_id']}").json()["renditions"]
    assert video["encoder"] == "libx264"
    assert "h264_nvenc was given up" in video["given_up"][0]


@pytest.fixture(scope="module")
def browser():
    """One Chromium for all tests of a file. Not of the run: its event loop would be in the way of other tests'."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed")
    before = {child.pid for child in psutil.Process().children()}
    with playwright.sync_playwright() as browsers:
        # As root, as in a container, Chromium's own sandbox cannot be.
        browser = browsers.chromium.launch(executable_path=CHROMIUM, args=FLAGS, chromium_sandbox=os.geteuid() != 0)
        for child in psutil.Process().children():
            if child.pid not in before:
                spare(child.pid)
        yield browser
        browser.close()


@pytest.fixture
def page(browser):
    # A context has its own cache, cookies and storage.
    with browser.new_context() as context:
        page = context.new_page()
        page.complaints = []
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        page.on("console", lambda said: page.complaints.append(said.text) if said.type == "error" else None)
        page.on("requestfailed", lambda request: page.complaints.append(f"{request.url} {request.failure}"))
        page.on(
            "response",
            lambda answer: page.complaints.append(f"{answer.url} {answer.status}") if answer.status >= 400 else None,
        )
        yield page
