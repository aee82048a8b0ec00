"""The log of the daemon: a line for each event, which names what it is about."""

from __future__ import annotations

import json

import pytest

from hls_sessions.testing import failing_ffmpeg


def events(text: str) -> list[dict]:
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


@pytest.fixture
def film(hls_clip):
    return hls_clip(seconds=5, size="160x90", audio=None)


def test_the_name_of_a_request_goes_from_http_to_ffmpegs_last_words(start_daemon, film, tmp_path, capfd):
    broken = str(failing_ffmpeg(tmp_path, times=1, says="The disk is made of cheese"))
    daemon = start_daemon(HLS_SESSIONS_LOG_FORMAT="json", HLS_SESSIONS_LOG_LEVEL="info", HLS_SESSIONS_FFMPEG=broken)
    session = daemon.open(film)

    answer = daemon.http.get(
        f"/sessions/{session['session_id']}/video-90p/0.m4s", headers={"X-Request-ID": "click-7f3a"}
    )

    assert (answer.status_code, answer.headers["x-request-id"]) == (200, "click-7f3a")
    [failed] = [event for event in events(capfd.readouterr().err) if event.get("reason") == "crashed"]
    assert "The disk is made of cheese" in failed["event"]
    names = ("request", "session", "rendition", "segment", "run", "level")
    assert [failed[name] for name in names] == ["click-7f3a", session["session_id"], "video-90p", 0, 1, "warning"]


def test_a_line_for_people_has_no_colours_where_no_terminal_is(start_daemon, film, tmp_path, capfd):
    broken = str(failing_ffmpeg(tmp_path, times=1))
    daemon = start_daemon(HLS_SESSIONS_FFMPEG=broken)
    session = daemon.open(film)
    daemon.http.get(f"/sessions/{session['session_id']}/video-90p/0.m4s")

    [line] = [line for line in capfd.readouterr().err.splitlines() if "segment 0 of video-90p failed" in line]

    assert f"session={session['session_id']}" in line
    assert "[warning]" in line
    assert "\x1b" not in line


def test_the_name_of_a_file_breaks_no_line(start_daemon, tmp_path, capfd):
    folder = tmp_path / "films"
    folder.mkdir()
    film = folder / "a\nfilm\x1b[31m\udcff.txt"
    film.write_bytes(b"1\n00:00:01,000 --> 00:00:02,000\nno film\n" * 100)
    daemon = start_daemon("--log-level", "debug", media=folder, HLS_SESSIONS_LOG_FORMAT="json")

    daemon.http.post("/sessions", json={"media": "a\nfilm\x1b[31m%FF.txt"})

    said = capfd.readouterr().err
    assert "\x1b" not in said
    assert all(line.startswith(("{", "hls-sessions")) for line in said.splitlines())


@pytest.mark.parametrize("given", ["", "a b", "x" * 65, "é"])
def test_a_request_without_a_name_of_that_form_is_given_one(daemon, given):
    headers = {"X-Request-ID": given.encode()} if given else {}

    first, second = (daemon.http.get("/health", headers=headers).headers["x-request-id"] for _ in range(2))

    assert len(first) == len(second) == 16
    assert first != second
