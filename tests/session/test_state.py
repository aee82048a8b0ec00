from __future__ import annotations

from itertools import product

import pytest

from hls_sessions.errors import IllegalTransition
from hls_sessions.session.state import STEPS, State, step

TABLE = {
    "pending": {"active", "completed", "failed", "expired"},
    "active": {"completed", "failed", "expired"},
    "completed": set(),
    "failed": set(),
    "expired": set(),
}

LEGAL = [(State(state), State(to)) for state, steps in TABLE.items() for to in sorted(steps)]
ILLEGAL = [pair for pair in product(State, State) if pair not in LEGAL]


def test_the_table_names_every_state():
    assert set(STEPS) == set(State) == {State(name) for name in TABLE}


@pytest.mark.parametrize(("state", "to"), LEGAL)
def test_a_step_of_the_table_is_taken(state, to):
    assert step(state, to) is to


@pytest.mark.parametrize(("state", "to"), ILLEGAL)
def test_a_step_the_table_does_not_have_is_refused_with_a_sentence(state, to):
    with pytest.raises(IllegalTransition) as refused:
        step(state, to)

    assert str(refused.value) == f"A session that is {state.value} cannot become {to.value}."
    assert refused.value.facts() == {"state": state.value, "to": to.value}


@pytest.mark.parametrize(("state", "to"), ILLEGAL)
def test_a_refused_step_changes_nothing(state, to):
    table, now = dict(STEPS), state

    with pytest.raises(IllegalTransition):
        now = step(now, to)

    assert now is state
    assert table == STEPS


@pytest.mark.parametrize("state", State)
def test_a_state_is_final_when_no_step_leads_out_of_it(state):
    assert state.is_final == (TABLE[state.value] == set())


def test_every_state_but_the_first_can_be_reached_from_it():
    reached, seen = {State.PENDING}, set()
    while reached - seen:
        seen |= (frontier := reached - seen)
        reached |= {to for state in frontier for to in STEPS[state]}

    assert reached == set(State)
