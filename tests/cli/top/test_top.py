"""The screen as an operator uses it, in a terminal, with a running daemon."""

from __future__ import annotations

import os
import signal
from urllib.parse import urlsplit

import pytest
from terminal import Terminal


@pytest.fixture
def film(hls_clip):
    return hls_clip(seconds=5, size="160x90")


@pytest.fixture
def top(daemon):
    """Return a function that shows the daemon's sessions in a terminal."""
    terminals = []

    def top(*options, url=daemon.url, **more):
        terminals.append(Terminal("top", "--interval", "0.2", *options, url=url, **more))
        return terminals[-1]

    yield top

    for terminal in terminals:
        terminal.close()


def test_it_shows_totals_and_a_row_for_each_session_as_they_come_and_go(top, daemon, film):
    anna = daemon.open(film, user="anna")["session_id"]
    terminal = top()
    terminal.shows("sessions 1 of 100 (1 active)", "health ", f"{anna[:8]} active  anna", film.name[:12], "0:00/0:05")

    ben = daemon.open(film, user="ben")["session_id"]
    terminal.shows("(2 active)", f"{ben[:8]} active  ben")
    daemon.http.delete(f"/sessions/{anna}")
    terminal.shows("(1 active)")

    assert not any(line.startswith(anna[:8]) for line in terminal.screen)


def test_it_fits_the_terminal_also_when_its_size_changes(top, daemon, film):
    session = daemon.open(film, user="anna")["session_id"]
    terminal = top(columns=80, lines=20)
    terminal.shows(session[:8], "EXPIRES")
    assert {len(line) for line in terminal.screen[:19]} == {80}
    assert session not in "\n".join(terminal.screen)

    terminal.resize(200, 30)
    terminal.shows(session, "RENDITIONS", "RESTARTS", "VIEWERS")
    terminal.until(lambda: len(terminal.screen) == 30)
    assert {len(line) for line in terminal.screen} == {200}


def test_x_stops_the_selected_session_after_a_yes(top, daemon, film):
    ids = [daemon.open(film, user=user)["session_id"] for user in ("anna", "ben")]
    terminal = top()
    terminal.shows(ids[1][:8])

    terminal.press("jx")
    terminal.shows(f"Stop {ids[1][:8]} ({film.name}, of ben)? [y/N]")
    terminal.press("n")
    terminal.shows("Nothing is stopped.")
    assert len(daemon.http.get("/sessions").json()) == 2
    terminal.press("xy")
    terminal.shows(f"stopped {ids[1][:8]}")

    assert [left["session_id"] for left in daemon.http.get("/sessions").json()] == [ids[0]]


def test_p_pauses_r_resumes_and_a_refusal_is_shown(top, daemon, film):
    session = daemon.open(film)["session_id"]
    terminal = top()
    terminal.shows(session[:8])

    terminal.press("p")
    terminal.shows(f"paused {session[:8]}", f"{session[:8]} paused")
    terminal.press("p")
    terminal.shows("A session that is paused cannot pause.")
    terminal.press("r")
    terminal.shows(f"resumed {session[:8]}", f"{session[:8]} active")


def test_a_filter_leaves_the_rows_that_have_its_words(top, daemon, film):
    anna, ben = (daemon.open(film, user=user)["session_id"] for user in ("anna", "ben"))
    terminal = top()
    terminal.shows(anna[:8], ben[:8])

    terminal.press("/BEN\r")
    terminal.shows("1 of 2 shown", ben[:8])
    assert not any(line.startswith(anna[:8]) for line in terminal.screen)
    terminal.press("\x1b")
    terminal.shows(anna[:8], ben[:8])


def test_enter_shows_a_session_and_its_log_and_a_question_mark_the_keys(top, daemon, film):
    session = daemon.open(film, user="anna")["session_id"]
    daemon.http.get(f"/sessions/{session}/video-90p/0.m4s").raise_for_status()
    terminal = top(lines=60)
    terminal.shows(session[:8])

    terminal.press("\r")
    terminal.shows(f"session       {session}", str(film), "video-90p", "LOG")
    terminal.press("q?")
    terminal.shows("reverse the order")
    terminal.press("qq")

    assert terminal.wait() == 0
    assert terminal.is_as_before


@pytest.mark.parametrize(
    ("leave", "code"),
    [
        (lambda terminal, kill: terminal.press("q"), 0),
        (lambda terminal, kill: terminal.press("\x03"), 0),
        (lambda terminal, kill: kill(terminal.pid, signal.SIGTERM), 143),
        (lambda terminal, kill: kill(terminal.pid, signal.SIGHUP), 129),
    ],
    ids=["q", "Ctrl-C", "SIGTERM", "SIGHUP"],
)
def test_however_it_is_left_the_terminal_is_as_before(top, leave, code):
    terminal = top()
    terminal.shows("No session is open.")
    assert not terminal.is_as_before

    leave(terminal, os.kill)

    assert terminal.wait() == code
    assert terminal.is_as_before


def test_ctrl_z_gives_the_terminal_back_until_it_goes_on(top):
    terminal = top()
    terminal.shows("No session is open.")

    # It is the first process of its terminal's session. The kernel does not stop such a one, so it goes on at once.
    terminal.press("\x1a")

    terminal.until(lambda: "\x1b[?1049l" in terminal.raw and terminal.raw.count("\x1b[?1049h") == 2)
    terminal.shows("No session is open.")
    terminal.press("q")
    assert (terminal.wait(), terminal.is_as_before) == (0, True)


def test_a_daemon_that_goes_is_said_and_one_that_comes_back_is_shown(top, start_daemon, film):
    first = start_daemon()
    port = str(urlsplit(first.url).port)
    first.open(film, user="anna")
    terminal = top(url=first.url)
    terminal.shows("(1 active)")

    first.stop()
    terminal.shows("Trying again", "cannot be reached")
    second = start_daemon("--port", port)
    terminal.shows("sessions 0 of 100", "No session is open.")
    second.open(film, user="ben")
    terminal.shows("(1 active)", "ben")


def test_without_a_daemon_it_ends_at_once_with_a_sentence(top):
    terminal = top(url="http://127.0.0.1:9")

    assert terminal.wait() == 5
    assert "Is it running?" in terminal.text
    assert "\x1b[?1049h" not in terminal.raw


def test_a_daemon_that_wants_a_token_is_not_watched_without_it(top, guarded):
    refused, watched = top(url=guarded.url), top(url=guarded.url, HLS_SESSIONS_TOKEN="secret")

    assert refused.wait() == 6
    watched.shows("No session is open.")
