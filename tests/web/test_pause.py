"""Pausing and going on over HTTP: a snapshot goes out, and comes back from outside."""

from __future__ import annotations

import pytest


@pytest.fixture
def paused(http, session):
    """A session that is paused; its snapshot."""
    answer = http.post(f"/sessions/{session['session_id']}/pause")
    assert answer.status_code == 200
    return answer.json()


def test_a_pause_is_answered_with_a_snapshot(http, session, film):
    base = f"/sessions/{session['session_id']}"
    http.get(f"{base}/video-90p/2.m4s")

    snapshot = http.post(f"{base}/pause", json={"position": 1.5}).json()

    assert (snapshot["session_id"], snapshot["media"]) == (session["session_id"], str(film))
    assert snapshot["position"] == 1.5
    assert snapshot["renditions"] == [{"rendition": "video-90p", "segment": 2, "time": 1.0}]
    assert snapshot["settings"] == {"segment_length": 2.0, "idle_timeout": 1800.0}
    assert {"version", "user", "taken_at", "runs"} <= snapshot.keys()
    assert http.get(base).json()["state"] == "paused"
    assert http.get(base).json()["runs"] == []


def test_going_on_is_answered_with_the_session(http, paused):
    resumed = http.post(f"/sessions/{paused['session_id']}/resume")

    assert resumed.status_code == 200
    assert (resumed.json()["session_id"], resumed.json()["state"]) == (paused["session_id"], "active")


def test_a_step_that_cannot_be_is_409_with_a_sentence(http, session):
    base = f"/sessions/{session['session_id']}"

    refused = http.post(f"{base}/resume")
    http.post(f"{base}/pause")
    again = http.post(f"{base}/pause")

    assert (refused.status_code, again.status_code) == (409, 409)
    assert refused.json()["detail"] == "A session that is active cannot resume."
    assert again.json()["type"] == "/problems/illegal-transition"


@pytest.mark.parametrize("path", ["/sessions/{}/resume", "/resume"])
def test_a_snapshot_goes_on_in_its_session_or_in_a_new_one_when_that_is_gone(http, paused, path):
    path = path.format(paused["session_id"])

    there = http.post(path, json=paused)
    http.delete(f"/sessions/{paused['session_id']}")
    gone = http.post(path, json=paused)

    assert (there.status_code, there.json()["session_id"]) == (200, paused["session_id"])
    assert (gone.status_code, gone.json()["state"]) == (201, "active")
    assert gone.json()["session_id"] != paused["session_id"]
    assert gone.headers["location"] == f"/sessions/{gone.json()['session_id']}"
    assert http.get(f"{gone.headers['location']}/video-90p/0.m4s").status_code == 200


def test_without_a_snapshot_a_session_that_is_gone_is_gone(http, paused):
    http.delete(f"/sessions/{paused['session_id']}")

    assert http.post(f"/sessions/{paused['session_id']}/resume").status_code == 404
    assert http.post(f"/sessions/{paused['session_id']}/pause").status_code == 404


WRONG = [
    {"version": 2},
    {"position": -1},
    {"position": "NaN"},
    {"position": 1e9},
    {"media": ""},
    {"media": "x" * 5000},
    {"session_id": ""},
    {"user": ""},
    {"user": "x" * 257},
    {"renditions": [{"rendition": "video-90p"}]},
    {"renditions": [{"rendition": "video-90p", "segment": 0, "time": "NaN"}]},
    {"renditions": [{"rendition": "video-90p", "segment": 0, "time": 1000}]},
    {"runs": [{"rendition": "audio-0", "next": -1, "held": False}]},
    {"runs": [{"rendition": "audio-0", "next": 0, "held": False}] * 2000},
    {"settings": {"segment_length": 0, "idle_timeout": 1800}},
    {"settings": {"segment_length": 2, "idle_timeout": "Infinity"}},
    {"settings": None},
]


@pytest.mark.parametrize("wrong", WRONG, ids=str)
def test_a_bad_snapshot_is_422_and_leaves_nothing(http, paused, wrong):
    there = http.post(f"/sessions/{paused['session_id']}/resume", json=paused | wrong)
    assert http.get(f"/sessions/{paused['session_id']}").json()["state"] == "paused"
    http.delete(f"/sessions/{paused['session_id']}")
    gone = http.post("/resume", json=paused | wrong)

    assert (there.status_code, gone.status_code) == (422, 422)
    assert there.json()["detail"]
    assert http.get("/sessions").json() == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"session_id": "another"},
        {"user": "another"},
        {"renditions": [{"rendition": "video-90p", "segment": 99, "time": 0}]},
        {"renditions": [{"rendition": "../video", "segment": 0, "time": 0}]},
    ],
    ids=str,
)
def test_a_snapshot_that_does_not_fit_its_session_is_422_and_changes_nothing(http, paused, wrong):
    refused = http.post(f"/sessions/{paused['session_id']}/resume", json=paused | wrong)

    assert (refused.status_code, refused.json()["type"]) == (422, "/problems/snapshot-refused")
    assert http.get(f"/sessions/{paused['session_id']}").json()["state"] == "paused"


def test_a_snapshot_opens_nothing_outside_the_roots(http, paused):
    http.delete(f"/sessions/{paused['session_id']}")

    refused = http.post("/resume", json=paused | {"media": "/etc/passwd"})

    assert (refused.status_code, refused.json()["type"]) == (403, "/problems/outside-roots")
    assert http.get("/sessions").json() == []


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"position": -1}', b'{"position": "soon"}'])
def test_a_malformed_pause_is_422_and_pauses_nothing(http, session, body):
    base = f"/sessions/{session['session_id']}"

    answer = http.post(f"{base}/pause", content=body, headers={"Content-Type": "application/json"})

    assert answer.status_code == 422
    assert http.get(base).json()["state"] == "active"
