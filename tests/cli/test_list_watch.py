"""The list that goes on."""

from __future__ import annotations

from terminal import Terminal


def test_it_follows_the_sessions_in_place_until_ctrl_c(daemon, film):
    anna = daemon.open(film, user="anna")["session_id"]
    with Terminal("list", "--watch", url=daemon.url, columns=100) as terminal:
        terminal.until(lambda: f"{anna[:8]}  active  anna" in terminal.text)
        ben = daemon.open(film, user="ben")["session_id"]
        terminal.until(lambda: f"{ben[:8]}  active  ben" in terminal.text)
        terminal.press("\x03")

        assert terminal.wait() == 0
        assert terminal.is_as_before
    assert "\x1b[?1049h" not in terminal.raw  # the last table stays


def test_it_shows_those_that_were_asked_for(daemon, film):
    for user in ("anna", "ben"):
        daemon.open(film, user=user)
    with Terminal("list", "-w", "--user", "ben", url=daemon.url) as terminal:
        terminal.until(lambda: "ben" in terminal.text)

        assert "anna" not in terminal.text
