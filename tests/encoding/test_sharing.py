"""Several sessions that share slots and a disk: policy, scheduler and quota together, without an encoder."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from hls_sessions.encoding.common_runs import CommonRuns
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

    def __init__(self, slots, budget, viewers, viewer=None):
        viewer = viewer or Session
        self.scheduler = Scheduler(slots)
        self.quota = Quota(Budget(in_all=budget, of_one=budget))
        self.told = deque()
        self.time = 0.0
        self.sessions = [viewer(self, f"session {number}", at) for number, at in enumerate(viewers)]
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
        self.slots = machine.scheduler.open(name, self.tell)
        self.quota = machine.quota.open(name, self.tell, self.spare, lambda: machine.time - self.asked)

    def tell(self, message):
        self.machine.told.append((self, message))

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
                self.evicted(number)
                freed += SIZE
        return freed

    def evicted(self, number):
        self.on_disk.discard(number)
        self.quota.removed(SIZE)

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
        runs, others = tuple(self.runs.values()), self.others
        now = Situation(CUTS, self.available, waiting, (self.at,), runs, others=others)
        proposal = propose(now, self.limits)
        for action in decide(proposal, self.refused(proposal.requests)):
            match action:
                case Start(segment):
                    if not self.may_start(segment):
                        self.quota.settle(RENDITION, action, 0)
                        self.act()
                        return
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

    @property
    def others(self):
        return ()

    @property
    def available(self):
        return frozenset(self.on_disk)

    def may_start(self, segment):
        return True

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


class Film(Machine):
    """Sessions of one film, whose segments belong to all who have them, and whose runs are known to all."""

    def __init__(self, slots, budget, viewers):
        self.common_runs = CommonRuns()
        self.shared = {}
        """The sessions that have each segment. A segment that none has is kept."""
        self.repeated = 0
        """How many segments were made though there was one."""
        super().__init__(slots, budget, viewers, SharingSession)

    def settle(self):
        self.quota.free_kept = self.free
        super().settle()

    def free(self, size):
        freed = 0
        for number in [number for number, users in self.shared.items() if not users]:
            if freed < size:
                del self.shared[number]
                self.quota.shared(-SIZE)
                freed += SIZE
        return freed

    @property
    def bytes(self):
        return SIZE * (len(self.shared) + len(self.going))


class SharingSession(Session):
    """One viewer of the film that others watch, too."""

    def __init__(self, machine, name, at):
        super().__init__(machine, name, at)
        self.is_paused = False
        self.common = machine.common_runs.join("film", name, RENDITION, self.tell)

    def seek(self, segment):
        self.is_paused = False
        super().seek(segment)

    def pause(self):
        self.is_paused, self.waits = True, False
        for run in list(self.runs):
            self.end(run)
        self.common.announce([])
        self.slots.request(RENDITION, ())
        self.quota.note(RENDITION, None)
        self.machine.settle()

    def lose(self, run):
        """A run is killed from outside."""
        self.end(run.run)
        self.act()
        self.machine.settle()

    def made(self, run):
        if run.next in self.machine.shared:
            self.machine.repeated += 1
        else:
            self.machine.shared[run.next] = {self}
            self.quota.wrote(SIZE, is_shared=True)
            self.machine.quota.shared(SIZE)
            self.on_disk.add(run.next)
            self.waits = self.waits and run.next != self.at
        self.runs[run.run] = replace(run, next=run.next + 1)
        self.common.announce(tuple(self.runs.values()))
        self.common.made()

    def take_over(self):
        if self.waits and self.at in self.machine.shared:
            self.machine.shared[self.at].add(self)
            self.on_disk.add(self.at)
            self.quota.took(SIZE)
            self.waits = False

    def evicted(self, number):
        self.on_disk.discard(number)
        self.machine.shared[number].discard(self)
        self.quota.removed(SIZE, is_shared=True)

    def act(self):
        if self.is_paused:
            return
        self.common.note(waits=self.waits)
        self.take_over()
        super().act()
        self.common.announce(tuple(self.runs.values()))

    @property
    def others(self):
        return self.common.others()

    @property
    def available(self):
        return frozenset(self.machine.shared)

    def may_start(self, segment):
        return self.common.may_start(segment)


films = st.builds(
    Film,
    slots=st.integers(1, 3),
    budget=st.integers(2, 12).map(lambda segments: segments * SIZE),
    viewers=st.lists(places, min_size=2, max_size=4),
)
events = st.lists(
    st.tuples(st.sampled_from(["seek", "seek", "pause", "kill"]), st.integers(0, 3), places, st.integers(0, 3)),
    max_size=20,
)


def play_together(film, events):
    """Have viewers of one film seek and pause, and runs killed, while runs make segments; yield after each step."""
    for what, viewer, place, turn in events:
        session = film.sessions[viewer % len(film.sessions)]
        if what == "seek":
            session.seek(place)
        elif what == "pause":
            session.pause()
        elif session.runs:
            session.lose(list(session.runs.values())[turn % len(session.runs)])
        yield
        film.make(turn)
        yield


@settings(max_examples=60, deadline=None)
@given(films, events)
def test_segments_that_are_shared_never_take_more_bytes_than_the_budget(film, events):
    for _ in play_together(film, events):
        assert film.bytes <= film.quota.budget.in_all
        assert film.quota.bytes == SIZE * len(film.shared)


@settings(max_examples=60, deadline=None)
@given(films, events, st.lists(st.integers(0, 3), min_size=1, max_size=5))
def test_every_viewer_who_waits_for_the_encoder_of_another_session_is_served_in_the_end(film, events, turns):
    for _ in play_together(film, events):
        pass

    for step in range(40 * SEGMENTS):
        if not any(session.waits for session in film.sessions):
            break
        assert film.make(turns[step % len(turns)]), "a viewer waits, and nothing is being made"

    assert not any(session.waits for session in film.sessions)


@settings(max_examples=60, deadline=None)
@given(films, events)
def test_no_two_encoders_of_a_film_stay_at_the_same_segments(film, events):
    for count, _ in enumerate(play_together(film, events), 1):
        assert film.repeated <= count
