"""What a session has made, served and cost: sums that only grow, over all of its actors."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass
from typing import Final

from hls_sessions.otp import shielded

ACTOR: Final = "actor"
"""What is restarted when a session's own actor has crashed."""

DAEMON: Final = "daemon"
"""What is restarted when a session goes on in another daemon. All other restarts are of encoders, by their cause."""


@dataclass(frozen=True, slots=True)
class Sums:
    """A tally at one moment."""

    segments_made: int
    bytes_made: int
    segments_served: int
    bytes_served: int
    segments_refused: int
    """Made, and not what the timeline promises."""
    encoder_failures: int
    encoder_seconds: float
    """Processor seconds of the encoders that have ended."""
    restarts: dict[str, int]
    """Of the actor, of the daemon, and of encoders by cause."""


NOTHING: Final = Sums(0, 0, 0, 0, 0, 0, 0.0, {})


class Tally:
    """One session's sums. Any thread may add to them."""

    def __init__(self, sums: Sums = NOTHING) -> None:
        """Go on from what an earlier daemon has counted; by default, begin."""
        self._made = sums.segments_made, sums.bytes_made
        self._served = sums.segments_served, sums.bytes_served
        self._refused = sums.segments_refused
        self._failures = sums.encoder_failures
        self._seconds = sums.encoder_seconds
        self._restarts = Counter(sums.restarts)
        self._lock = threading.Lock()

    @shielded
    def made(self, size: int) -> None:
        """Count a published segment of so many bytes."""
        with self._lock:
            self._made = self._made[0] + 1, self._made[1] + size

    @shielded
    def served(self, size: int) -> None:
        """Count a segment of so many bytes that was handed to a viewer."""
        with self._lock:
            self._served = self._served[0] + 1, self._served[1] + size

    @shielded
    def refused(self) -> None:
        """Count a segment that did not pass its check."""
        with self._lock:
            self._refused += 1

    @shielded
    def failed(self) -> None:
        """Count an encoder's failure."""
        with self._lock:
            self._failures += 1

    @shielded
    def computed(self, seconds: float) -> None:
        """Count the processor seconds of an encoder that has ended."""
        with self._lock:
            self._seconds += seconds

    @shielded
    def restarted(self, what: str) -> None:
        """Count a restart: of the actor, or of an encoder by its cause."""
        with self._lock:
            self._restarts[what] += 1

    @property
    def segments_made(self) -> int:
        """How many segments were published."""
        return self._made[0]

    @property
    @shielded
    def sums(self) -> Sums:
        """All of them as they are now."""
        with self._lock:
            return Sums(*self._made, *self._served, self._refused, self._failures, self._seconds, dict(self._restarts))
