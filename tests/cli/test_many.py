"""Many sessions at once, typed as an operator types it."""

from __future__ import annotations

import json

import pytest
from terminal import Terminal

from hls_sessions.cli.many import LivingState
from hls_sessions.session import State


@pytest.fixture
def ids(daemon, film) -> list[str]:
    return [daemon.open(film, user=user)["session_id"] for user in ("anna", "ben")]


def test_stop_ends_those_that_meet_its_conditions(run, daemon, ids):
    stopped = run("stop", "--user", "anna", "--state", "active", "--older-than", "0", "--yes")

    assert (stopped.returncode, stopped.stdout) == (0, f"stopped {ids[0]}\n")
    assert [left["session_id"] for left in daemon.http.get("/sessions").json()] == [ids[1]]


def test_pause_pauses_all_and_a_refusal_is_an_exit_code(run, ids):
    first = run("pause", ids[0])
    paused = run("pause", "--all")

    assert first.returncode == 0
    assert (paused.returncode, paused.stdout) == (1, f"paused {ids[1]}\n")
    assert paused.stderr == f"hls-sessions: {ids[0]}: A session that is paused cannot pause.\n"


def test_update_changes_one_or_those_that_meet_its_conditions(run, daemon, film, ids):
    one = run("update", ids[0][:8], "--idle-timeout", "1h")
    many = run("update", "--media", str(film), "--user", "ben", "--idle-timeout", "2h", "--json")

    assert (one.returncode, one.stdout) == (0, f"updated {ids[0]}\n")
    assert json.loads(many.stdout) == [{"session_id": ids[1], "done": True, "refusal": None}]
    assert [found["idle_timeout"] for found in daemon.http.get("/sessions").json()] == [3600, 7200]


def test_conditions_that_no_session_meets_are_no_failure(run):
    stopped = run("stop", "--idle-for", "1d", "--yes")

    assert (stopped.returncode, stopped.stdout) == (0, "no session is meant\n")


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["stop"], 2, "--all for all of them"),
        (["pause"], 2, "--all for all of them"),
        (["stop", "7f3a", "--all"], 2, "Name sessions, or conditions"),
        (["stop", "--all", "--user", "anna", "--yes"], 2, "not both"),
        (["stop", "--state", "bogus"], 2, "'pending', 'active', 'paused'"),
        (["stop", "--older-than", "soon"], 2, "'soon' is no duration"),
        (["pause", "--all", "--position", "3"], 2, "Many sessions have no one position."),
        (["update", "--all"], 2, "Say what to change"),
        (["update", "--all", "--idle-timeout", "0"], 2, "greater than 0"),
        (["update", "no-such-session", "--idle-timeout", "5"], 3, "There is no session 'no-such-session'."),
    ],
)
def test_a_failure_has_a_sentence_and_an_exit_code(run, arguments, code, sentence):
    failed = run(*arguments)

    assert sentence in failed.stderr
    assert (failed.returncode, failed.stdout) == (code, "")


def test_the_states_that_many_are_chosen_by_are_those_that_do_not_end_a_session():
    assert [state.value for state in LivingState] == [state.value for state in State if not state.is_final]


# ---- the question


def test_stopping_many_shows_which_and_asks(daemon, ids):
    with Terminal("stop", "--all", url=daemon.url) as terminal:
        terminal.until(lambda: "stop 2 sessions of 2 users? [y/N]" in terminal.text)
        assert all(session in terminal.text for session in ids)
        assert len(daemon.http.get("/sessions").json()) == 2
        terminal.press("y\r")
        code = terminal.wait()

    assert (code, daemon.http.get("/sessions").json()) == (0, [])
    assert all(f"stopped {session}" in terminal.text for session in ids)


@pytest.mark.parametrize("answer", ["n\r", "\r", "\x03"])
def test_without_a_yes_nothing_is_stopped(daemon, ids, answer):
    with Terminal("stop", *ids, url=daemon.url) as terminal:
        terminal.until(lambda: "[y/N]" in terminal.text)
        terminal.press(answer)
        code = terminal.wait()

    assert (code, len(daemon.http.get("/sessions").json())) == (1, 2)


def test_what_was_not_shown_and_what_is_not_meant_any_more_is_left_as_it_is(daemon, film, ids):
    with Terminal("stop", "--state", "active", url=daemon.url) as terminal:
        terminal.until(lambda: "stop 2 sessions" in terminal.text)
        daemon.http.post(f"/sessions/{ids[0]}/pause").raise_for_status()
        late = daemon.open(film, user="cleo")["session_id"]
        terminal.press("y\r")
        code = terminal.wait()

    assert (code, "It is not meant any more." in terminal.text) == (1, True)
    assert {left["session_id"] for left in daemon.http.get("/sessions").json()} == {ids[0], late}


def test_programs_say_yes_and_get_json(run, daemon, ids):
    stopped = json.loads(run("stop", "--all", "--yes", "--json").stdout)

    assert [outcome["session_id"] for outcome in stopped] == ids
