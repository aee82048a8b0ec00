"""Several tokens, with rights, which are rotated while the daemon runs."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from hls_sessions.errors import SettingsRefused
from hls_sessions.web.access import MOST_REFUSED
from hls_sessions.web.tokens import LOOK_AGAIN, Right, Tokens

FILE = "# the operators\nold\noperate new\n\nwatch viewer\n"


@pytest.fixture
def file(tmp_path):
    file = tmp_path / "tokens"
    file.write_text(FILE)
    return file


def test_each_token_of_a_file_gives_its_right(file):
    tokens = Tokens("own", file)

    rights = {given: tokens.right_of(given) for given in (b"own", b"old", b"new", b"viewer", b"operate", b"", b"ne")}

    assert [given for given, right in rights.items() if right is Right.OPERATE] == [b"own", b"old", b"new"]
    assert [given for given, right in rights.items() if right is Right.WATCH] == [b"viewer"]


def test_a_token_is_rotated_by_writing_the_file_anew(file, hls_clock):
    tokens = Tokens(None, file, hls_clock.monotonic)
    file.write_text("operate newest\n")
    hls_clock.advance(LOOK_AGAIN)

    assert tokens.right_of(b"newest") is Right.OPERATE
    assert tokens.right_of(b"old") is Right.NOTHING


@pytest.mark.parametrize("text", ["", "# nothing\n", "all secret\n", "operate a b\n", "\0\xff"])
def test_a_file_that_is_of_no_use_is_refused_and_later_changes_nothing(file, text, caplog, hls_clock):
    tokens = Tokens(None, file, hls_clock.monotonic)
    file.write_bytes(text.encode("latin-1"))
    hls_clock.advance(LOOK_AGAIN)

    assert tokens.right_of(b"new") is Right.OPERATE
    assert "the tokens stay as they are" in caplog.text
    assert "secret" not in caplog.text
    with pytest.raises(SettingsRefused):
        Tokens(None, file)


def test_a_file_that_is_gone_for_a_moment_changes_nothing(file, hls_clock):
    tokens = Tokens(None, file, hls_clock.monotonic)
    file.unlink()
    hls_clock.advance(LOOK_AGAIN)

    assert tokens.right_of(b"new") is Right.OPERATE


@pytest.fixture
def rotated(start_daemon, file):
    """A daemon with the tokens of a file."""
    return start_daemon(HLS_SESSIONS_TOKEN_FILE=str(file))


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


def test_a_token_for_watching_opens_and_watches_and_does_nothing_else(start_daemon, file, hls_clip, capfd):
    http, viewer = start_daemon(HLS_SESSIONS_TOKEN_FILE=str(file)).http, bearer("viewer")
    opened = http.post("/sessions", json={"media": hls_clip(seconds=2, size="160x90").name}, headers=viewer)
    session = opened.json()
    base = f"/sessions/{session['session_id']}"

    assert opened.status_code == 201
    assert (session["directory"], "/" in session["media"]) == ("", False)
    assert http.get(base, headers=viewer).json()["session_id"] == session["session_id"]
    assert http.post(f"{base}/pause", headers=viewer).status_code == 200
    for method, path in [("GET", "/sessions"), ("GET", f"{base}/log"), ("PATCH", "/settings"), ("GET", "/metrics")]:
        refused = http.request(method, path, headers=viewer)
        assert (refused.status_code, refused.json()["type"]) == (403, "/problems/right-missing")
    assert http.delete(base, headers=viewer).status_code == 204
    assert http.get("/sessions", headers=bearer("new")).json() == []

    said = capfd.readouterr().err
    assert f"refused GET /sessions/{session['session_id'][:8]}…/log from 127.0.0.1: right-missing (403)" in said
    assert session["session_id"] not in said
    assert "viewer" not in said


def test_who_guesses_tokens_is_told_to_wait_and_who_has_one_is_not(rotated):
    # Some are let through meanwhile where the daemon is slow: one for every three seconds.
    answers = [rotated.http.get("/sessions", headers=bearer(f"guess {n}")) for n in range(2 * MOST_REFUSED)]

    assert [answer.status_code for answer in answers[:MOST_REFUSED]] == [401] * MOST_REFUSED
    [refused, *_] = [answer for answer in answers if answer.status_code != 401]
    assert (refused.status_code, refused.json()["type"]) == (429, "/problems/too-many-refusals")
    assert int(refused.headers["Retry-After"]) >= 1
    assert rotated.http.get("/sessions", headers=bearer("new")).status_code == 200


def test_a_daemon_whose_token_file_is_missing_does_not_start(tmp_path):
    command = [sys.executable, "-m", "hls_sessions", "serve", "--media", str(tmp_path), "--port", "0"]
    environment = os.environ | {"HLS_SESSIONS_TOKEN_FILE": str(tmp_path / "nothing"), "XDG_STATE_HOME": str(tmp_path)}
    refused = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environment)

    assert refused.returncode != 0
    assert "token_file: [Errno 2] No such file or directory" in refused.stderr
