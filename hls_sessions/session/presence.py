"""When a session that nobody uses any more expires. This is the one place that decides it.

A session expires when nothing was asked of it for its idle time. A session that had subscribers (players and pages that
listen to its events) expires sooner: when nothing was asked for a shorter time after the last one left.
"""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from hls_sessions.otp import shielded

if TYPE_CHECKING:
    from hls_sessions.otp import Clock


class Presence:
    """The last request of one session, and its subscribers. Any thread may use it."""

    def __init__(self, clock: Clock, idle_timeout: float, subscriber_ttl: float) -> None:
        """Begin now.

        Args:
            clock: the clock.
            idle_timeout: seconds without a request after which it is overdue, unless it is given a time of its own.
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
        """Count from the last request to an earlier daemon, at that moment by the wall clock.

        Subscribers could not listen while there was no daemon, so their time begins now.
        """
        if had_subscribers:
            self._left_at = self._last_at
            return
        # The last request is not later than now, even if the clock was set back.
        ago = max(0.0, self._clock.time() - at.timestamp())
        self._last, self._last_at = self._clock.monotonic() - ago, at

    @shielded
    def subscriber_came(self) -> None:
        """Note that a subscriber came."""
        with self._lock:
            self._subscribers += 1
            self._left_at = None
            self.touch()

    @shielded
    def subscriber_left(self) -> None:
        """Note that a subscriber left."""
        with self._lock:
            self._subscribers -= 1
            self.touch()
            if self._subscribers == 0:
                self._left_at = self._last_at

    @shielded
    def change(self, idle_timeout: float | None = None, subscriber_ttl: float | None = None) -> None:
        """Give it times of its own, which count from the last request; None leaves one as it is."""
        with self._lock:
            self._own_idle_timeout = idle_timeout or self._own_idle_timeout
            self._own_subscriber_ttl = subscriber_ttl or self._own_subscriber_ttl

    @shielded
    def set_defaults(self, idle_timeout: float, subscriber_ttl: float) -> None:
        """Use other times where it has none of its own."""
        with self._lock:
            self._default_idle_timeout, self._default_subscriber_ttl = idle_timeout, subscriber_ttl

    @property
    def subscribers(self) -> int:
        """How many subscribers there are."""
        return self._subscribers

    @property
    def last_subscriber_left_at(self) -> datetime | None:
        """When the last subscriber left; None while there is one, and before there was any."""
        return self._left_at

    @property
    def had_subscribers(self) -> bool:
        """Whether there is a subscriber, or was one."""
        return self._subscribers > 0 or self._left_at is not None

    @property
    def own(self) -> tuple[float | None, float | None]:
        """The idle time of its own, and the time without a subscriber; None where it uses that of all sessions."""
        return self._own_idle_timeout, self._own_subscriber_ttl

    @property
    def last_activity_at(self) -> datetime:
        """When the last request came, or a subscriber came or left."""
        return self._last_at

    @property
    def idle(self) -> float:
        """Seconds since the last request; 0 while there is a subscriber."""
        return 0.0 if self._subscribers else self._clock.monotonic() - self._last

    @property
    def idle_timeout(self) -> float:
        """Seconds without a request after which it is overdue."""
        return self._own_idle_timeout or self._default_idle_timeout

    @property
    def due_in(self) -> float:
        """Seconds until it is overdue, if no request comes and no subscriber comes or leaves."""
        if self._subscribers:
            return self.idle_timeout  # a subscriber is there
        return self._last + self._patience - self._clock.monotonic()

    @property
    def overdue(self) -> str | None:
        """Why its time has run out; None if it has not."""
        if self.due_in > 0:
            return None
        reason = f"nothing was asked of it for {self._patience:g} seconds"
        return reason if self._left_at is None else f"{reason} after its last subscriber left"

    @property
    def _patience(self) -> float:
        """Seconds without a request. A subscriber's leaving counts as one, so both times begin at the same moment."""
        gone = self._left_at is not None
        ttl = self._own_subscriber_ttl or self._default_subscriber_ttl
        return min(self.idle_timeout, ttl) if gone else self.idle_timeout
