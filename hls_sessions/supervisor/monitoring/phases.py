"""How long the phases of segments took that viewers waited for, since the start."""

from __future__ import annotations

import threading
from bisect import bisect_left
from typing import TYPE_CHECKING, Final, NamedTuple

from hls_sessions.encoding import PHASES
from hls_sessions.otp import shielded

if TYPE_CHECKING:
    from collections.abc import Mapping

BOUNDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds, in seconds, of the groups in which phases are counted."""


class PhaseTime(NamedTuple):
    """The times of one phase."""

    groups: tuple[int, ...] = (0,) * (len(BOUNDS) + 1)
    """How many there were in each group; the last has no bound."""
    seconds: float = 0.0
    """All of them."""


class PhaseTimes:
    """The times of all phases. Any thread may use it."""

    def __init__(self) -> None:
        self._times = dict.fromkeys(PHASES, PhaseTime())
        self._lock = threading.Lock()

    @shielded
    def add(self, phases: Mapping[str, float]) -> None:
        """Count phases of a segment, by their seconds."""
        with self._lock:
            for phase, seconds in phases.items():
                groups = list(self._times[phase].groups)
                groups[bisect_left(BOUNDS, seconds)] += 1
                self._times[phase] = PhaseTime(tuple(groups), self._times[phase].seconds + seconds)

    @shielded
    def all(self) -> Mapping[str, PhaseTime]:
        """Return all of them, by phase."""
        with self._lock:
            return dict(self._times)
