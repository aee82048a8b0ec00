"""Server-sent events, over a real connection to a real daemon; and the answer of a session that has ended."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager

import pytest

BOUND = 30


class Reader:
    """Reads events from a response, one after the other."""

    def __init__(self, response):
        self.response = response
        self._lines = response.iter_lines()

    def next(self):
        """Return the next event's name and data; None when the stream has ended."""
        name = None
        for line in self._lines:
            field, _, value = line.partition(": ")
            if field == "event":
                name = value
            elif field == "data":
                return name, json.loads(value)
            elif line == ": listening":
                return "listening", None
        return None

    def until(self, name):
        """Return the data of the next event of this name."""
        while (event := self.next()) is not None:
            if event[0] == name:
                return event[1]
        pytest.fail(f"the stream ended without {name}")


@pytest.fixture
def listen(http):
    """Listen to a path's events."""

    @contextmanager
    def listen(path, client=http):
        with client.stream("GET", path) as response:
            assert response.status_code == 200, response.read()
            assert response.headers["content-type"].startswith("text/event-stream")
            yield Reader(response)

    return listen


def peek(http, session_id):
    """Look at a session; this does not count as activity of its viewer."""
    return next(session for session in http.get("/sessions").json() if session["session_id"] == session_id)


def test_a_subscriber_is_told_how_the_session_is_and_then_what_happens(http, session, listen):
    base = f"/sessions/{session['session_id']}"
    with listen(f"{base}/events") as reader:
        first = reader.next()
        assert first[0] == "session"
        assert (first[1]["state"], first[1]["subscriber_count"]) == ("active", 1)
        assert first[1]["playlist_url"] == f"{base}/master.m3u8"

        http.get(f"{base}/video-90p/0.m4s")
        ready = reader.until("segment_ready")
        assert (ready["rendition"], ready["segment"]) == ("video-90p", 0)
        http.post(f"{base}/pause")
        changed = reader.until("state_changed")
        assert (changed["from_state"], changed["to_state"]) == ("active", "paused")
        assert changed["snapshot"]["session_id"] == session["session_id"]
        http.delete(base)
        assert reader.until("ended")["state"] == "completed"
        assert reader.next() is None


def test_subscribers_are_counted_and_one_that_leaves_is_noticed(http, session, listen, until):
    base = f"/sessions/{session['session_id']}"
    assert (session["subscriber_count"], session["last_subscriber_left_at"]) == (0, None)
    with listen(f"{base}/events") as reader, listen(f"{base}/events") as other:
        reader.next()
        other.next()
        assert peek(http, session["session_id"])["subscriber_count"] == 2

    until(lambda: peek(http, session["session_id"])["subscriber_count"] == 0)
    left = peek(http, session["session_id"])
    assert left["last_subscriber_left_at"] >= left["created_at"]
    assert left["expires_in"] <= 90
    with listen(f"{base}/events") as reader:
        assert reader.next()[1]["last_subscriber_left_at"] is None


def test_a_reader_that_only_looks_on_is_no_subscriber(http, session, listen):
    base = f"/sessions/{session['session_id']}"
    with listen(f"{base}/events?subscribe=false") as reader:
        first = reader.next()[1]
        assert (first["subscriber_count"], first["last_subscriber_left_at"]) == (0, None)
        http.get(f"{base}/video-90p/0.m4s")
        assert reader.until("segment_ready")["rendition"] == "video-90p"

    left = peek(http, session["session_id"])
    assert (left["subscriber_count"], left["last_subscriber_left_at"]) == (0, None)


def test_all_sessions_can_be_listened_to_at_once(http, film, listen):
    with listen("/events") as reader:
        assert reader.next() == ("listening", None)
        ids = [http.post("/sessions", json={"media": film.name}).json()["session_id"] for _ in range(2)]

        assert [reader.until("started")["session_id"] for _ in ids] == ids
        assert [peek(http, session)["subscriber_count"] for session in ids] == [0, 0]


def test_nobody_listens_to_a_session_that_is_not_there(http):
    refused = http.get("/sessions/x/events")

    assert (refused.status_code, refused.json()["type"]) == (404, "/problems/session-not-found")


def test_a_subscriber_hears_nothing_of_other_sessions(http, film, session, listen):
    with listen(f"/sessions/{session['session_id']}/events") as reader:
        reader.next()
        http.delete(f"/sessions/{http.post('/sessions', json={'media': film.name}).json()['session_id']}")
        http.delete(f"/sessions/{session['session_id']}")

        while (event := reader.next()) is not None:
            assert event[1]["session_id"] == session["session_id"]


def test_streams_are_told_to_end_when_the_daemon_stops(start_daemon, hls_clip, listen):
    daemon = start_daemon()
    session = daemon.open(hls_clip(seconds=5, size="160x90"))
    heard = []
    with (
        listen(f"/sessions/{session['session_id']}/events", daemon.http) as one,
        listen("/events", daemon.http) as all_,
    ):
        one.next()
        all_.next()
        readers = [threading.Thread(target=lambda r=r: heard.append(r.until("stopping"))) for r in (one, all_)]
        for reader in readers:
            reader.start()

        assert daemon.stop() == 0
        for reader in readers:
            reader.join(BOUND)

    assert heard == [{"reason": "the supervisor stops"}] * 2


def test_with_a_token_the_id_is_the_right_to_listen_and_to_nothing_more(start_daemon, hls_clip, listen):
    daemon = start_daemon("--token", "secret")
    token = {"Authorization": "Bearer secret"}
    film = hls_clip(seconds=5, size="160x90")
    session = daemon.http.post("/sessions", json={"media": film.name}, headers=token).json()
    base = f"/sessions/{session['session_id']}"

    with listen(f"{base}/events", daemon.http) as reader:
        assert reader.next()[0] == "session"
    refused = [
        daemon.http.get("/events"),
        daemon.http.get(f"{base}/history"),
        daemon.http.post(f"{base}/pause"),
        daemon.http.post(f"{base}/resume"),
        daemon.http.post("/resume"),
    ]
    assert {answer.status_code for answer in refused} == {401}


# ---- a session that timed out


def test_a_session_that_timed_out_is_gone_and_says_when_and_why(start_daemon, hls_clip, until):
    daemon = start_daemon("--idle-timeout", "1")
    base = f"/sessions/{daemon.open(hls_clip(seconds=5, size='160x90'))['session_id']}"
    until(lambda: daemon.http.get("/sessions").json() == [])

    for path in ("", "/master.m3u8", "/video-90p/index.m3u8", "/video-90p/0.m4s", "/video-90p/init.mp4", "/events"):
        gone = daemon.http.get(base + path)
        assert gone.status_code == 410, path
        problem = gone.json()
        assert problem["type"] == "/problems/session-ended"
        assert problem["state"] == "expired"
        assert problem["reason"] == "nothing was asked of it for 1 seconds"
        assert problem["ended_at"] in problem["detail"]
    others = [daemon.http.delete(base), *(daemon.http.post(base + p) for p in ("/heartbeat", "/pause", "/resume"))]
    assert {answer.status_code for answer in others} == {410}
    assert [step["to_state"] for step in daemon.http.get(f"{base}/history").json()] == ["active", "expired"]


def test_how_long_an_ended_session_is_remembered_can_be_set(start_daemon, hls_clip, until):
    daemon = start_daemon("--idle-timeout", "1", HLS_SESSIONS_KEEP_ANYTHING="0.3")
    base = f"/sessions/{daemon.open(hls_clip(seconds=5, size='160x90'))['session_id']}"
    until(lambda: daemon.http.get("/sessions").json() == [])

    until(lambda: daemon.http.get(base).status_code == 404)


def test_events_that_there_are_not_cannot_be_asked_for(http):
    answer = http.get("/events", params={"kind": "nope"})

    assert answer.status_code == 422
    assert "state_changed" in answer.json()["detail"]
