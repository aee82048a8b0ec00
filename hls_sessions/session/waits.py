"""How long a session's viewers wait: how long for the first segment, and how long in vain now."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Waits:
    """The waits of one session's viewers, in seconds of its clock."""

    def __init__(self, now: Callable[[], float], made: int = 0, first: float | None = None) -> None:
        """Begin with nobody waiting, and with what is known already: how many were made, how long the first took."""
        self.first = first
        """How long the first segment took, from the first request for one; None while there is none."""
        self._now = now
        self._asked: float | None = None
        self._made = made
        self._last_news = now()

    def asked(self, *, waiting: bool) -> None:
        """Note a request for a segment, before it joins those that wait already, if any do."""
        if self._asked is None:
            self._asked = self._now()
        if not waiting:
            self._last_news = self._now()

    def made(self, segments: int) -> None:
        """Note how many segments have been made so far."""
        if segments == self._made:
            return
        self._made, self._last_news = segments, self._now()
        if self.first is None and self._asked is not None:
            self.first = self._last_news - self._asked

    def in_vain(self, waiting: int) -> float:
        """Return for how long nothing has come for those who wait; 0 when nobody does."""
        return self._now() - self._last_news if waiting else 0.0
