"""The policy, rule by rule, and properties that hold in every possible situation.

Segments are two seconds long here. A run is held thirty seconds ahead of its viewer, which is fifteen segments.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from hls_sessions.encoding import policy
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
    Wait,
    propose,
)
from hls_sessions.media import Cuts
from hls_sessions.segments import Shortage

SEGMENTS = 60
CUTS = Cuts(tuple(Fraction(2 * n) for n in range(SEGMENTS + 1)), Fraction(0), Fraction(1, 50), counts=None)
LIMITS = Limits(max_runs=2, look_ahead=30.0)


def situation(*, on_disk=(), waiting=(), at=(), runs=(), background=(), **more):
    return Situation(CUTS, frozenset(on_disk), tuple(waiting), tuple(at), tuple(runs), tuple(background), **more)


def decide(now, limits, refused=()):
    """Decide with slots and room for all claims but the refused ones."""
    return policy.decide(propose(now, limits), dict(refused))


def run(number, makes, last=SEGMENTS - 1, *, held=False, used=0.0):
    return RunState(number, makes, last, held, used)


REASONS = [Reason.NO_SLOT, Shortage.OWN, Shortage.SHARED]

# ---- rule by rule

RULES = [
    ("nobody is there, so nothing is made", situation(), []),
    ("the first request starts a run at its segment", situation(waiting=[0], at=[0]), [Start(0)]),
    ("a request in the middle starts a run there", situation(waiting=[30], at=[30]), [Start(30)]),
    ("a request for the last segment starts a run there", situation(waiting=[59], at=[59]), [Start(59)]),
    ("a segment that is on disk needs no run", situation(on_disk=[7], waiting=[7]), []),
    ("a run that makes the segment now is waited for", situation(waiting=[4], at=[4], runs=[run(1, 4)]), []),
    ("a run that is near is waited for", situation(waiting=[6], at=[6], runs=[run(1, 4)]), []),
    (
        "a run that is not near is not waited for",
        situation(waiting=[7], at=[7], runs=[run(1, 4)]),
        [Start(7), Stop(1, Reason.UNWATCHED)],
    ),
    (
        "a run that is past the segment will not make it",
        situation(waiting=[3], at=[3], runs=[run(1, 4)]),
        [Start(3), Hold(1, Reason.ANOTHER_IS_WAITED_FOR)],
    ),
    (
        "a run that is not planned to come so far will not make it",
        situation(waiting=[6], at=[6, 4], runs=[run(1, 4, last=5)]),
        [Start(6), Hold(1, Reason.ANOTHER_IS_WAITED_FOR)],
    ),
    (
        "two who wait for neighbours share one new run",
        situation(waiting=[10, 11], at=[11, 10]),
        [Start(10)],
    ),
    (
        "two who wait far apart get a run each",
        situation(waiting=[10, 40], at=[40, 10]),
        [Start(10), Start(40)],
    ),
    (
        "a third waits while both runs are waited for",
        situation(waiting=[10, 30, 50], at=[50, 30, 10], runs=[run(1, 10), run(2, 30)]),
        [],
    ),
    (
        "a viewer who waits takes the run that was used the longest time ago",
        situation(waiting=[50], at=[50, 30, 10], runs=[run(1, 10, used=5.0), run(2, 30, used=9.0)]),
        [Stop(1, Reason.MOVED), Start(50), Hold(2, Reason.ANOTHER_IS_WAITED_FOR)],
    ),
    (
        "a viewer who waits rather takes a run that keeps nobody supplied",
        situation(waiting=[50], at=[50, 30], on_disk=[30], runs=[run(1, 31, used=5.0), run(2, 40, used=9.0)]),
        [Stop(2, Reason.MOVED), Start(50), Hold(1, Reason.ANOTHER_IS_WAITED_FOR)],
    ),
    (
        "a viewer who will want a segment soon does not take the run that supplies another",
        situation(at=[50, 30, 10], runs=[run(1, 10), run(2, 30)]),
        [],
    ),
    (
        "a segment that will be wanted soon is made before it is asked for",
        situation(at=[10], on_disk=[10, 11]),
        [Start(12)],
    ),
    (
        "a segment that is not wanted soon is not made yet",
        situation(at=[10], on_disk=range(10, 18)),
        [],
    ),
    (
        "a run far enough ahead of its viewer is held",
        situation(at=[10], on_disk=range(10, 25), runs=[run(1, 25)]),
        [Hold(1, Reason.AHEAD)],
    ),
    (
        "a run not far enough ahead of its viewer goes on",
        situation(at=[10], on_disk=range(10, 24), runs=[run(1, 24)]),
        [],
    ),
    (
        "what nobody waits for is held while somebody waits for another",
        situation(waiting=[40], at=[40, 10], on_disk=[10], runs=[run(1, 11), run(2, 40)]),
        [Hold(1, Reason.ANOTHER_IS_WAITED_FOR)],
    ),
    (
        "it goes on when nobody waits any more",
        situation(at=[40, 10], on_disk=[10, 40], runs=[run(1, 11, held=True), run(2, 41)]),
        [GoOn(1)],
    ),
    (
        "a held run stays held until half of its lead is used up",
        situation(at=[17], on_disk=range(10, 25), runs=[run(1, 25, held=True)]),
        [],
    ),
    (
        "a held run goes on when half of its lead is used up",
        situation(at=[18], on_disk=range(10, 25), runs=[run(1, 25, held=True)]),
        [GoOn(1)],
    ),
    (
        "a held run goes on when somebody waits for it",
        situation(waiting=[27], at=[27, 10], on_disk=range(10, 25), runs=[run(1, 25, held=True)]),
        [GoOn(1)],
    ),
    (
        "the lead counts from the nearest viewer",
        situation(at=[0, 20], on_disk=range(25), runs=[run(1, 25)]),
        [],
    ),
    ("a run whose viewers are gone is stopped", situation(runs=[run(1, 25)]), [Stop(1, Reason.UNWATCHED)]),
    (
        "a held run whose viewers are gone is stopped",
        situation(on_disk=range(25), runs=[run(1, 25, held=True)]),
        [Stop(1, Reason.UNWATCHED)],
    ),
    (
        "a run all viewers have gone past is stopped",
        situation(at=[30], on_disk=range(30, 50), runs=[run(1, 10)]),
        [Stop(1, Reason.UNWATCHED)],
    ),
    (
        "a run that would only repeat what is on disk is stopped",
        situation(at=[10], on_disk=range(10, 40), runs=[run(1, 20)]),
        [Stop(1, Reason.REPEATS)],
    ),
    (
        "a run over a short piece that is on disk goes on",
        situation(at=[10], on_disk=[*range(10, 20), 20, 21], runs=[run(1, 20)]),
        [],
    ),
    (
        "a run that has made all it was planned for is stopped",
        situation(at=[50], on_disk=range(50, 60), runs=[run(1, 60)]),
        [Stop(1, Reason.REPEATS)],
    ),
    (
        "of two runs that make the same, the one behind is stopped",
        situation(at=[20], on_disk=range(20, 26), runs=[run(1, 25), run(2, 26)]),
        [Stop(1, Reason.REPEATS)],
    ),
    (
        "a run whose viewer stopped waiting goes on, being what comes next for them",
        situation(at=[10], runs=[run(1, 9)]),
        [],
    ),
    (
        "a held run whose viewer has jumped just ahead of it goes on",
        situation(at=[0, 10], on_disk=range(9), runs=[run(1, 9, held=True)]),
        [GoOn(1)],
    ),
    ("a segment that is wanted in the background is made", situation(background=[5]), [Start(5)]),
    ("neighbours in the background share a run", situation(background=[5, 6, 7]), [Start(5)]),
    ("a run goes on for what is wanted in the background", situation(background=[5, 6], runs=[run(1, 5)]), []),
    (
        "a run far ahead of its viewer goes on for what is wanted in the background",
        situation(at=[10], on_disk=range(10, 25), background=[25], runs=[run(1, 25)]),
        [],
    ),
    (
        "nothing is started in the background while a viewer waits",
        situation(waiting=[30], at=[30], background=[5]),
        [Start(30)],
    ),
    (
        "a run in the background is held while a viewer waits for another",
        situation(waiting=[30], at=[30], background=[5], runs=[run(1, 5)]),
        [Start(30), Hold(1, Reason.ANOTHER_IS_WAITED_FOR)],
    ),
    (
        "a viewer's next run takes the place of one in the background",
        situation(at=[30, 10], background=[50], runs=[run(1, 10), run(2, 50)]),
        [Stop(2, Reason.MOVED), Start(30)],
    ),
    (
        "a run in the background takes the place of no viewer's",
        situation(at=[30, 10], background=[50], runs=[run(1, 10), run(2, 30)]),
        [],
    ),
    (
        "no run is started right behind one that makes its last segment",
        situation(waiting=[30, 31], at=[31], runs=[run(1, 30, last=30)]),
        [],
    ),
    (
        "another goes on where a run has made its last segment",
        situation(at=[30], on_disk=[30], runs=[run(1, 31, last=30)]),
        [Stop(1, Reason.REPEATS), Start(31)],
    ),
    (
        "a run that has made its last segment takes no place",
        situation(waiting=[50], at=[50, 10], on_disk=[30], runs=[run(1, 31, last=30), run(2, 10)]),
        [Stop(1, Reason.REPEATS), Start(50), Hold(2, Reason.ANOTHER_IS_WAITED_FOR)],
    ),
]

SOUGHT = {"waiting": [30], "at": [30], "pace": 4.0, "joints": {31}}
"""A viewer has sought, and encoders are quick."""

ENDS = [
    ("a run for a viewer who seeks ends at their segment, where the next run is in time", SOUGHT, 30),
    ("it goes on where the next run would be late", SOUGHT | {"pace": 1.3}, None),
    ("it goes on where it is not known how quick runs are", SOUGHT | {"pace": 0.0}, None),
    ("it goes on where much would be decoded twice", SOUGHT | {"joints": ()}, None),
    ("it goes on for a viewer who has come from the segment before", SOUGHT | {"on_disk": [29]}, None),
    ("it goes on for viewers who wait for the next segment, too", SOUGHT | {"waiting": [30, 31]}, None),
    ("it goes on where nobody waits yet", SOUGHT | {"waiting": []}, None),
]


def test_a_run_goes_on_where_the_next_segment_is_not_made_yet():
    [start] = decide(situation(**SOUGHT), Limits(look_ahead=3.0))

    assert start.until is None


@pytest.mark.parametrize(("given_", "until"), [rule[1:] for rule in ENDS], ids=[rule[0] for rule in ENDS])
def test_where_a_run_ends(given_, until):
    [start] = decide(situation(**given_), LIMITS)

    assert (start, start.until) == (Start(30), until)


def test_a_run_that_no_viewer_needs_for_now_says_so():
    now = situation(at=[10], on_disk=range(10, 25), background=[25, 50], runs=[run(1, 25)])

    assert {request.claim: request.background for request in propose(now, LIMITS).requests} == {
        1: True,
        Start(50): True,
    }
    assert not any(request.background for request in propose(replace(now, positions=[22]), LIMITS).requests[1:])


@pytest.mark.parametrize(("given_", "then"), [rule[1:] for rule in RULES], ids=[rule[0] for rule in RULES])
def test_the_rule_holds(given_, then):
    assert sorted(decide(given_, LIMITS), key=repr) == sorted(then, key=repr)


REFUSALS = [
    (
        "a run that gets no slot is not started",
        situation(waiting=[30], at=[30]),
        {Start(30): Reason.NO_SLOT},
        [Wait(30, Reason.NO_SLOT)],
    ),
    (
        "a run for which there is no room on disk is not started",
        situation(waiting=[30], at=[30]),
        {Start(30): Shortage.SHARED},
        [Wait(30, Shortage.SHARED)],
    ),
    (
        "a run that loses its slot is held",
        situation(at=[10], on_disk=[10, 11], runs=[run(1, 12)]),
        {1: Reason.NO_SLOT},
        [Hold(1, Reason.NO_SLOT)],
    ),
    (
        "a run for whose next segment there is no room is held, though a viewer waits for it",
        situation(waiting=[10], at=[10], runs=[run(1, 10)]),
        {1: Shortage.OWN},
        [Hold(1, Shortage.OWN)],
    ),
    (
        "a held run that gets no slot stays held",
        situation(waiting=[10], at=[10], runs=[run(1, 10, held=True)]),
        {1: Reason.NO_SLOT},
        [],
    ),
    (
        "a run is stopped for one that waits for a slot",
        situation(waiting=[50], at=[50, 30, 10], runs=[run(1, 10, used=5.0), run(2, 30, used=9.0)]),
        {Start(50): Reason.NO_SLOT},
        [Stop(1, Reason.MOVED), Wait(50, Reason.NO_SLOT), Hold(2, Reason.ANOTHER_IS_WAITED_FOR)],
    ),
]


@pytest.mark.parametrize(
    ("given_", "refused", "then"), [rule[1:] for rule in REFUSALS], ids=[rule[0] for rule in REFUSALS]
)
def test_a_refusal_has_the_last_word(given_, refused, then):
    assert decide(given_, LIMITS, refused) == then


def test_every_run_is_urgent_while_a_viewer_waits_for_the_init_segment():
    now = replace(situation(waiting=[10], at=[10], runs=[run(1, 40)]), any_will_do=True)

    assert all(request.urgent for request in propose(now, LIMITS).requests)


def test_a_run_is_stopped_before_another_takes_its_place():
    wanted = situation(waiting=[50], at=[50, 30, 10], runs=[run(1, 10), run(2, 30)])

    kinds = [type(action) for action in decide(wanted, LIMITS)]

    assert kinds.index(Stop) < kinds.index(Start)


def test_with_one_run_at_most_a_second_viewer_gets_none():
    wanted = situation(waiting=[10, 40], at=[40, 10])

    assert decide(wanted, Limits(max_runs=1)) == [Start(10)]


@pytest.mark.parametrize(("left", "goes_on"), [(20, [GoOn(1)]), (24, [])])
def test_the_share_of_the_look_ahead_at_which_a_held_run_goes_on_can_be_set(left, goes_on):
    held = situation(at=[0], on_disk=range(left // 2), runs=[run(1, left // 2, held=True)])

    assert decide(held, replace(LIMITS, go_on_at=0.8)) == goes_on
    assert decide(held, LIMITS) == []


# ---- in every situation

segments = st.integers(0, SEGMENTS - 1)

SHORT = 14
"""So few segments that any that hypothesis draws are near to each other."""
SHORT_CUTS = replace(CUTS, times=CUTS.times[: SHORT + 1])

everything = settings(max_examples=100)


@st.composite
def situations(draw):
    numbers = st.integers(0, SHORT - 1)
    runs = [
        RunState(
            number,
            next=draw(st.integers(0, SHORT)),
            last=draw(st.sampled_from([SHORT - 1, SHORT - 1, 9, 6])),
            held=draw(st.booleans()),
            used=draw(st.integers(0, 3)),
        )
        for number in range(draw(st.integers(0, 3)))
    ]
    # A run's next segment is one of those it is planned for, or it has made them all.
    runs = [replace(run, next=min(run.next, run.last + 1)) for run in runs]
    on_disk = draw(st.frozensets(numbers, max_size=SHORT))
    waiting = draw(st.lists(numbers, max_size=3, unique=True))
    at = draw(st.lists(numbers, max_size=3, unique=True))
    max_runs = draw(st.integers(max(1, len(runs)), 3))
    limits = Limits(
        max_runs,
        look_ahead=draw(st.sampled_from([1.0, 4.0, 8.0, 16.0])),
        go_on_at=draw(st.sampled_from([0.1, 0.5, 0.5, 0.99])),
    )
    background = draw(st.lists(numbers, max_size=3, unique=True))
    pace, joints = draw(st.sampled_from([0.0, 1.0, 9.0])), draw(st.frozensets(numbers, max_size=SHORT))
    now = Situation(SHORT_CUTS, on_disk, tuple(waiting), tuple(at), tuple(runs), tuple(background))
    return replace(now, pace=pace, joints=joints), limits


def after(now, actions):
    """Carry the actions out."""
    runs = {run.run: run for run in now.runs}
    for action in actions:
        match action:
            case Start(segment, until):
                number = max(runs, default=0) + 100
                runs[number] = RunState(number, segment, len(now.cuts) - 1 if until is None else until)
            case Stop(number):
                del runs[number]
            case Hold(number):
                runs[number] = replace(runs[number], held=True)
            case GoOn(number):
                runs[number] = replace(runs[number], held=False)
    return replace(now, runs=tuple(runs.values()))


def maker(runs, segment):
    """Return the nearest run that makes a segment soon, or makes the segment before as its last."""
    near = [run for run in runs if run.next <= segment <= min(run.next + REACH, run.last)]
    near = near or [run for run in runs if run.next == run.last == segment - 1]
    return max(near, key=lambda run: run.next, default=None)


def missing_and_waited_for(now):
    return [segment for segment in now.waiting if segment not in now.settled]


@everything
@given(situations())
def test_every_viewer_who_waits_has_a_run_that_goes_or_all_runs_are_waited_for(case):
    now, limits = case

    then = after(now, decide(now, limits))

    waits = missing_and_waited_for(now)
    makers = {segment: maker(then.runs, segment) for segment in waits}
    in_use = {run.run for run in makers.values() if run is not None}
    for run_ in makers.values():
        if run_ is None:
            assert len(then.runs) == limits.max_runs
            assert {run.run for run in then.runs} == in_use
        else:
            assert not run_.held


@everything
@given(situations())
def test_there_are_never_more_runs_than_allowed(case):
    now, limits = case

    assert len(after(now, decide(now, limits)).runs) <= limits.max_runs


@everything
@given(situations())
def test_a_run_that_a_viewer_waits_for_is_never_stopped_or_held(case):
    now, limits = case
    waited_for = {run.run for segment in missing_and_waited_for(now) if (run := maker(now.runs, segment))}

    hindered = {action.run for action in decide(now, limits) if isinstance(action, (Stop, Hold))}

    assert not waited_for & hindered


@everything
@given(situations())
def test_a_segment_that_a_viewer_will_want_soon_is_not_left_to_a_held_run_unless_another_waits(case):
    now, limits = case

    then = after(now, decide(now, limits))

    for at in now.positions:
        soon = range(at, now.cuts.reaching(at, limits.low) + 1)
        gap = next((n for n in soon if n not in now.settled), None)
        made_by = None if gap is None else maker(then.runs, gap)
        assert made_by is None or not made_by.held or set(now.waiting) - set(now.settled)


@everything
@given(situations())
def test_nothing_is_started_that_is_on_disk_or_being_made(case):
    now, limits = case
    actions = decide(now, limits)
    stopped = {action.run for action in actions if isinstance(action, Stop)}
    staying = [run for run in now.runs if run.run not in stopped]

    for action in actions:
        if isinstance(action, Start):
            assert action.segment not in now.settled
            assert maker(staying, action.segment) is None


@everything
@given(situations())
def test_a_run_gets_one_action_at_most(case):
    now, limits = case

    told = [action.run for action in decide(now, limits) if not isinstance(action, Start | Wait)]

    assert len(told) == len(set(told))


@everything
@given(situations())
def test_a_decision_that_was_carried_out_is_not_changed(case):
    now, limits = case

    then = after(now, decide(now, limits))

    assert decide(then, limits) == []


@st.composite
def refusals(draw):
    now, limits = draw(situations())
    claims = [request.claim for request in propose(now, limits).requests]
    refused = draw(st.dictionaries(st.sampled_from(claims), st.sampled_from(REASONS))) if claims else {}
    return now, limits, refused


@everything
@given(refusals())
def test_only_runs_that_are_not_refused_go(case):
    now, limits, refused = case

    then = after(now, decide(now, limits, refused))

    before = {run.run for run in now.runs}
    going = {run.run if run.run in before else Start(run.next) for run in then.runs if not run.held}
    assert not going & refused.keys()


@everything
@given(refusals())
def test_a_refusal_of_one_changes_nothing_for_another(case):
    now, limits, refused = case

    said, unsaid = decide(now, limits, refused), decide(now, limits)

    def others(actions):
        concern = [each for each in actions if isinstance(each, Wait | Start) and Start(each.segment) in refused]
        concern += [each for each in actions if isinstance(each, Hold | GoOn) and each.run in refused]
        return [each for each in actions if each not in concern]

    assert others(said) == others(unsaid)


@everything
@given(refusals())
def test_a_refused_decision_that_was_carried_out_is_not_changed_by_the_same_refusals(case):
    now, limits, refused = case
    assume(all(isinstance(claim, int) for claim in refused))  # a run has another claim than its start had

    then = after(now, decide(now, limits, refused))

    assert decide(then, limits, refused) == []


# ---- as time goes on


class Playback:
    """A rendition being watched: runs make segments when they may, viewers ask for the next one."""

    def __init__(self, *places, limits=LIMITS):
        self.limits = limits
        self.places = list(places)
        self.now = situation(pace=9.0, joints=range(0, SEGMENTS, 3))
        self.time = 0.0
        self.starts = []
        self.stops = []
        for viewer in range(len(places)):
            self._ask(viewer)

    def waits(self, viewer):
        return self.places[viewer] not in self.now.settled

    def step(self, viewer):
        """The viewer asks for the next segment, once this one is there."""
        if not self.waits(viewer) and self.places[viewer] < SEGMENTS - 1:
            self.places[viewer] += 1
            self._ask(viewer)

    def jump(self, viewer, segment):
        """The viewer seeks, and no longer waits for the segment asked for before."""
        self.places[viewer] = segment
        self._ask(viewer)

    def make(self, turn):
        """One of the runs that are not held makes its next segment."""
        going = [run for run in self.now.runs if not run.held and run.next <= run.last]
        if going:
            made = going[turn % len(going)]
            runs = [replace(run, next=run.next + (run is made)) for run in self.now.runs]
            self.now = replace(self.now, runs=tuple(runs), settled=self.now.settled | {made.next})
            self._act()
        return bool(going)

    def _ask(self, viewer):
        self.time += 1
        near = [run.run for run in self.now.runs if self.places[viewer] <= run.next + REACH]
        runs = [replace(run, used=self.time) if run.run in near else run for run in self.now.runs]
        self.now = replace(self.now, runs=tuple(runs))
        self._act()

    def _act(self):
        waiting = tuple(dict.fromkeys(place for place in self.places if place not in self.now.settled))
        self.now = replace(self.now, waiting=waiting, positions=tuple(dict.fromkeys(reversed(self.places))))
        actions = decide(self.now, self.limits)
        self.starts += [action.segment for action in actions if isinstance(action, Start)]
        self.stops += [action.run for action in actions if isinstance(action, Stop)]
        self.now = after(self.now, actions)


STEPS = ["left asks", "right asks", "a run makes", "the other run makes"]


@given(st.lists(st.sampled_from(STEPS), max_size=80))
def test_two_viewers_far_apart_keep_a_run_each(steps):
    playback = Playback(0, 40)

    for step in steps:
        match step:
            case "left asks":
                playback.step(0)
            case "right asks":
                playback.step(1)
            case "a run makes":
                playback.make(0)
            case _:
                playback.make(1)
        if max(run.next for run in playback.now.runs) >= SEGMENTS - 1 or playback.places[0] > 20:
            break  # the film ends, or the two have come near

    assert (playback.starts, playback.stops) == ([0, 40], [])


@given(
    st.lists(st.tuples(st.integers(0, 4), st.one_of(st.none(), segments)), max_size=40),
    st.lists(st.integers(0, 3), min_size=1, max_size=8),
    st.integers(1, 3),
)
def test_however_viewers_seek_all_are_served_in_the_end(moves, turns, max_runs):
    playback = Playback(0, 30, 10, 50, 20, limits=replace(LIMITS, max_runs=max_runs))
    for number, (viewer, segment) in enumerate(moves):
        if segment is None:
            playback.step(viewer)
        else:
            playback.jump(viewer, segment)
        playback.make(turns[number % len(turns)])

    for turn in range(10 * SEGMENTS):
        if not any(map(playback.waits, range(5))):
            break
        assert playback.make(turn), "somebody waits, and nothing is being made"

    assert not playback.now.waiting
