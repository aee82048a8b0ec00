from __future__ import annotations

import shutil
import subprocess
import sys
from itertools import product
from pathlib import Path

import pytest

from hls_sessions.errors import IllegalTransition
from hls_sessions.session.record import QUIET
from hls_sessions.session.state import TABLE, Circumstances, State, Step, Who, next_state

ALWAYS = {"complete": "completed", "fail": "failed", "expire": "expired", "yield": "expired"}
WANTED = {
    "pending": {"start": "active"} | ALWAYS,
    "active": {"pause": "paused"} | ALWAYS,
    "paused": {"resume": "active"} | ALWAYS,
    "completed": {},
    "failed": {},
    "expired": {},
}
MAY = {
    Step.START: {Who.SESSION},
    Step.PAUSE: {Who.VIEWER},
    Step.RESUME: {Who.VIEWER},
    Step.COMPLETE: {Who.VIEWER, Who.SUPERVISOR, Who.REAPER},
    Step.FAIL: {Who.SESSION, Who.SUPERVISOR},
    Step.EXPIRE: {Who.REAPER},
    Step.DISPLACE: {Who.SUPERVISOR},
}

LEGAL = [(State(state), Step(step), State(to)) for state, steps in WANTED.items() for step, to in steps.items()]
ILLEGAL = [pair for pair in product(State, Step) if pair not in {(state, step) for state, step, _ in LEGAL}]
OVERDUE = Circumstances(overdue=True)
ROOT = Path(__file__).parents[2]
PAGE = ROOT / "hls_sessions" / "guide" / "states.md"


def test_the_table_has_the_wanted_steps_and_no_others():
    assert {(state, step): rule.to for (state, step), rule in TABLE.items()} == {
        (state, step): to for state, step, to in LEGAL
    }


@pytest.mark.parametrize(("state", "step", "to"), LEGAL)
def test_a_step_of_the_table_is_taken_for_its_allowed_askers_and_for_nobody_else(state, step, to):
    for who in Who:
        if who in MAY[step]:
            assert next_state(state, step, who, "a reason", OVERDUE) is to
        else:
            with pytest.raises(IllegalTransition, match=rf"A session does not {step.value} for its {who.value}, only"):
                next_state(state, step, who, "a reason", OVERDUE)


@pytest.mark.parametrize(("state", "step"), ILLEGAL)
def test_a_step_the_table_does_not_have_is_refused_with_a_sentence(state, step):
    with pytest.raises(IllegalTransition) as refused:
        next_state(state, step, next(iter(MAY[step])), "a reason", OVERDUE)

    assert str(refused.value) == f"A session that is {state.value} cannot {step.value}."
    assert refused.value.facts() == {"state": state.value, "step": step.value}


@pytest.mark.parametrize("state", [State.PENDING, State.ACTIVE, State.PAUSED])
@pytest.mark.parametrize(
    ("now", "unless"),
    [
        (Circumstances(viewers_waiting=1, overdue=True), "while a viewer waits for a segment"),
        (QUIET, "before its time without a viewer has run out"),
    ],
)
def test_a_session_with_a_viewer_does_not_expire(state, now, unless):
    with pytest.raises(IllegalTransition, match=rf"^A session that is {state.value} cannot expire {unless}\.$"):
        next_state(state, Step.EXPIRE, Who.REAPER, "nobody came", now)


@pytest.mark.parametrize("state", [State.PENDING, State.ACTIVE, State.PAUSED])
@pytest.mark.parametrize(
    ("now", "unless"),
    [
        (Circumstances(viewers_waiting=1), "while a viewer waits for a segment"),
        (Circumstances(watched=True), "while a viewer is there"),
    ],
)
def test_a_session_with_a_viewer_is_not_displaced(state, now, unless):
    with pytest.raises(IllegalTransition, match=rf"^A session that is {state.value} cannot yield {unless}\.$"):
        next_state(state, Step.DISPLACE, Who.SUPERVISOR, "another wants its place", now)


@pytest.mark.parametrize("reason", ["", " ", "\n"])
def test_every_step_has_a_reason(reason):
    with pytest.raises(IllegalTransition, match=r"^A session does not pause without a reason\.$"):
        next_state(State.ACTIVE, Step.PAUSE, Who.VIEWER, reason, QUIET)


@pytest.mark.parametrize("state", State)
def test_a_state_is_final_when_no_step_leads_out_of_it(state):
    assert state.is_final == (not WANTED[state.value])


def test_every_state_but_the_first_can_be_reached_from_it():
    reached, seen = {State.PENDING}, set()
    while reached - seen:
        seen |= (frontier := reached - seen)
        reached |= {rule.to for (state, _), rule in TABLE.items() if state in frontier}

    assert reached == set(State)


# ---- the diagram


def states(*arguments) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, ROOT / "scripts" / "states.py", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_the_guide_shows_the_table():
    checked = states("--check")

    assert checked.returncode == 0, checked.stdout


def test_a_page_that_shows_another_table_is_found_out_and_drawn_anew(tmp_path):
    page = shutil.copy(PAGE, tmp_path)
    drawn = Path(page).read_text()
    Path(page).write_text(drawn.replace("active --> paused: pause", "active --> paused: rest"))

    assert states("--check", page).returncode == 1
    assert states(page).returncode == 0
    assert Path(page).read_text() == drawn


def test_a_page_without_a_place_for_the_diagram_is_found_out(tmp_path):
    page = tmp_path / "states.md"
    page.write_text("Nothing is drawn here.\n")

    assert states("--check", str(page)).returncode == 1
    assert states(str(page)).returncode == 1
