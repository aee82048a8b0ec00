"""Counts of a supervisor since its start. They only grow, because they outlast the sessions that are forgotten."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from hls_sessions.counters import added

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hls_sessions.store import SessionRow

BOUNDS: Final = (0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 20.0, 30.0)
"""Upper bounds, in seconds, of the groups in which waits for a first segment are counted."""


@dataclass(frozen=True, slots=True)
class Totals:
    """The counts at one moment."""

    opened: int = 0
    ended: Counter[str] = field(default_factory=Counter)
    """By the state in which they ended."""
    sums: Counter[str] = field(default_factory=Counter)
    """By the name of a counter."""
    restarts: Counter[str] = field(default_factory=Counter)
    """By reason."""
    waits: tuple[int, ...] = (0,) * (len(BOUNDS) + 1)
    """Waits for a first segment, by group; the last has no bound."""
    waited: float = 0.0
    """Seconds of all of them."""

    def without(self, others: Totals) -> Totals:
        """Return the counts without others that are among them."""
        return Totals(
            opened=self.opened - others.opened,
            ended=self.ended - others.ended,
            sums=self.sums - others.sums,
            restarts=self.restarts - others.restarts,
            waits=tuple(ours - theirs for ours, theirs in zip(self.waits, others.waits, strict=True)),
            waited=max(0.0, self.waited - others.waited),
        )

    def with_all(self, rows: Iterable[SessionRow]) -> Totals:
        """Return the counts with those of more sessions, each counted once."""
        rows = list(rows)
        sums = Counter(added(rows))
        waits, waited = list(self.waits), self.waited
        for row in rows:
            if row.first_segment_after is not None:
                waits[bisect_left(BOUNDS, row.first_segment_after)] += 1
                waited += row.first_segment_after
        return Totals(
            opened=self.opened + len(rows),
            ended=self.ended + Counter(row.state for row in rows if row.ended_at is not None),
            sums=self.sums + sums,
            restarts=sum((Counter(row.restarts) for row in rows), self.restarts),
            waits=tuple(waits),
            waited=waited,
        )
