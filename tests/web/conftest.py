from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass

import httpx
import pytest

from hls_sessions.testing import Clip, child_processes, make


@pytest.fixture(autouse=True)
def _nothing_left():
    """No encoder outlives its test. The module's daemon keeps its probing processes."""
    yield
    assert [process for process in child_processes() if "segment_format" in process] == []


@dataclass
class Server:
    """One daemon for a module's tests."""

    http: httpx.Client
    media: object
    process: subprocess.Popen


@pytest.fixture(scope="module")
def server(hls_clip_folder, tmp_path_factory):
    segments = tmp_path_factory.mktemp("segments")
    media = tmp_path_factory.mktemp("media")
    command = [sys.executable, "-m", "hls_sessions", "serve", "--port", "0", "--segments-dir", str(segments)]
    command += ["--media", str(media), "--media", str(hls_clip_folder)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env=os.environ | {"HLS_SESSIONS_ENCODER": "libx264"}
    ) as process:
        url = process.stdout.readline().split()[-1]
        with httpx.Client(base_url=url, timeout=30, trust_env=False) as http:
            yield Server(http, media, process)
            assert list(segments.iterdir()) == []
        process.terminate()


@pytest.fixture
def http(server):
    """A client; sessions that a test opened through it are ended after the test."""
    yield server.http
    for session in server.http.get("/sessions").json():
        server.http.delete(f"/sessions/{session['session_id']}")


@pytest.fixture
def media(server):
    """The folder that is a media root; what a test puts there is its own."""
    yield server.media
    for path in server.media.iterdir():
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()


@pytest.fixture(scope="module")
def film(hls_clip_folder):
    return make(Clip(seconds=5, size="160x90"), hls_clip_folder)


@pytest.fixture
def session(http, film) -> dict:
    return http.post("/sessions", json={"media": film.name}).json()
