"""The record of one session keeps the rules of the table, whatever steps are asked for, from any number of threads."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from itertools import pairwise
from threading import Barrier

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from hls_sessions.counters import Sums
from hls_sessions.errors import IllegalTransition
from hls_sessions.otp import ManualClock
from hls_sessions.session.record import REMEMBERED, Earlier, SessionRecord
from hls_sessions.session.state import TABLE, Circumstances, State, Step, Who

BOUND = 30
OVERDUE = Circumstances(overdue=True)
ASKED = st.tuples(st.sampled_from(Step), st.sampled_from(Who), st.sampled_from(["a reason", ""]))
AROUND = st.builds(Circumstances, viewers_waiting=st.integers(0, 2), overdue=st.booleans())


def is_allowed(state, step, who, reason, now):
    found = TABLE.get((state, step))
    return found is not None and who in found.by and all(guard.holds(now) for guard in found.guards) and bool(reason)


def attempt(record, step, who, reason, now=OVERDUE):
    try:
        return record.take(step, who, reason, now)
    except IllegalTransition:
        return None


class Lives(RuleBasedStateMachine):
    """Steps one after the other and from several threads at once, against a model: the table and a list."""

    def __init__(self):
        super().__init__()
        self.clock = ManualClock()
        self.record = SessionRecord("7f3a", self.clock)
        self.taken = []
        self.spent = dict.fromkeys((state.value for state in State if not state.is_final), 0.0)

    @rule(asked=ASKED, now=AROUND)
    def one_asks(self, asked, now):
        before, history = self.record.state, self.record.history
        transition = attempt(self.record, *asked, now)

        assert (transition is not None) == is_allowed(before, *asked, now)
        if transition is None:
            assert (self.record.state, self.record.history) == (before, history)
        else:
            self.taken.append(transition)

    @rule(asked=st.lists(ASKED, min_size=2, max_size=6))
    def several_ask_at_once(self, asked):
        start = Barrier(len(asked))

        def ask(each):
            start.wait(BOUND)
            return attempt(self.record, *each)

        with ThreadPoolExecutor(len(asked)) as threads:
            took = [transition for transition in threads.map(ask, asked) if transition is not None]
        order = self.record.history[len(self.taken) :]
        assert sorted(map(id, order)) == sorted(map(id, took))
        self.taken += order

    @rule(seconds=st.integers(1, 1000))
    def time_passes(self, seconds):
        if not self.record.state.is_final:
            self.spent[self.record.state.value] += seconds
        self.clock.advance(seconds)

    @invariant()
    def every_step_was_one_of_the_table_and_is_recorded(self):
        assert list(self.record.history) == self.taken
        for step in self.taken:
            found = TABLE[State(step.from_state), Step(step.step)]
            assert (found.to.value, step.reason) == (step.to_state, "a reason")
            assert Who(step.by) in found.by

    @invariant()
    def each_step_begins_where_the_one_before_led(self):
        states = ["pending", *(step.to_state for step in self.taken)]
        assert [step.from_state for step in self.taken] == states[:-1]
        assert self.record.state.value == states[-1]
        assert all(earlier.at <= later.at for earlier, later in pairwise(self.taken))

    @invariant()
    def the_time_in_each_state_is_known(self):
        assert self.record.seconds == self.spent

    @invariant()
    def only_the_last_step_can_be_the_end(self):
        assert (self.record.end is not None) == self.record.state.is_final
        assert all(not State(step.to_state).is_final for step in self.taken[:-1])


TestLives = Lives.TestCase
TestLives.settings = settings(max_examples=40)


def test_of_many_simultaneous_ends_of_a_session_one_is_taken():
    record = SessionRecord("7f3a", ManualClock())
    record.take(Step.START, Who.SESSION, "begun")
    ends = [(Step.COMPLETE, Who.VIEWER), (Step.FAIL, Who.SESSION), (Step.EXPIRE, Who.REAPER)] * 8
    start = Barrier(len(ends))

    def end(each):
        start.wait(BOUND)
        return attempt(record, *each, "it is over")

    with ThreadPoolExecutor(len(ends)) as threads:
        took = [transition for transition in threads.map(end, ends) if transition is not None]

    assert took == [record.end]


def test_a_step_is_recorded_with_its_time_and_reason():
    clock = ManualClock(time=1_700_000_000)
    record = SessionRecord("7f3a", clock)
    clock.advance(5)

    taken = record.take(Step.START, Who.SESSION, "its directory is open")

    assert record.history == (taken,)
    assert (taken.from_state, taken.to_state, taken.by) == ("pending", "active", "session")
    assert (taken.at.timestamp(), taken.reason) == (1_700_000_005, "its directory is open")
    assert record.started_at == taken.at
    assert record.seconds == {"pending": 5, "active": 0, "paused": 0}


def test_a_session_that_is_paused_and_resumed_without_end_does_not_fill_the_memory():
    record = SessionRecord("7f3a", ManualClock())
    record.take(Step.START, Who.SESSION, "begun")

    for _ in range(REMEMBERED):
        record.take(Step.PAUSE, Who.VIEWER, "a rest")
        record.take(Step.RESUME, Who.VIEWER, "and on")

    assert len(record.history) == REMEMBERED
    assert record.history[-1].step == "resume"


@pytest.mark.parametrize("ends", [Step.COMPLETE, Step.FAIL])
def test_the_time_after_the_end_is_not_counted(ends):
    clock = ManualClock()
    record = SessionRecord("7f3a", clock)
    record.take(Step.START, Who.SESSION, "begun")
    clock.advance(7)
    record.take(ends, Who.SUPERVISOR, "over")
    clock.advance(100)

    assert record.seconds == {"pending": 0, "active": 7, "paused": 0}


def test_a_session_of_which_no_step_is_known_any_more_goes_on():
    clock = ManualClock()
    record, now = SessionRecord("7f3a", clock), datetime.fromtimestamp(clock.time(), UTC)

    record.go_on(Earlier(State.ACTIVE, (), Sums(), 7.0, None, now, "its daemon was killed"))
    record.take(Step.COMPLETE, Who.VIEWER, "enough")

    assert (record.position, [step.step for step in record.history]) == (7.0, ["complete"])


def test_a_session_that_has_ended_cannot_be_changed():
    record = SessionRecord("7f3a", ManualClock(), idle_timeout=1800)
    record.take(Step.COMPLETE, Who.SUPERVISOR, "over")

    with pytest.raises(IllegalTransition, match="A session that is completed stays as it is"):
        record.change({"idle_timeout": 5.0})
    assert record.presence.idle_timeout == 1800
