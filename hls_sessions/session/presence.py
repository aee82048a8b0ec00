"""Who is there, and when a session that nobody wants any more expires. The one place that decides it.

A session expires when nothing was asked of it for its idle time. One that had subscribers (players and pages that
listen to its events) need not wait so long: when the last has left, and nothing else is asked, it expires soon.
"""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from hls_sessions.otp import shielded

if TYPE_CHECKING:
    from hls_sessions.otp import Clock


class Presence:
    """One session's viewers, as far as its time is concerned. Any thread may use it."""

    def __init__(self, clock: Clock, idle_timeout: float, subscriber_ttl: float) -> None:
        """Begin now.

        Args:
            clock: what time it is.
            idle_timeout: seconds without anything after which it is overdue, unless it is given a time of its own.
            subscriber_ttl: the same, once its last subscriber has left.
        """
        self._clock = clock
        self._default_idle_timeout = idle_timeout
        self._default_subscriber_ttl = subscriber_ttl
        self._own_idle_timeout: float | None = None
        self._own_subscriber_ttl: float | None = None
        self._subscribers = 0
        self._left_at: datetime | None = None
        self._lock = threading.Lock()
        self.touch()

    def touch(self) -> None:
        """Note that something was asked."""
        self._last = self._clock.monotonic()
        self._last_at = datetime.fromtimestamp(self._clock.time(), UTC)

    def was_last_here(self, at: datetime, *, had_subscribers: bool = False) -> None:
        """Count from what was asked of an earlier daemon, at that moment by the wall clock.

        Whoever listened could not while there was no daemon: their time begins now.
        """
        if had_subscribers:
            self._left_at = self._last_at
            return
        # A clock that was set back makes nobody come later than now.
        ago = max(0.0, self._clock.time() - at.timestamp())
        self._last, self._last_at = self._clock.monotonic() - ago, at

    @shielded
    def subscriber_came(self) -> None:
        """Note that one more listens."""
        with self._lock:
            self._subscribers += 1
            self._left_at = None
            self.touch()

    @shielded
    def subscriber_left(self) -> None:
        """Note that one listens no more."""
        with self._lock:
            self._subscribers -= 1
            self.touch()
            if self._subscribers == 0:
                self._left_at = self._last_at

    @shielded
    def change(self, idle_timeout: float | None = None, subscriber_ttl: float | None = None) -> None:
        """Give it times of its own, which count from when something was last asked; None leaves one as it is."""
        with self._lock:
            self._own_idle_timeout = idle_timeout or self._own_idle_timeout
            self._own_subscriber_ttl = subscriber_ttl or self._own_subscriber_ttl

    @shielded
    def follow(self, idle_timeout: float, subscriber_ttl: float) -> None:
        """Take other times where it has none of its own."""
        with self._lock:
            self._default_idle_timeout, self._default_subscriber_ttl = idle_timeout, subscriber_ttl

    @property
    def subscribers(self) -> int:
        """How many listen."""
        return self._subscribers

    @property
    def last_subscriber_left_at(self) -> datetime | None:
        """When the last one left; None while there is one, and before there was any."""
        return self._left_at

    @property
    def had_subscribers(self) -> bool:
        """Whether somebody listens, or did."""
        return self._subscribers > 0 or self._left_at is not None

    @property
    def own(self) -> tuple[float | None, float | None]:
        """The idle time it was given of its own, and the time without a subscriber; None: it goes by that of all."""
        return self._own_idle_timeout, self._own_subscriber_ttl

    @property
    def last_activity_at(self) -> datetime:
        """When something was last asked."""
        return self._last_at

    @property
    def idle(self) -> float:
        """Seconds since something was last asked; 0 while somebody listens."""
        return 0.0 if self._subscribers else self._clock.monotonic() - self._last

    @property
    def idle_timeout(self) -> float:
        """Seconds without anything after which it is overdue."""
        return self._own_idle_timeout or self._default_idle_timeout

    @property
    def due_in(self) -> float:
        """Seconds until it is overdue, if nothing more is asked and no subscriber comes or leaves."""
        if self._subscribers:
            return self.idle_timeout  # who listens is there
        return self._last + self._patience - self._clock.monotonic()

    @property
    def overdue(self) -> str | None:
        """Why its time has run out; None when it has not."""
        if self.due_in > 0:
            return None
        reason = f"nothing was asked of it for {self._patience:g} seconds"
        return reason if self._left_at is None else f"{reason} after its last subscriber left"

    @property
    def _patience(self) -> float:
        """Seconds without anything. The leaving of a subscriber is something, so both count from the same moment."""
        gone = self._left_at is not None
        ttl = self._own_subscriber_ttl or self._default_subscriber_ttl
        return min(self.idle_timeout, ttl) if gone else self.idle_timeout
