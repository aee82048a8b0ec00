"""What to do next with one rendition: pure, given what is on disk, what runs and what is asked.

Segment *i* does not care which run makes it, so every situation (a first request, a seek, a crash, two players far
apart, a file deleted) has one answer: somebody must be making the first missing segment that is wanted. The
policy says who.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

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
    """Seconds a run may be ahead of its viewer before it is held; it goes on at half of that."""


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
    gaps = list(_gaps_ahead(situation))
    waited_for = _makers(situation, urgent)
    useful = waited_for | _makers(situation, gaps)
    soon = [gap for gap in gaps if any(_comes_soon(situation, cursor, gap, limits) for cursor in situation.cursors)]

    actions = _cover(situation, limits, urgent, soon, waited_for, useful)
    stopped = {action.run for action in actions if isinstance(action, Stop)}
    for run in situation.runs:
        if run.run in stopped:
            continue
        if run.run not in waited_for and _repeats(situation, run):
            actions.append(Stop(run.run))
        else:
            actions.extend(_pace(situation, run, limits, waited_for=run.run in waited_for))
    return actions


def _cover(
    situation: Situation,
    limits: Limits,
    urgent: Sequence[int],
    soon: Sequence[int],
    waited_for: Collection[int],
    useful: Collection[int],
) -> list[Action]:
    """See that every wanted segment is being made: by a run that is near, by a new one, or by moving an idle one.

    A run that somebody waits for is never moved, and one that keeps a viewer supplied only for a viewer who waits.
    So two viewers far apart keep a run each, and a third takes the run that was used the longest time ago.
    """
    actions: list[Action] = []
    started: list[int] = []
    running = {run.run: run for run in situation.runs}
    for segment, spared in [*((s, waited_for) for s in urgent), *((s, useful) for s in soon)]:
        if _covering(situation.runs, segment) or any(0 <= segment - at <= REACH for at in started):
            continue
        if len(running) + len(started) >= limits.max_runs:
            idle = [run for run in running.values() if run.run not in spared]
            if not idle:
                continue  # the first run that has served its viewer will move
            victim = min(idle, key=lambda run: (run.run in useful, run.used))
            del running[victim.run]
            actions.append(Stop(victim.run))
        started.append(segment)
        actions.append(Start(segment))
    return actions


def _covering(runs: Iterable[RunState], segment: int) -> RunState | None:
    """Return the run that will make a segment soon, the nearest one; None when none will."""
    near = [run for run in runs if 0 <= segment - run.next <= REACH and segment <= run.last]
    return max(near, key=lambda run: run.next, default=None)


def _makers(situation: Situation, segments: Iterable[int]) -> set[int]:
    """Return the runs that are about to make any of these segments."""
    return {run.run for segment in segments if (run := _covering(situation.runs, segment))}


def _gaps_ahead(situation: Situation) -> Iterator[int]:
    """Yield the first missing segment at or after each viewer."""
    for cursor in situation.cursors:
        gap = next((n for n in range(cursor, len(situation.cuts)) if n not in situation.published), None)
        if gap is not None:
            yield gap


def _comes_soon(situation: Situation, cursor: int, gap: int, limits: Limits) -> bool:
    """Whether a viewer will want a segment so soon that it should be made before it is asked for."""
    return cursor <= gap <= situation.cuts.reaching(cursor, limits.look_ahead / 2)


def _repeats(situation: Situation, run: RunState) -> bool:
    """Whether all a run would make next is there already."""
    coming = range(run.next, min(run.next + REACH, run.last) + 1)
    return all(segment in situation.published for segment in coming)


def _pace(situation: Situation, run: RunState, limits: Limits, *, waited_for: bool) -> Iterator[Action]:
    """Hold a run that is far enough ahead of its nearest viewer; let it go on when the viewer comes near."""
    times = situation.cuts.times
    behind = [cursor for cursor in situation.cursors if cursor <= run.next]
    if waited_for:
        if run.held:
            yield GoOn(run.run)
    elif not behind:
        yield Stop(run.run)  # every viewer is gone, or has gone past it
    else:
        lead = times[run.next] - times[max(behind)]
        if not run.held and lead >= limits.look_ahead:
            yield Hold(run.run)
        elif run.held and lead < limits.look_ahead / 2:
            yield GoOn(run.run)
