"""The last hour: how many sessions and encoders there were, what they wrote and sent, and how long viewers waited."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from hls_sessions.supervisor.totals import Totals

INTERVAL: Final = 10.0
"""Seconds between two samples."""

SAMPLES: Final = 360
"""Samples that are kept: an hour."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One moment."""

    at: float
    """Seconds since the epoch."""
    sessions: int
    encoders: int
    waiting: int
    """Sessions in which a viewer waits for a file."""
    disk_bytes: int
    """Bytes of all segments on disk."""
    totals: Totals


@dataclass(frozen=True, slots=True)
class Hour:
    """The last hour as columns of equal length, the oldest sample first. Rates are of the time since the one before."""

    interval: float
    """Seconds between two samples."""
    at: tuple[float, ...]
    """Seconds since the epoch."""
    sessions: tuple[int, ...]
    encoders: tuple[int, ...]
    waiting: tuple[int, ...]
    """Sessions in which a viewer waited for a file."""
    disk_bytes: tuple[int, ...]
    """Bytes of all segments on disk."""
    made_bytes: tuple[float, ...]
    """Bytes of segments that were made, in each second."""
    served_bytes: tuple[float, ...]
    """Bytes that were handed to viewers, in each second."""
    first_segment: tuple[float | None, ...]
    """Seconds that viewers waited for their first segment, on average; None where none did."""
    restarts: tuple[int, ...]
    """How many actors, encoders and packagers were started again since the sample before."""


class Trend:
    """Keeps the samples of the last hour. Any thread may use it."""

    def __init__(self, look: Callable[[], Sample]) -> None:
        self._look = look
        # One more than is shown, because rates need the one before.
        self._samples: deque[Sample] = deque(maxlen=SAMPLES + 1)
        self._lock = threading.Lock()

    def sample(self) -> None:
        """Take a sample."""
        now = self._look()
        with self._lock:
            self._samples.append(now)

    def hour(self) -> Hour:
        """Return the samples up to now."""
        with self._lock:
            samples = tuple(self._samples)
        pairs = [(after, before, max(1e-3, after.at - before.at)) for before, after in pairwise(samples)]
        shown = samples[1:]
        return Hour(
            interval=INTERVAL,
            at=tuple(each.at for each in shown),
            sessions=tuple(each.sessions for each in shown),
            encoders=tuple(each.encoders for each in shown),
            waiting=tuple(each.waiting for each in shown),
            disk_bytes=tuple(each.disk_bytes for each in shown),
            made_bytes=tuple(_more("bytes_made", after, before) / seconds for after, before, seconds in pairs),
            served_bytes=tuple(_more("bytes_served", after, before) / seconds for after, before, seconds in pairs),
            first_segment=tuple(_first_segment(after.totals.without(before.totals)) for after, before, _ in pairs),
            restarts=tuple(after.totals.without(before.totals).restarts.total() for after, before, _ in pairs),
        )


def _more(counter: str, after: Sample, before: Sample) -> int:
    return max(0, after.totals.sums[counter] - before.totals.sums[counter])


def _first_segment(more: Totals) -> float | None:
    count = sum(more.waits)
    return more.waited / count if count > 0 else None
