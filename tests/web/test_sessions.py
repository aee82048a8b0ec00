"""The JSON API, as a media server calls it."""

from __future__ import annotations

import asyncio
from uuid import UUID

import httpx
import pytest

from hls_sessions.web import create_app


def test_opening_a_file_gives_a_new_session_with_its_addresses(http, film):
    answer = http.post("/sessions", json={"media": film.name, "user": "anna"})

    assert answer.status_code == 201
    session = answer.json()
    assert UUID(session["session_id"]).version == 4
    assert session["state"] == "active"
    assert session["user"] == "anna"
    assert session["duration"] == pytest.approx(5, abs=0.1)
    assert session["playlist_url"] == f"/sessions/{session['session_id']}/master.m3u8"
    assert session["player_url"] == f"/watch/{session['session_id']}"
    assert answer.headers["location"] == f"/sessions/{session['session_id']}"


def test_opening_again_gives_the_same_session(http, film):
    first = http.post("/sessions", json={"media": film.name, "user": "anna"})
    again = http.post("/sessions", json={"media": str(film), "user": "anna"})

    assert again.status_code == 200
    assert again.json()["session_id"] == first.json()["session_id"]


def test_a_caller_without_a_user_gets_a_session_of_its_own(http, film):
    ids = {http.post("/sessions", json={"media": film.name}).json()["session_id"] for _ in range(2)}

    assert len(ids) == 2


def test_unknown_fields_and_query_parameters_are_ignored(http, film):
    answer = http.post("/sessions?from=tv", json={"media": film.name, "colour": "blue"})

    assert answer.status_code == 201


def test_a_session_tells_what_it_is(http, session):
    info = http.get(f"/sessions/{session['session_id']}").json()

    assert info["session_id"] == session["session_id"]
    assert [rendition["id"] for rendition in info["renditions"]] == ["video-90p", "audio-0"]
    assert info["runs"] == []
    assert info["expires_in"] == pytest.approx(1800, abs=60)


def test_sessions_are_listed_by_user_and_state(http, film):
    ids = {
        user: http.post("/sessions", json={"media": film.name, "user": user}).json()["session_id"]
        for user in ("anna", "ben")
    }

    def listed(**query):
        return [session["session_id"] for session in http.get("/sessions", params=query).json()]

    assert listed() == [ids["anna"], ids["ben"]]
    assert listed(user="ben") == [ids["ben"]]
    assert listed(state="active") == [ids["anna"], ids["ben"]]
    assert listed(state="failed") == []


def test_a_heartbeat_is_answered_with_nothing(http, session):
    answer = http.post(f"/sessions/{session['session_id']}/heartbeat")

    assert (answer.status_code, answer.content) == (204, b"")


def test_a_stopped_session_is_gone_and_stopping_it_again_says_so(http, session):
    first = http.delete(f"/sessions/{session['session_id']}")
    again = http.delete(f"/sessions/{session['session_id']}")

    assert (first.status_code, first.content) == (204, b"")
    assert again.status_code == 404
    assert http.get(f"/sessions/{session['session_id']}").status_code == 404


def test_the_history_of_a_session_can_be_read_after_its_end_too(http, session):
    base = f"/sessions/{session['session_id']}"
    begun = http.get(f"{base}/history").json()
    http.delete(base)

    assert [(step["from_state"], step["to_state"], step["by"]) for step in begun] == [("pending", "active", "session")]
    assert [step["to_state"] for step in http.get(f"{base}/history").json()] == ["active", "completed"]
    assert http.get("/sessions/x/history").status_code == 404


def test_a_session_is_prepared_if_it_is_wanted_so(http, film, until):
    def made(prepare):
        session = http.post("/sessions", json={"media": film.name, "prepare": prepare}).json()["session_id"]
        return lambda: http.get(f"/sessions/{session}/made?rendition=video-90p").json()

    until(made(True))
    assert made(False)() == []


def test_a_session_may_have_an_idle_timeout_of_its_own(http, film):
    session = http.post("/sessions", json={"media": film.name, "idle_timeout": 7200}).json()

    assert session["idle_timeout"] == 7200


def test_players_are_asked_to_begin_where_the_viewer_wants(http, film):
    session = http.post("/sessions", json={"media": film.name, "start_at": 2.5}).json()

    playlist = http.get(f"/sessions/{session['session_id']}/video-90p/index.m3u8").text
    assert "#EXT-X-START:TIME-OFFSET=2.500000,PRECISE=YES" in playlist


def test_health_says_that_all_is_well(http):
    health = http.get("/health")

    assert health.status_code == 200
    assert health.json()["status"] in {"healthy", "warning"}
    assert health.json()["ffmpeg"]


def test_the_api_describes_itself(http):
    paths = http.get("/openapi.json").json()["paths"]

    assert {"/sessions", "/sessions/{session_id}", "/sessions/{session_id}/heartbeat", "/health"} <= paths.keys()


def test_a_full_daemon_answers_503_with_a_place_and_when_to_ask_again(start_daemon, film):
    daemon = start_daemon(HLS_SESSIONS_MAX_SESSIONS="1")
    daemon.open(film, user="anna")

    answer = daemon.http.post("/sessions", json={"media": str(film), "user": "ben"})

    problem = answer.json()
    assert (answer.status_code, problem["type"]) == (503, "/problems/capacity-exceeded")
    assert (problem["limit"], problem["most"], problem["place"]) == ("max_sessions", 1, 1)
    assert answer.headers["Retry-After"] == "10"
    assert daemon.http.post("/sessions", json={"media": str(film), "user": "anna"}).status_code == 200


@pytest.mark.parametrize("ended", [1, 2])
def test_a_caller_whose_session_another_ends_at_that_moment_gets_one(hls_supervisor, hls_clip, monkeypatch, ended):
    supervisor, film, opened = hls_supervisor(), hls_clip(size="160x90"), []
    open_or_find = supervisor.open_or_find

    def open_and_be_too_late(*arguments, **options):
        session, new = open_or_find(*arguments, **options)
        opened.append(session.id)
        if len(opened) <= ended:
            session.stop()
        return session, new

    monkeypatch.setattr(supervisor, "open_or_find", open_and_be_too_late)

    async def ask():
        transport = httpx.ASGITransport(create_app(supervisor))
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
            return await http.post("/sessions", json={"media": film.name, "user": "anna"})

    answer = asyncio.run(ask())

    assert answer.status_code == 201
    assert answer.json()["session_id"] == opened[-1]
    assert [session.id for session in supervisor.sessions()] == [opened[-1]]


def test_a_time_that_no_database_can_hold_is_refused(http, film):
    assert http.post("/sessions", json={"media": film.name, "idle_timeout": 1e300}).status_code == 422
    assert http.patch("/settings", json={"idle_timeout": 1e300}).status_code == 422
