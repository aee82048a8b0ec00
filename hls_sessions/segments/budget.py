"""How many bytes segments may take, and which of them can be evicted: pure, given the files and the positions.

An evicted segment is made again for a viewer who asks for it, so evicting the wrong one costs a wait and nothing else.
Yet a segment that a viewer waits for or is about to ask for is never evicted.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, inf
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from hls_sessions.media import Cuts

SHARE: Final = 0.8
"""The share of the space that segments may take, if no budget is set. The space is the free bytes and their own."""

SHARE_OF_ONE: Final = 0.25
"""The share of that which one session may take ahead of its viewers, if no budget of one session is set."""

MARGIN: Final = 0.1
"""The share of a budget that is kept for segments that a viewer waits for. Segments made ahead may not use it."""

FLOOR: Final = 8 * 1024 * 1024
"""Bytes of the disk that are left to other programs."""


Likelihood: TypeAlias = tuple[int, float, float]
"""How likely a segment is to be asked for; comparable over all renditions of a session."""


@dataclass(frozen=True, slots=True)
class Budget:
    """How many bytes the segments may take. A limit that is None is a share of the space: SHARE, SHARE_OF_ONE."""

    in_all: int | None = None
    of_one: int | None = None
    """The same for one session."""

    @property
    def strictest(self) -> float:
        """The most bytes that one session can ever take; infinite if no limit is set."""
        return min(inf if limit is None else limit for limit in (self.in_all, self.of_one))


@dataclass(frozen=True, slots=True)
class Estimate:
    """How many bytes the segments of one rendition may take."""

    peak: int
    """The most that the rendition takes, in bits per second."""
    cuts: Cuts

    def segment(self, number: int) -> int:
        """Return how many bytes a segment may have; 0 after the end."""
        times = self.cuts.times
        length = times[min(number + 1, len(self.cuts))] - times[min(number, len(self.cuts))]
        return ceil(self.peak / 8 * length)

    def run(self, number: int) -> int:
        """Return how many bytes a run may write before the next decision: its segment, and the published copy of it."""
        return 2 * self.segment(number)


def bytes_lacking(
    budget: Budget, taken: int, own: int, free: int | None, wanted: int, *, urgent: bool
) -> tuple[int, int]:
    """Return how many bytes are lacking to write so many more: in the session's own budget, and in the shared one.

    Args:
        budget: how many bytes there may be.
        taken: bytes of all sessions, reserved ones included.
        own: those of the session.
        free: free bytes of the disk, without reserved ones; None if they are not known.
        wanted: bytes that are to be written.
        urgent: whether a viewer waits for them.
    """
    in_all = _in_all(budget, taken, free)
    of_one = in_all * SHARE_OF_ONE if budget.of_one is None else budget.of_one
    if budget.of_one is None and urgent:
        of_one = inf  # a share that nobody has set keeps no viewer waiting
    kept = 1.0 if urgent else 1.0 - MARGIN
    shared = max(taken + wanted - in_all * kept, -inf if free is None else wanted + FLOOR - free)
    return ceil(max(0, own + wanted - of_one * kept)), ceil(max(0, shared))


def most_kept(budget: Budget, taken: int, free: int | None) -> int:
    """Return how many bytes the segments that no session has may take: as many as one session of those that have some.

    Args:
        budget: how many bytes there may be.
        taken: bytes of all segments on disk.
        free: free bytes of the disk; None if they are not known.
    """
    most = _in_all(budget, taken, free) * SHARE_OF_ONE
    return taken if most == inf else int(most)


def _in_all(budget: Budget, taken: int, free: int | None) -> float:
    """Return how many bytes all segments may take; infinite if nothing limits them."""
    if budget.in_all is not None:
        return budget.in_all
    return inf if free is None else (taken + free) * SHARE


def dispensable(
    cuts: Cuts,
    stored: Collection[int],
    viewers: Mapping[int, float],
    waiting: Collection[int],
    look_ahead: float,
    *,
    urgent: bool = False,
) -> Iterator[tuple[Likelihood, int]]:
    """Yield each segment that can be evicted, with how likely it is to be asked for; the least likely is the lowest.

    First come those of a rendition that nobody watches, then those behind all viewers, the farthest first, and at last
    those far ahead of a viewer, the farthest first. Segments within the look-ahead of a viewer follow only if another
    viewer waits. A seek leaves a position behind that looks like a viewer's for a while. Therefore the look-ahead of
    the position with the oldest request is evicted first.

    Args:
        cuts: where the rendition is cut.
        stored: the segments that are on disk.
        viewers: the positions of viewers, as segments, and since when each is there.
        waiting: the segments viewers wait for.
        look_ahead: seconds ahead of a viewer that encoders work, plus one segment.
        urgent: whether a viewer waits for the room.
    """
    seen: dict[int, float] = {}
    """The segments within the look-ahead of viewers, and since when the latest of these viewers is there."""
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
