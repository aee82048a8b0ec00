"""Counts what a session makes, serves and costs. The counters themselves are declared in ``hls_sessions.counters``."""

from __future__ import annotations

import threading
from typing import Final

from hls_sessions.counters import COUNTERS, Sums
from hls_sessions.otp import shielded

ACTOR: Final = "actor"
"""The name of a restart of a session's own actor, after a crash."""

DAEMON: Final = "daemon"
"""The name of a restart by which a session goes on in another daemon. All others are of encoders, by their cause."""


class Counters:
    """One session's counters. Any thread may add to them."""

    def __init__(self, sums: Sums | None = None) -> None:
        """Go on from the sums of an earlier daemon; by default, begin with zero."""
        sums = sums or Sums()
        self._values: dict[str, float] = {counter.name: getattr(sums, counter.name) for counter in COUNTERS}
        self._restarts = dict(sums.restarts)
        self._lock = threading.Lock()

    @shielded
    def add(self, **more: float) -> None:
        """Add to counters, by name.

        Raises:
            KeyError: there is no such counter.
        """
        with self._lock:
            for name, value in more.items():
                self._values[name] += value

    @shielded
    def restarted(self, what: str) -> None:
        """Count a restart: of the actor, or of an encoder by its cause."""
        with self._lock:
            self._restarts[what] = self._restarts.get(what, 0) + 1

    @property
    def segments_published(self) -> int:
        """How many segments were published: made, or taken over from other sessions."""
        return int(self._values["segments_made"] + self._values["segments_shared"])

    @property
    @shielded
    def sums(self) -> Sums:
        """All of them as they are now."""
        with self._lock:
            return Sums(**self._values, restarts=dict(self._restarts))  # type: ignore[arg-type] # by their names
