"""Colours, where a terminal is; names that do nothing to it; the browser; versions."""

from __future__ import annotations

import platform
import sqlite3

import pytest
from terminal import SEQUENCE, Terminal
from typer.testing import CliRunner

from hls_sessions.cli import app
from hls_sessions.ffmpeg import find


def test_states_have_colours_on_a_terminal_alone(run, daemon, film):
    daemon.open(film)
    with (
        Terminal("list", url=daemon.url, columns=200) as coloured,
        Terminal("list", url=daemon.url, columns=200, NO_COLOR="1") as plain,
    ):
        assert (coloured.wait(), plain.wait()) == (0, 0)

    assert "\x1b[32mactive" in coloured.raw
    assert "\x1b[32m" not in plain.raw
    assert "\x1b" not in run("list").stdout


def test_health_has_its_colour_and_facts_are_in_one_piece(daemon):
    with Terminal("health", url=daemon.url, columns=20) as terminal:
        terminal.wait()

    status = daemon.http.get("/health").json()["status"]
    assert SEQUENCE.search(terminal.raw)
    assert f"status     {status}\r\n" in terminal.text


def test_names_cannot_command_the_terminal(run, daemon, film):
    session = daemon.open(film, user="\x1b[2Jben\x9b\x07")["session_id"]

    for shown in (run("list"), run("info", session)):
        assert "[2Jben" in shown.stdout
        assert not {"\x1b", "\x9b", "\x07"} & set(shown.stdout)


@pytest.fixture
def browser(tmp_path, monkeypatch):
    """A browser that only notes which address it was to open."""
    script, opened = tmp_path / "browser", tmp_path / "opened"
    script.write_text(f'#!/bin/sh\necho "$1" > {opened}\n')
    script.chmod(0o755)
    monkeypatch.setenv("BROWSER", f"{script} %s")
    return opened


def test_start_opens_the_player_page(browser, type_, daemon, film):
    started = type_("start", str(film), "--open", "--user", "anna")

    [session] = daemon.http.get("/sessions").json()
    assert (started.returncode, started.stderr) == (0, "")
    assert browser.read_text() == f"{daemon.url}{session['player_url']}\n"


def test_start_says_the_address_where_there_is_no_browser(type_, daemon, film, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.setenv("BROWSER", str(tmp_path / "none"))

    started = type_("start", str(film), "--open", "--json")

    [session] = daemon.http.get("/sessions").json()
    assert started.returncode == 0
    assert f"Open it yourself: {daemon.url}{session['player_url']}" in started.stderr


def test_the_version_is_that_of_everything_that_matters():
    said = CliRunner().invoke(app, ["--version"], catch_exceptions=False)
    lines = dict(line.split(maxsplit=1) for line in said.stdout.splitlines())

    assert said.exit_code == 0
    assert list(lines) == [
        *("hls_sessions", "Python", "ffmpeg", "PyAV", "pykka", "fastapi", "granian", "SQLite", "kernel", "sandbox")
    ]
    assert lines["ffmpeg"].endswith(f"({find()})")
    assert lines["Python"].startswith(platform.python_version())
    assert lines["SQLite"] == sqlite3.sqlite_version
    assert "libavformat" in lines["PyAV"]


def test_the_version_says_when_there_is_no_ffmpeg(tmp_path):
    said = CliRunner().invoke(app, ["--version"], env={"HLS_SESSIONS_FFMPEG": str(tmp_path / "none")})

    assert (said.exit_code, "No ffmpeg was found" in said.stdout) == (0, True)
