"""Many sessions at once, over HTTP."""

from __future__ import annotations

import pytest


@pytest.fixture
def sessions(http, film) -> dict[str, str]:
    """Two sessions' ids, by user."""
    users = ("anna", "ben")
    return {
        user: http.post("/sessions", json={"media": film.name, "user": user}).json()["session_id"] for user in users
    }


def test_many_are_found_by_a_filter_and_go_on(http, sessions):
    found = http.post("/sessions/find", json={"user": "anna"}).json()

    assert [session["session_id"] for session in found] == [sessions["anna"]]
    assert found[0]["player_url"] == f"/watch/{sessions['anna']}"
    assert [session["state"] for session in http.get("/sessions").json()] == ["active", "active"]


def test_many_are_stopped_by_a_filter(http, sessions):
    answer = http.post("/sessions/stop", json={"user": "anna"})

    assert answer.json() == [{"session_id": sessions["anna"], "done": True, "refusal": None}]
    assert [left["session_id"] for left in http.get("/sessions").json()] == [sessions["ben"]]


def test_many_are_paused_and_refusals_are_reported(http, sessions):
    http.post(f"/sessions/{sessions['anna']}/pause")

    answer = http.post("/sessions/pause", json={"all": True})

    assert {outcome["session_id"]: outcome["done"] for outcome in answer.json()} == {
        sessions["anna"]: False,
        sessions["ben"]: True,
    }
    assert {found["state"] for found in http.get("/sessions").json()} == {"paused"}


def test_many_are_updated(http, film, sessions):
    wanted = {"filter": {"media": film.name, "state": "active"}, "changes": {"idle_timeout": 77}}

    assert [outcome["done"] for outcome in http.patch("/sessions", json=wanted).json()] == [True, True]

    assert {found["idle_timeout"] for found in http.get("/sessions").json()} == {77}


@pytest.mark.parametrize(
    ("method", "path", "body", "sentence"),
    [
        ("POST", "/sessions/stop", {}, "nothing says which sessions are meant"),
        ("POST", "/sessions/stop", None, "Field required"),
        ("POST", "/sessions/pause", {"all": True, "user": "anna"}, "not both"),
        ("POST", "/sessions/pause", {"age": 5}, "Extra inputs"),
        ("PATCH", "/sessions", {"filter": {"all": True}, "changes": {}}, "nothing says what to change"),
        ("PATCH", "/sessions", {"filter": {"all": True}, "changes": {"idle_timeout": -1}}, "greater than 0"),
    ],
)
def test_a_request_that_says_nothing_is_malformed_and_nothing_happens(http, sessions, method, path, body, sentence):
    before = http.get("/sessions").json()

    answer = http.request(method, path, json=body)

    assert (answer.status_code, answer.json()["type"]) == (422, "/problems/malformed-request")
    assert sentence in answer.json()["detail"]
    assert [found["state"] for found in http.get("/sessions").json()] == [found["state"] for found in before]
