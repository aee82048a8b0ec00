from __future__ import annotations

import pytest

from hls_sessions.store import SessionRow, Store, TransitionRow

NOW = 1_700_000_000.0


@pytest.fixture
def open_store(tmp_path):
    """Open a store in the test's own folder, or in memory; it is closed after the test."""
    stores = []

    def open_store(folder=tmp_path / "state"):
        store = Store(folder)
        store.open()
        stores.append(store)
        return store

    yield open_store
    for store in stores:
        store.close()


@pytest.fixture
def store(open_store):
    return open_store()


@pytest.fixture
def database(tmp_path):
    """Where the store of ``open_store`` keeps its rows."""
    return tmp_path / "state" / "history.db"


@pytest.fixture
def session():
    """Make a session's row."""

    def session(id_="one", **more):
        known = {
            "id": id_,
            "user": "anna",
            "media": "/films/a.mp4",
            "duration": 60.0,
            "segment_length": 2.0,
            "start_at": 0.0,
            "idle_timeout": 1800.0,
            "directory": f"/tmp/{id_}",
            "created_at": NOW,
            "updated_at": NOW,
            "state": "active",
        }
        return SessionRow(**(known | more))

    return session


@pytest.fixture
def step():
    """Make a transition's row."""

    def step(id_="one", step="start", before="pending", after="active", **more):
        known = {"session_id": id_, "at": NOW, "step": step, "before": before, "after": after}
        return TransitionRow(**(known | {"by": "session", "reason": "it is playable"} | more))

    return step
