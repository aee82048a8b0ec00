"""Several sessions that share slots and a disk: policy, scheduler and quota together, without an encoder."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from hls_sessions.encoding.policy import (
    REACH,
    GoOn,
    Hold,
    Limits,
    Reason,
    RunState,
    Situation,
    Start,
    Stop,
    decide,
    propose,
)
from hls_sessions.encoding.scheduler import Scheduler
from hls_sessions.media import Cuts
from hls_sessions.segments import Budget, MakeRoom, Quota, dispensable

SEGMENTS = 24
SIZE = 100
"""Bytes of each segment; a run needs as much again while it writes one."""
CUTS = Cuts(tuple(Fraction(2 * n) for n in range(SEGMENTS + 1)), Fraction(0), Fraction(1, 50), counts=None)
RENDITION = "video"


class Machine:
    """A number of slots, a budget of bytes, and sessions that share both."""

    def __init__(self, slots, budget, viewers):
        self.scheduler = Scheduler(slots)
        self.quota = Quota(Budget(in_all=budget, of_one=budget))
        self.told = deque()
        self.time = 0.0
        self.sessions = [Session(self, f"session {number}", at) for number, at in enumerate(viewers)]
        self.settle()

    def settle(self):
        """Have every session hear its messages, until there are none."""
        for session in self.sessions:
            session.act()
        for _ in range(1000):
            if not self.told:
                return
            session, message = self.told.popleft()
            session.hear(message)
        raise AssertionError("the sessions tell each other things for ever")

    def make(self, turn):
        """One of the runs that go makes its next segment; False if none goes."""
        going = [(session, run) for session in self.sessions for run in session.runs.values() if not run.held]
        if not going:
            return False
        session, run = going[turn % len(going)]
        session.made(run)
        self.settle()
        return True

    @property
    def going(self):
        return [run for session in self.sessions for run in session.runs.values() if not run.held]

    @property
    def bytes(self):
        """The bytes on disk, and those that each run that goes writes now."""
        return SIZE * (sum(len(session.on_disk) for session in self.sessions) + len(self.going))


class Session:
    """One viewer of one rendition. Its runs make segments when the machine lets them."""

    limits = Limits(max_runs=2, look_ahead=8.0)

    def __init__(self, machine, name, at):
        self.machine = machine
        self.at = at
        self.waits = True
        self.on_disk = set()
        self.runs = {}
        self.number = 0
        self.asked = 0.0
        tell = lambda message: machine.told.append((self, message))  # noqa: E731 - the two are told alike
        self.slots = machine.scheduler.open(name, tell)
        self.quota = machine.quota.open(name, tell, self.spare, lambda: machine.time - self.asked)

    def seek(self, segment):
        self.machine.time += 1
        self.at, self.asked, self.waits = segment, self.machine.time, segment not in self.on_disk
        self.act()
        self.machine.settle()

    def hear(self, message):
        if isinstance(message, MakeRoom):
            freed = self.spare(message.size, urgent=message.urgent)
            self.quota.gave(message.size, freed, urgent=message.urgent)
        self.act()

    def spare(self, size, *, urgent):
        waiting = [self.at] if self.waits else []
        spared = dispensable(CUTS, self.on_disk, {self.at: self.asked}, waiting, 8.0, urgent=urgent)
        freed = 0
        for _, number in sorted(spared):
            if freed < size:
                self.on_disk.discard(number)
                self.quota.removed(SIZE)
                freed += SIZE
        return freed

    def made(self, run):
        """A run finishes its next segment, which is published, and goes on with the one after it."""
        if run.next not in self.on_disk:
            self.on_disk.add(run.next)
            self.quota.wrote(SIZE)
            self.waits = self.waits and run.next != self.at
        self.runs[run.run] = replace(run, next=run.next + 1)

    def act(self):
        for run in list(self.runs.values()):
            if run.next > run.last:  # it has made all its segments, and ends
                self.end(run.run)
        waiting = (self.at,) if self.waits else ()
        now = Situation(CUTS, frozenset(self.on_disk), waiting, (self.at,), tuple(self.runs.values()))
        proposal = propose(now, self.limits)
        for action in decide(proposal, self.refused(proposal.requests)):
            match action:
                case Start(segment):
                    self.number += 1
                    self.quota.transfer(RENDITION, action, self.number)
                    self.runs[self.number] = RunState(self.number, segment, SEGMENTS - 1, used=self.machine.time)
                case Stop(run):
                    self.end(run)
                case Hold(run):
                    self.runs[run] = replace(self.runs[run], held=True)
                    self.quota.settle(RENDITION, run, 0)
                case GoOn(run):
                    self.runs[run] = replace(self.runs[run], held=False)

    def refused(self, requests):
        slots = self.slots.request(RENDITION, requests)
        refused, lacking = {}, (None, 0)
        for request in requests:
            if request.claim not in slots:
                refused[request.claim] = Reason.NO_SLOT
                continue
            lack = self.quota.reserve(RENDITION, request.claim, 2 * SIZE, urgent=request.urgent)
            if lack is not None:
                refused[request.claim] = lack
                lacking = lacking if lacking[1] else (lack, 2 * SIZE * request.urgent)
        self.quota.note(RENDITION, *lacking)
        return refused

    def end(self, run):
        del self.runs[run]
        self.quota.settle(RENDITION, run, 0)


places = st.integers(0, SEGMENTS - 1)
machines = st.builds(
    Machine,
    slots=st.integers(1, 3),
    budget=st.integers(2, 12).map(lambda segments: segments * SIZE),
    viewers=st.lists(places, min_size=1, max_size=4),
)
moves = st.lists(st.tuples(st.integers(0, 3), places, st.integers(0, 3)), max_size=20)


def play(machine, moves):
    """Have viewers seek while runs make segments; yield after each step."""
    for viewer, place, turn in moves:
        machine.sessions[viewer % len(machine.sessions)].seek(place)
        yield
        machine.make(turn)
        yield


@settings(max_examples=60, deadline=None)
@given(machines, moves)
def test_segments_never_take_more_bytes_than_the_budget(machine, moves):
    for _ in play(machine, moves):
        assert machine.bytes <= machine.quota.budget.in_all


@settings(max_examples=60, deadline=None)
@given(machines, moves)
def test_more_runs_than_slots_go_only_while_a_viewer_waits_for_each(machine, moves):
    for _ in play(machine, moves):
        urgent = [
            run
            for session in machine.sessions
            for run in session.runs.values()
            if not run.held and session.waits and 0 <= session.at - run.next <= REACH
        ]
        assert len(machine.going) <= max(machine.scheduler.slots, len(urgent))


@settings(max_examples=60, deadline=None)
@given(machines, moves, st.lists(st.integers(0, 3), min_size=1, max_size=5))
def test_every_viewer_who_waits_is_served_in_the_end(machine, moves, turns):
    for _ in play(machine, moves):
        pass

    for step in range(40 * SEGMENTS):
        if not any(session.waits for session in machine.sessions):
            break
        assert machine.make(turns[step % len(turns)]), "a viewer waits, and nothing is being made"

    assert not any(session.waits for session in machine.sessions)
