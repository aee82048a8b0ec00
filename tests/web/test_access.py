"""With a token, knowing a session's id is the right to watch, and nothing else is open."""

from __future__ import annotations

import subprocess
import sys

import pytest

from hls_sessions.web.access import is_loopback

TOKEN = {"Authorization": "Bearer secret"}


@pytest.fixture
def guarded(start_daemon):
    return start_daemon("--token", "secret")


def test_without_the_token_nothing_can_be_opened_listed_or_stopped(guarded):
    answers = [
        guarded.http.post("/sessions", json={"media": "film.mp4"}),
        guarded.http.get("/sessions"),
        guarded.http.get("/sessions/x"),
        guarded.http.delete("/sessions/x"),
        guarded.http.get("/openapi.json"),
        guarded.http.get("/sessions", headers={"Authorization": "Bearer wrong"}),
        guarded.http.get("/sessions/x/y.m3u8/../../z"),
    ]

    assert {answer.status_code for answer in answers} == {401}
    assert {answer.json()["type"] for answer in answers} == {"/problems/token-required"}


def test_with_the_token_a_session_is_opened_and_its_id_is_enough_to_watch_it(guarded, hls_clip):
    film = hls_clip(size="160x90")
    session = guarded.http.post("/sessions", json={"media": film.name}, headers=TOKEN).json()
    base = f"/sessions/{session['session_id']}"

    paths = [session["player_url"], session["playlist_url"], f"{base}/video-90p/index.m3u8", f"{base}/video-90p/0.m4s"]
    assert {guarded.http.get(path).status_code for path in paths} == {200}
    assert guarded.http.post(f"{base}/heartbeat").status_code == 204
    assert guarded.http.delete(base).status_code == 401


def test_the_daemon_refuses_to_listen_to_other_machines_without_a_token(tmp_path):
    command = [sys.executable, "-m", "hls_sessions", "serve", "--media", str(tmp_path), "--host", "0.0.0.0"]
    refused = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)

    assert refused.returncode != 0
    assert "set a token" in refused.stderr


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "::1", "[::1]", "localhost"])
def test_loopback_addresses_are_this_machine_alone(host):
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.2", "example.org", ""])
def test_other_addresses_are_not(host):
    assert not is_loopback(host)
