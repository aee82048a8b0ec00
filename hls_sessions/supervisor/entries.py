"""The tables of a supervisor: which sessions are to exist, whose they are, and how the ended ones ended."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hls_sessions.errors import IllegalTransition, SessionNotFound
from hls_sessions.session import Step, Who
from hls_sessions.supervisor.handle import end_error

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hls_sessions.errors import SessionError
    from hls_sessions.otp import Clock, Ref
    from hls_sessions.session import Life, State, Viewing
    from hls_sessions.supervisor.handle import Session

REMEMBERED = 1000
"""Ended sessions that still say how they ended, at most."""


@dataclass(eq=False)
class Entry:
    """One session that is to exist."""

    viewing: Viewing
    life: Life
    session: Session
    actor: Ref | None = None
    """Its latest actor."""


@dataclass(frozen=True, slots=True)
class Past:
    """What is remembered of one session that has ended."""

    life: Life
    since: float
    """When it ended, on the clock."""


class Entries:
    """All entries, by id and by viewing. Any thread may use them."""

    def __init__(self, clock: Clock, history_ttl: float) -> None:
        """Begin without any; what has ended is remembered for so many seconds."""
        self._clock = clock
        self.history_ttl = history_ttl
        self._by_id: dict[str, Entry] = {}
        self._by_viewing: dict[tuple[str, Path], Entry] = {}
        self._past: OrderedDict[str, Past] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._by_id)

    def add(self, entry: Entry) -> None:
        """Note a session that is about to be started."""
        with self._lock:
            self._by_id[entry.viewing.session_id] = entry
            if (key := _key(entry)) is not None:
                self._by_viewing[key] = entry

    def all(self) -> list[Entry]:
        """Return all of them, the oldest first."""
        with self._lock:
            return list(self._by_id.values())

    def find(self, session_id: str) -> Entry:
        """Return one.

        Raises:
            SessionEnded: it failed or expired; says when and why.
            SessionNotFound: there is none of this id.
        """
        with self._lock:
            entry = self._by_id.get(session_id)
        if entry is not None:
            return entry
        raise end_error(self.life(session_id))

    def life(self, session_id: str) -> Life:
        """Return the life of one, also of one that has ended, for as long as it is remembered.

        Raises:
            SessionNotFound: there is none of this id, or none any more.
        """
        with self._lock:
            self._forget_the_past()
            known = self._by_id.get(session_id) or self._past.get(session_id)
        if known is None:
            raise SessionNotFound(session_id)
        return known.life

    def of_viewing(self, user: str, path: Path) -> Entry | None:
        """Return the one in which this user watches this file."""
        with self._lock:
            entry = self._by_viewing.get((user, path))
        return None if entry is None or entry.life.state.is_final else entry

    def complete(self, session_id: str, reason: str, provided: Callable[[State], bool] | None = None) -> Entry:
        """Take the step that ends one for its viewer, and return it to the first who asks.

        Raises:
            SessionEnded, SessionNotFound: there is none, or another ends it.
            IllegalTransition: what was to be ``provided`` does not hold.
        """
        entry = self.find(session_id)
        try:
            entry.life.take(Step.COMPLETE, Who.VIEWER, reason, provided=provided)
        except IllegalTransition:
            if not entry.life.state.is_final:
                raise
            raise end_error(entry.life) from None
        return entry

    def forget(self, entry: Entry, error: SessionError) -> None:
        """Take one out; remember its life, and tell who waits for it."""
        session_id = entry.viewing.session_id
        with self._lock:
            self._by_id.pop(session_id, None)
            if (key := _key(entry)) is not None and self._by_viewing.get(key) is entry:
                del self._by_viewing[key]
            self._past[session_id] = Past(entry.life, self._clock.monotonic())
            self._past.move_to_end(session_id)
            self._forget_the_past()
        entry.life.over()
        entry.session.ended(error)

    def tidy(self) -> None:
        """Forget what was remembered long enough."""
        with self._lock:
            self._forget_the_past()

    def _forget_the_past(self) -> None:
        last = self._clock.monotonic() - self.history_ttl
        while self._past and (len(self._past) > REMEMBERED or next(iter(self._past.values())).since <= last):
            self._past.popitem(last=False)


def _key(entry: Entry) -> tuple[str, Path] | None:
    viewing = entry.viewing
    return None if viewing.user is None else (viewing.user, viewing.presentation.media.path)
