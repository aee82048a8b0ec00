"""What to do next with one rendition: pure, given what is on disk, what runs and what is asked.

Segment *i* does not care which run makes it, so every situation (a first request, a seek, a crash, two players far
apart, a file deleted) has one answer: somebody must be making the first missing segment that is wanted. The
policy says who.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from hls_sessions.media import Cuts

REACH = 2
"""A run this many segments or fewer from a wanted one is waited for: a new one would not be sooner."""


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
    """When a viewer last got something it made, or began to wait for it."""


@dataclass(frozen=True, slots=True)
class Situation:
    """One rendition of one session, at one moment."""

    cuts: Cuts
    published: Collection[int]
    """Segments that are on disk."""
    waiting: Sequence[int]
    """Segments viewers wait for, the longest wait first."""
    cursors: Sequence[int]
    """The segments viewers are at, the latest to ask first."""
    runs: Sequence[RunState]


@dataclass(frozen=True, slots=True)
class Limits:
    """What a rendition may spend."""

    max_runs: int = 2
    look_ahead: float = 30.0
    """Seconds a run may be ahead of its viewer before it is held."""
    go_on_at: float = 0.5
    """What share of that is left when it goes on; less than all."""

    @property
    def low(self) -> float:
        """Seconds a held run is ahead of its viewer when it goes on."""
        return self.look_ahead * self.go_on_at


@dataclass(frozen=True, slots=True)
class Start:
    """Start a run at this segment."""

    segment: int


@dataclass(frozen=True, slots=True)
class Stop:
    """End this run."""

    run: int


@dataclass(frozen=True, slots=True)
class Hold:
    """Stop this run's clock."""

    run: int


@dataclass(frozen=True, slots=True)
class GoOn:
    """Let this held run continue."""

    run: int


Action: TypeAlias = Start | Stop | Hold | GoOn


def decide(situation: Situation, limits: Limits) -> list[Action]:
    """Return what to do now. What a run already does needs no action, so no situation is acted on twice."""
    urgent = [segment for segment in situation.waiting if segment not in situation.published]
    gaps = dict(_gaps_ahead(situation))
    actions = _cover(situation, limits, urgent, gaps)
    stopped = {action.run for action in actions if isinstance(action, Stop)}
    staying = [run for run in situation.runs if run.run not in stopped]
    waited_for, useful = _makers(staying, urgent), _makers(staying, gaps.values())
    for run in staying:
        if run.run in waited_for:
            actions.extend([GoOn(run.run)] if run.held else [])
        elif run.run not in useful and _repeats(situation, run, staying):
            actions.append(Stop(run.run))
        else:
            followers = [at for at, gap in gaps.items() if at <= run.next or _covering(staying, gap) is run]
            actions.extend(_pace(situation.cuts, run, followers, limits, others_wait=bool(urgent)))
    return actions


def _cover(situation: Situation, limits: Limits, urgent: Sequence[int], gaps: Mapping[int, int]) -> list[Action]:
    """See that every wanted segment is being made: by a run that is near, by a new one, or by moving an idle one.

    A run that somebody waits for is never moved, and one that keeps a viewer supplied only for a viewer who waits.
    So two viewers far apart keep a run each, and a third takes the run that was used the longest time ago.
    What will be wanted soon is seen to when nobody waits.
    """
    soon = [gap for at, gap in gaps.items() if gap <= situation.cuts.reaching(at, limits.low)]
    actions: list[Action] = []
    started: list[int] = []
    running = list(situation.runs)
    for segment in urgent or soon:
        if _covering(running, segment) or any(0 <= segment - at <= REACH for at in started):
            continue
        if len(running) + len(started) >= limits.max_runs:
            useful, waited_for = _makers(running, gaps.values()), _makers(running, urgent)
            spared = waited_for if urgent else useful
            idle = [run for run in running if run.run not in spared]
            if not idle:
                continue  # the first run that has served its viewer will move
            victim = min(idle, key=lambda run: (run.run in useful, run.used))
            running.remove(victim)
            actions.append(Stop(victim.run))
        started.append(segment)
        actions.append(Start(segment))
    return actions


def _covering(runs: Iterable[RunState], segment: int) -> RunState | None:
    """Return the run that will make a segment soon, the nearest one; None when none will."""
    near = [run for run in runs if 0 <= segment - run.next <= REACH and segment <= run.last]
    return max(near, key=lambda run: run.next, default=None)


def _makers(runs: Collection[RunState], segments: Iterable[int]) -> set[int]:
    """Return the runs that are about to make any of these segments."""
    return {run.run for segment in segments if (run := _covering(runs, segment))}


def _gaps_ahead(situation: Situation) -> Iterator[tuple[int, int]]:
    """Yield each viewer's place with the first missing segment at or after it, where there is one."""
    for cursor in situation.cursors:
        gap = next((n for n in range(cursor, len(situation.cuts)) if n not in situation.published), None)
        if gap is not None:
            yield cursor, gap


def _repeats(situation: Situation, run: RunState, runs: Collection[RunState]) -> bool:
    """Whether all a run would make next is there already, or is being made by a run ahead of it."""
    coming = range(run.next, min(run.next + REACH, run.last) + 1)
    missing = next((segment for segment in coming if segment not in situation.published), None)
    return missing is None or _covering(runs, missing) is not run


def _pace(
    cuts: Cuts, run: RunState, followers: Collection[int], limits: Limits, *, others_wait: bool
) -> Iterator[Action]:
    """Hold a run that is far enough ahead of its nearest viewer; let it go on when the viewer comes near.

    A run that nobody waits for is also held while somebody waits for another: after a seek, what was being made at
    the place before would take half the processor from what is wanted now.
    """
    if not followers:
        yield Stop(run.run)  # every viewer is gone, or has gone past it
        return
    lead = cuts.times[run.next] - cuts.times[max(followers)]
    if not run.held and (others_wait or lead >= limits.look_ahead):
        yield Hold(run.run)
    elif run.held and not others_wait and lead < limits.low:
        yield GoOn(run.run)
