"""How often a node speaks to the directory. In a large cluster less often, so that one thread can hear all of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

BEAT: Final = 0.3
"""Seconds between two beats of a node."""

ROWS: Final = 1.0
"""Seconds after which the changed rows of its sessions are told, such as a viewer's position."""

MOST_BEATS: Final = 1000
"""Beats that the directory is told in a second."""

MOST_ROWS: Final = 5000
"""Rows that the directory is told in a second."""

BEATS_IN_A_LEASE: Final = 4


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds between two messages of one node."""

    beat: float = BEAT
    rows: float = ROWS

    @classmethod
    def of(cls, nodes: int, sessions: int) -> Pace:
        """Return the pace of a cluster of this size."""
        return cls(max(BEAT, nodes / MOST_BEATS), max(ROWS, sessions / MOST_ROWS))

    @property
    def lease(self) -> float:
        """Seconds without a beat after which a node counts as dead."""
        return BEATS_IN_A_LEASE * self.beat
