"""How long a session's viewers waited for the first segment, and how long they have waited in vain now."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Waits:
    """The waits of one session's viewers, in seconds of its clock."""

    def __init__(self, now: Callable[[], float], made: int = 0, first: float | None = None) -> None:
        """Begin with nobody waiting. ``made`` segments were made before, and ``first`` is the first wait, if known."""
        self.first = first
        """Seconds from the first request for a segment to the first segment made; None while there is none."""
        self._now = now
        self._asked: float | None = None
        self._made = made
        self._last_news = now()

    def asked(self, *, waiting: bool) -> None:
        """Note a request for a segment. ``waiting`` says whether others wait already."""
        if self._asked is None:
            self._asked = self._now()
        if not waiting:
            self._last_news = self._now()

    def made(self, segments: int) -> None:
        """Note how many segments have been made so far, by this session or another."""
        if segments == self._made:
            return
        self._made, self._last_news = segments, self._now()
        if self.first is None and self._asked is not None:
            self.first = self._last_news - self._asked

    def in_vain(self, waiting: int) -> float:
        """Return the seconds for which viewers have waited without any new segment; 0 if nobody waits."""
        return self._now() - self._last_news if waiting else 0.0
