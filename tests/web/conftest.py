from __future__ import annotations

import pytest

from hls_sessions.testing import Clip, make


@pytest.fixture
def http(daemon):
    """A client; sessions that a test opened through it are ended after the test."""
    return daemon.http


@pytest.fixture
def media(daemon):
    """The folder that is a media root; what a test puts there is its own."""
    return daemon.media


@pytest.fixture(scope="session")
def film(hls_clip_folder):
    return make(Clip(seconds=5, size="160x90"), hls_clip_folder)


@pytest.fixture
def session(http, film) -> dict:
    # Kept apart, because the daemon is shared, and other tests play the same film.
    return http.post("/sessions", json={"media": film.name, "share": False}).json()
