"""Files whose names are no UTF-8, over HTTP."""

from __future__ import annotations

import json
import os
import shutil

import pytest

NAME = os.fsdecode(b"caf\xe9 100%.mp4")
SENT = "caf%E9 100%25.mp4"


@pytest.fixture
def named(media, film):
    """A film whose name is no UTF-8, beside a link to it whose name is."""
    shutil.copy(film, media / NAME)
    (media / "link.mp4").symlink_to(media / NAME)
    return media / NAME


@pytest.mark.parametrize("spelt", [SENT, "link.mp4"])
def test_it_is_opened_by_its_percent_encoded_bytes_and_breaks_no_answer(http, named, spelt):
    opened = http.post("/sessions", json={"media": spelt, "user": "anna"})
    session = opened.json()
    base = f"/sessions/{session['session_id']}"

    assert opened.status_code == 201
    assert session["media"] == str(named.parent / SENT)
    assert [each["media"] for each in http.get("/sessions").json()] == [session["media"]]
    assert http.get(base).json()["media"] == session["media"]
    assert "caf%E9 100%25.mp4" in http.get(session["player_url"]).text
    assert http.get(f"{base}/video-90p/1.m4s").status_code == 200
    with http.stream("GET", f"{base}/events") as events:
        first = next(line for line in events.iter_lines() if line.startswith("data:"))
    assert json.loads(first.removeprefix("data:"))["media"] == session["media"]
    assert http.get(f"{base}/history").status_code == 200
    # What an answer says names the same file in the next request.
    assert http.post("/sessions", json={"media": session["media"], "user": "anna"}).json()["session_id"] in base
    paused = http.post(f"{base}/pause").json()
    assert paused["media"] == session["media"]
    assert http.post(f"{base}/resume", json=paused).status_code == 200
    paused = http.post("/sessions/pause", json={"media": session["media"]}).json()
    assert [(each["session_id"], each["done"]) for each in paused] == [(session["session_id"], True)]


def test_one_that_is_missing_or_cannot_be_played_is_said_so_by_the_same_name(http, media):
    missing = http.post("/sessions", json={"media": SENT})
    (media / NAME).write_text("no film")
    refused = http.post("/sessions", json={"media": SENT})

    assert (missing.status_code, missing.json()["media"]) == (404, SENT)
    assert refused.status_code == 415
    assert refused.json()["media"].endswith(SENT)


def test_a_file_whose_name_has_percent_signs_is_opened_by_its_name(http, media, film):
    for name in ("50%cc.mp4", "100%25.mp4", "caf%C3%A9.mp4"):
        shutil.copy(film, media / name)
        session = http.post("/sessions", json={"media": name})
        assert (session.status_code, session.json()["media"]) == (201, str(media / name))


def test_percent_encoding_leads_out_of_no_root(http):
    for name in ("%E9/../../../../etc/passwd", "%E9%2f..%2f..%2f..%2f..%2fetc%2fpasswd", "%E9%00.mp4"):
        assert http.post("/sessions", json={"media": name}).status_code in {403, 404}
