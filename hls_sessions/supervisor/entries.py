"""The tables of a supervisor: which sessions are to exist, whose they are, and how the ended ones ended."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hls_sessions.errors import SessionEnded, SessionError, SessionNotFound

if TYPE_CHECKING:
    from pathlib import Path

    from hls_sessions.otp import Ref
    from hls_sessions.session import Viewing
    from hls_sessions.supervisor.handle import Session

REMEMBERED = 1000
"""Ended sessions that still say how they ended."""


@dataclass(eq=False)
class Entry:
    """One session that is to exist."""

    viewing: Viewing
    session: Session
    closing: bool = False
    """Whether its end was asked for: it is nobody's to find for a viewing any more."""
    actor: Ref | None = None
    """Its latest actor."""


class Entries:
    """All entries, by id and by viewing. Any thread may use them."""

    def __init__(self) -> None:
        self._by_id: dict[str, Entry] = {}
        self._by_viewing: dict[tuple[str, Path], Entry] = {}
        self._ended: OrderedDict[str, SessionEnded] = OrderedDict()
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
            ended = self._ended.get(session_id)
        if entry is not None:
            return entry
        # Without the traceback of those who were told before, which would grow with every one.
        raise (ended or SessionNotFound(session_id)).with_traceback(None)

    def of_viewing(self, user: str, path: Path) -> Entry | None:
        """Return the one in which this user watches this file."""
        with self._lock:
            entry = self._by_viewing.get((user, path))
        return None if entry is None or entry.closing else entry

    def claim(self, session_id: str) -> Entry:
        """Return one that is to be ended, to the first who asks.

        Raises:
            SessionEnded, SessionNotFound: there is none, or another ends it.
        """
        entry = self.find(session_id)
        with self._lock:
            claimed, entry.closing = entry.closing, True
        if claimed:
            raise SessionNotFound(session_id)
        return entry

    def forget(self, entry: Entry, error: SessionError) -> None:
        """Take one out; remember how it ended, and tell who waits for it."""
        session_id = entry.viewing.session_id
        with self._lock:
            self._by_id.pop(session_id, None)
            if (key := _key(entry)) is not None and self._by_viewing.get(key) is entry:
                del self._by_viewing[key]
            if isinstance(error, SessionEnded):
                self._ended[session_id] = error
                while len(self._ended) > REMEMBERED:
                    self._ended.popitem(last=False)
        entry.session.ended(error)


def _key(entry: Entry) -> tuple[str, Path] | None:
    viewing = entry.viewing
    return None if viewing.user is None else (viewing.user, viewing.presentation.media.path)
