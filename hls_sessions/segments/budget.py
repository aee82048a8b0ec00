"""How many bytes segments may take, and which of them can be spared: pure, given what is on disk and where viewers are.

A segment that was deleted is made again for whoever asks, so sparing the wrong one costs a wait and nothing else. Yet
what a viewer waits for or is about to ask for is never spared.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, inf
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from hls_sessions.media import Cuts

SHARE: Final = 0.8
"""What share of the space there is segments may take, where nothing else is set: what is free, and what they take."""

SHARE_OF_ONE: Final = 0.25
"""What share of that one session may take ahead of its viewers, where nothing else is set."""

MARGIN: Final = 0.1
"""What share of a budget is kept for what somebody waits for: what is only made ahead must leave it."""

FLOOR: Final = 8 * 1024 * 1024
"""Bytes of the disk that are left to others."""


Likelihood: TypeAlias = tuple[int, float, float]
"""How likely a segment is to be asked for; comparable over all renditions of a session."""


@dataclass(frozen=True, slots=True)
class Budget:
    """How many bytes the segments may take, where that is set; else it is a share of the space there is."""

    in_all: int | None = None
    of_one: int | None = None
    """The same for one session."""

    @property
    def strictest(self) -> float:
        """The most that one session can ever take; without end where nothing is set."""
        return min(inf if limit is None else limit for limit in (self.in_all, self.of_one))


@dataclass(frozen=True, slots=True)
class Estimate:
    """How many bytes the segments of one rendition may take."""

    peak: int
    """The most that the rendition takes, in bits per second."""
    cuts: Cuts

    def segment(self, number: int) -> int:
        """Return what a segment may have; nothing after the end."""
        times = self.cuts.times
        length = times[min(number + 1, len(self.cuts))] - times[min(number, len(self.cuts))]
        return ceil(self.peak / 8 * length)

    def run(self, number: int) -> int:
        """Return what a run at a segment may write before it is looked at again: it, and once more to publish."""
        return 2 * self.segment(number)


def bytes_lacking(
    budget: Budget, taken: int, own: int, free: int | None, wanted: int, *, urgent: bool
) -> tuple[int, int]:
    """Return how many bytes are lacking for so many more: of the session's own budget, and of what all share.

    Args:
        budget: how many there may be.
        taken: bytes of all sessions, those included that are about to be written.
        own: those of the session.
        free: what is free on the disk, without what is about to be written; None when it is not known.
        wanted: bytes that are to be written.
        urgent: whether somebody waits for them.
    """
    room = inf if free is None else taken + free
    in_all = room * SHARE if budget.in_all is None else budget.in_all
    of_one = in_all * SHARE_OF_ONE if budget.of_one is None else budget.of_one
    if budget.of_one is None and urgent:
        of_one = inf  # nobody waits for a share that nobody has set
    kept = 1.0 if urgent else 1.0 - MARGIN
    shared = max(taken + wanted - in_all * kept, -inf if free is None else wanted + FLOOR - free)
    return ceil(max(0, own + wanted - of_one * kept)), ceil(max(0, shared))


def dispensable(
    cuts: Cuts,
    stored: Collection[int],
    viewers: Mapping[int, float],
    waiting: Collection[int],
    look_ahead: float,
    *,
    urgent: bool = False,
) -> Iterator[tuple[Likelihood, int]]:
    """Yield each segment that can be spared, with how likely it is to be asked for; the least likely is the lowest.

    First come those of a rendition that nobody watches, then those behind all viewers, the farthest first, and at last
    those far ahead of a viewer, the farthest first. What is within the look-ahead of a viewer is among them only where
    another waits: who has sought leaves a place behind that looks like a viewer's for a while, so the one nobody has
    asked from for the longest time gives way first.

    Args:
        cuts: where the rendition is cut.
        stored: the segments that are on disk.
        viewers: the segments viewers are at, and since when.
        waiting: the segments viewers wait for.
        look_ahead: seconds ahead of a viewer that encoders work, plus one segment.
        urgent: whether somebody waits for the room.
    """
    seen: dict[int, float] = {}
    """What is within the look-ahead of viewers, and since when the latest of them is there."""
    for at, since in viewers.items():
        for number in range(at, cuts.reaching(at, look_ahead) + 2):
            seen[number] = max(since, seen.get(number, since))
    for number in set(stored).difference(waiting):
        time = float(cuts.times[number])
        if number in seen:
            if urgent:
                yield (3, seen[number], -time), number
            continue
        before = max((at for at in viewers if at < number), default=None)
        if before is not None:
            yield (2, float(cuts.times[before]) - time, 0.0), number
        else:
            yield (1 if viewers else 0, time, 0.0), number
