"""The next actions for one rendition: pure, given its segments, its runs, its viewers, and the refused requests.

Segment *i* does not care which run makes it, so every situation (a first request, a seek, a crash, two players far
apart, a file deleted) has one answer: some run must be making the first missing segment that a viewer wants.

The policy is asked twice. ``propose`` returns which runs are to make something now; each of them is a request for a
slot of the scheduler and for room on disk. ``decide`` has the last word: it is told which requests were refused and
why, and returns the actions, each with its reason.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from hls_sessions.media import Cuts
    from hls_sessions.segments import Shortage

REACH = 2
"""No run is started if another is this many segments or fewer before the wanted one, because it would not be sooner."""

START_UP = 0.5
"""Seconds from the start of a run to its first frame that are allowed for, where the next segment is to be in time."""


@dataclass(frozen=True, slots=True)
class RunState:
    """One encoder at work, as far as the policy cares."""

    run: int
    next: int
    """The segment it makes now."""
    last: int
    """The last segment it is planned for."""
    held: bool = False
    used: float = 0.0
    """When a viewer last got a segment of it, or began to wait for one."""

    def makes_soon(self, segment: int) -> bool:
        """Whether it makes a segment before another run that is started for it would, or is about to end before it."""
        is_about_to_end = self.next == self.last == segment - 1
        return 0 <= segment - self.next <= REACH and (segment <= self.last or is_about_to_end)


@dataclass(frozen=True, slots=True)
class Situation:
    """One rendition of one session, at one moment."""

    cuts: Cuts
    settled: Collection[int]
    """Segments that no run is to make: on disk, copied, impossible, or before or after the track."""
    waiting: Sequence[int]
    """Segments viewers wait for, the longest wait first."""
    positions: Sequence[int]
    """The segments viewers are at, the latest to ask first."""
    runs: Sequence[RunState]
    background: Sequence[int] = ()
    """Segments that nobody watches and that are wanted all the same, once every viewer has enough: of a download."""
    any_will_do: bool = False
    """Whether a viewer waits for the init segment, which comes with any segment."""
    others: Sequence[RunState] = ()
    """The runs of other sessions that go and make the same segments. What they make soon is waited for."""
    pace: float = 0.0
    """Seconds of film that a run was last seen to make in a second; 0 as long as that is not known."""
    joints: Collection[int] = ()
    """The segments before which a run may end for another to go on, because little is decoded twice."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of a rendition's encoders."""

    max_runs: int = 2
    look_ahead: float = 30.0
    """Seconds a run may be ahead of its viewer before it is held."""
    go_on_at: float = 0.5
    """The share of ``look_ahead`` that is left when a held run goes on; less than 1."""

    @property
    def low(self) -> float:
        """Seconds a held run is ahead of its viewer when it goes on."""
        return self.look_ahead * self.go_on_at


class Reason(Enum):
    """Why a run is held, is not started, or ends. Too little room on disk is a ``segments.quota.Shortage``."""

    # Of a run that is held.
    AHEAD = "it is far enough ahead of its viewer"
    ANOTHER_IS_WAITED_FOR = "a viewer waits for another run"
    # Of one that is held or not started.
    NO_SLOT = "the slots are taken by other encoders"
    # Of one that is not started.
    BACKOFF = "encoders before it were lost, or could not be started"
    # Of one that ends.
    UNWATCHED = "every viewer is gone, or has gone past it"
    REPEATS = "what it would make is on disk, or is made by another run"
    MOVED = "another run is to be started for a viewer, and there may be no more"

    @property
    def ends(self) -> bool:
        """Whether a run ends for it. Else it is held, and may go on later."""
        return self in {Reason.UNWATCHED, Reason.REPEATS, Reason.MOVED}


@dataclass(frozen=True, slots=True)
class Start:
    """Start a run at this segment."""

    segment: int
    until: int | None = field(default=None, compare=False)
    """The last segment that it is to make; None for all that follow."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Start no run at this segment yet."""

    segment: int
    why: Reason | Shortage


@dataclass(frozen=True, slots=True)
class Stop:
    """End this run."""

    run: int
    why: Reason


@dataclass(frozen=True, slots=True)
class Hold:
    """Suspend this run."""

    run: int
    why: Reason | Shortage


@dataclass(frozen=True, slots=True)
class GoOn:
    """Let this held run go on."""

    run: int


Action: TypeAlias = Start | Wait | Stop | Hold | GoOn

Claim: TypeAlias = int | Start
"""A run by its number, or one that is to be started."""


@dataclass(frozen=True, slots=True)
class Request:
    """A run that is to make something now, if it gets a slot and room on disk."""

    claim: Claim
    segment: int
    """The segment it makes next."""
    ahead: float
    """Seconds from the nearest viewer's position to that segment."""
    urgent: bool
    """Whether a viewer waits for its segments."""
    held: bool = False
    background: bool = False
    """Whether no viewer needs what it makes for now."""

    @property
    def exists(self) -> bool:
        """Whether the run exists already."""
        return not isinstance(self.claim, Start)


@dataclass(frozen=True, slots=True)
class Proposal:
    """The actions to take if there are slots and room enough."""

    requests: tuple[Request, ...]
    stops: tuple[Stop, ...]
    holds: tuple[Hold, ...]


def propose(situation: Situation, limits: Limits) -> Proposal:
    """Return which runs are to make something now, and which are not."""
    urgent = [segment for segment in situation.waiting if segment not in situation.settled]
    wanted = dict(_first_missing(situation))
    background = [segment for segment in situation.background if segment not in situation.settled]
    needed = urgent or [at for position, at in wanted.items() if at <= situation.cuts.reaching(position, limits.low)]
    starts, stops = _cover(situation, limits, needed, wanted, background, viewers_wait=bool(urgent))
    stopped = {stop.run for stop in stops}
    staying = [run for run in situation.runs if run.run not in stopped]
    all_runs = [*staying, *situation.others]
    waited_for, useful = _makers(all_runs, urgent), _makers(all_runs, [*wanted.values(), *background])
    for_background = _makers(all_runs, background)
    requests = [
        _request(situation, Start(at, _until(situation, limits, at)), at, background=at not in needed) for at in starts
    ]
    holds: list[Hold] = []
    for run in staying:
        why: Reason | None  # why it is not to make anything; None when it is
        if run.run in waited_for:
            why = None
        elif run.run not in useful and _repeats(situation, run, all_runs):
            why = Reason.REPEATS
        else:
            followers = [at for at, missing in wanted.items() if at <= run.next or _covering(all_runs, missing) is run]
            why = _pace(situation.cuts, run, followers, limits, others_wait=bool(urgent))
            if why is Reason.UNWATCHED and urgent and run.run in for_background:
                why = Reason.ANOTHER_IS_WAITED_FOR
        if why is None:
            requests.append(_request(situation, run.run, run.next, held=run.held))
        elif run.run in for_background and not urgent and why in {Reason.UNWATCHED, Reason.AHEAD}:
            requests.append(_request(situation, run.run, run.next, held=run.held, background=True))
        elif why.ends:
            stops.append(Stop(run.run, why))
        elif not run.held:
            holds.append(Hold(run.run, why))
    return Proposal(tuple(requests), tuple(stops), tuple(holds))


def decide(proposal: Proposal, refused: Mapping[Claim, Reason | Shortage]) -> list[Action]:
    """Return the actions to take now. A run that already does as decided gets none, so nothing is done twice.

    Args:
        proposal: the actions to take if nothing is refused.
        refused: the claims that get no slot or no room on disk, and why.
    """
    held = {request.claim for request in proposal.requests if request.held}
    actions: list[Action] = list(proposal.stops)
    for request in proposal.requests:
        why = refused.get(request.claim)
        match request.claim:
            case Start() as start:
                actions.append(start if why is None else Wait(start.segment, why))
            case run if why is None:
                actions.extend([GoOn(run)] if run in held else [])
            case run:
                actions.extend([] if run in held else [Hold(run, why)])
    return [*actions, *proposal.holds]


def _request(
    situation: Situation, claim: Claim, segment: int, *, held: bool = False, background: bool = False
) -> Request:
    times, last = situation.cuts.times, len(situation.cuts)
    at = min(segment, last)
    viewer = max((position for position in situation.positions if position <= at), default=at)
    awaited = situation.any_will_do or any(0 <= number - segment <= REACH for number in situation.waiting)
    return Request(claim, segment, float(times[at] - times[viewer]), awaited, held, background)


def _cover(
    situation: Situation,
    limits: Limits,
    needed: Sequence[int],
    wanted: Mapping[int, int],
    background: Sequence[int],
    *,
    viewers_wait: bool,
) -> tuple[list[int], list[Stop]]:
    """Return starts and stops so that every wanted segment is made: by a near run, a new one, or a moved idle one.

    A run that a viewer waits for is never moved, and one that keeps a viewer supplied is moved only for a viewer who
    waits. So two viewers far apart keep a run each, and a third takes the run that was used the longest time ago.
    Segments that will be wanted soon are made when nobody waits, and after them those that are wanted in the
    background, for which no viewer's run is moved.
    """
    stops: list[Stop] = []
    starts: list[int] = []
    running = [run for run in situation.runs if run.next <= run.last]
    for segment in (*needed, *(() if viewers_wait else background)):
        if _covering([*running, *situation.others], segment) or any(0 <= segment - at <= REACH for at in starts):
            continue
        if len(running) + len(starts) >= limits.max_runs:
            useful = _makers(running, wanted.values())
            if viewers_wait:
                spared = _makers(running, needed)
            else:
                spared = useful if segment in needed else useful | _makers(running, background)
            idle = [run for run in running if run.run not in spared]
            if not idle:
                continue  # the first run that has made its viewer's segment will be moved
            victim = min(idle, key=lambda run: (run.run in useful, run.used))
            running.remove(victim)
            stops.append(Stop(victim.run, Reason.MOVED))
        starts.append(segment)
    return starts, stops


def _until(situation: Situation, limits: Limits, segment: int) -> int | None:
    """Return the last segment of a run that is to be started; None where it goes on.

    An encoder that goes on looks ahead, so that it gives a segment 11 to 17 % later than one that ends there. So a run
    for a viewer who waits, and who has not come from the segment before, ends at their segment. The next one is made by
    another run, if it is started at once and in time while the first is shown, and if not much is decoded twice.
    """
    cuts, following = situation.cuts, segment + 1
    is_for_seek = segment in situation.waiting and segment - 1 not in situation.settled
    is_for_more = any(0 < other - segment <= REACH for other in situation.waiting)
    is_next_needed = following in situation.joints and following <= cuts.reaching(segment, limits.low)
    if not is_for_seek or is_for_more or not is_next_needed or not situation.pace:
        return None
    shown, made = (float(cuts.times[number + 1] - cuts.times[number]) for number in (segment, following))
    return segment if START_UP + made / situation.pace <= shown else None


def _covering(runs: Iterable[RunState], segment: int) -> RunState | None:
    """Return the nearest run that will make a segment soon, or is about to end before it; None if there is none."""
    near = [run for run in runs if run.makes_soon(segment)]
    return max(near, key=lambda run: run.next, default=None)


def _makers(runs: Collection[RunState], segments: Iterable[int]) -> set[int]:
    """Return the runs that will soon make any of these segments."""
    return {run.run for segment in segments if (run := _covering(runs, segment))}


def _first_missing(situation: Situation) -> Iterator[tuple[int, int]]:
    """Yield each viewer's position with the first missing segment at or after it, where there is one."""
    for at in situation.positions:
        missing = next((n for n in range(at, len(situation.cuts)) if n not in situation.settled), None)
        if missing is not None:
            yield at, missing


def _repeats(situation: Situation, run: RunState, runs: Collection[RunState]) -> bool:
    """Whether the next segments of a run are on disk already, or are being made by a run ahead of it."""
    coming = range(run.next, min(run.next + REACH, run.last) + 1)
    missing = next((segment for segment in coming if segment not in situation.settled), None)
    return missing is None or _covering(runs, missing) is not run


def _pace(cuts: Cuts, run: RunState, followers: Collection[int], limits: Limits, *, others_wait: bool) -> Reason | None:
    """Return why a run that nobody waits for is not to go on: it has no viewer, or is far enough ahead of the nearest.

    A held run goes on when the viewer comes near. No such run goes on while a viewer waits for another run. Otherwise,
    after a seek, the run at the old position would take half the processor from the run at the new one.
    """
    if not followers:
        return Reason.UNWATCHED
    if others_wait:
        return Reason.ANOTHER_IS_WAITED_FOR
    ahead = cuts.times[run.next] - cuts.times[max(followers)]
    return Reason.AHEAD if ahead >= (limits.low if run.held else limits.look_ahead) else None
