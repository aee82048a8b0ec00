"""The sessions of an earlier daemon that are to go on, until each of them does, or cannot.

They are brought back one after the other behind the back of a daemon that runs already: a hundred of them do not
delay its start. Whoever asks for one has it brought back at once, in their own thread.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from hls_sessions.media import fingerprint
from hls_sessions.session import SessionSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from hls_sessions.store import SessionRow
    from hls_sessions.supervisor.media_roots import MediaRoots
    from hls_sessions.supervisor.presentations import Presentations


class CannotGoOn(Exception):
    """A session cannot be what its player was told; the message says why."""


@dataclass(eq=False)
class _Waiting:
    row: SessionRow
    turn: threading.Lock = field(default_factory=threading.Lock)


class Returning:
    """Those that are not back yet. Any thread may use it."""

    def __init__(self, rows: Iterable[SessionRow], bring_back: Callable[[SessionRow], bool]) -> None:
        """Name them; ``bring_back`` is called with each until it returns True. It must not raise."""
        self._waiting = {row.id: _Waiting(row) for row in rows}
        self._bring_back = bring_back
        self._all_back = threading.Event()
        self._thread: threading.Thread | None = None
        self._ending = False

    def __len__(self) -> int:
        return len(self._waiting)

    def __contains__(self, session_id: str) -> bool:
        return session_id in self._waiting

    @property
    def ids(self) -> set[str]:
        """Which they are."""
        return set(self._waiting)

    def begin(self) -> None:
        """Bring them back, one after the other, in a thread of its own."""
        if not self._waiting:
            self._all_back.set()
            return
        self._thread = threading.Thread(target=self._bring_back_all, name="returning sessions", daemon=True)
        self._thread.start()

    def end(self) -> list[SessionRow]:
        """Bring back no more, and return those that are not back."""
        self._ending = True
        if self._thread is not None:
            self._thread.join()
        return [waiting.row for waiting in list(self._waiting.values())]

    def bring(self, session_id: str) -> None:
        """Return when this one is back, or cannot be. At once for one that is none of them."""
        waiting = self._waiting.get(session_id)
        if waiting is None:
            return
        with waiting.turn:
            if session_id in self._waiting and not self._ending and self._bring_back(waiting.row):
                del self._waiting[session_id]

    def bring_all(self) -> None:
        """Return when all are back, or cannot be."""
        for session_id in list(self._waiting):
            self.bring(session_id)

    def bring_those_of(self, user: str, media: str) -> None:
        """Return when those in which this user watches this file are back."""
        for waiting in list(self._waiting.values()):
            if (waiting.row.user, waiting.row.media) == (user, media):
                self.bring(waiting.row.id)

    def wait(self, timeout: float) -> bool:
        """Return when all are back; False when that takes longer than ``timeout`` seconds."""
        return self._all_back.wait(timeout)

    def _bring_back_all(self) -> None:
        self.bring_all()
        if not self._ending:
            self._all_back.set()


def as_before(row: SessionRow, directory: Path, media_roots: MediaRoots, presentations: Presentations) -> SessionSpec:
    """Return what a session of an earlier daemon was, as its player was told.

    Raises:
        CannotGoOn: its file has changed, or is cut otherwise now.
        MediaNotFound, OutsideRoots, NotPlayable: its file cannot be opened any more.
    """
    path, copy = media_roots.find(row.media), row.copy_streams is not False
    presentation = presentations.of(path, row.segment_length, copy=copy)
    if (presentation.media.size, presentation.media.modified) != (row.file_size, row.file_modified):
        raise CannotGoOn("its file has changed")
    if fingerprint(presentation) != row.fingerprint:
        # It may have been opened before all of its file was read, which tells of more cuts.
        presentation = presentations.of_index(path, row.segment_length, copy=copy)
    if fingerprint(presentation) != row.fingerprint:
        raise CannotGoOn("its file is cut otherwise now than its player was told")
    return SessionSpec(
        session_id=row.id,
        user=row.user,
        presentation=presentation,
        directory=directory,
        created_at=datetime.fromtimestamp(row.created_at, UTC),
        idle_timeout=row.idle_timeout,
        segment_length=row.segment_length,
        copy_streams=copy,
        start_at=row.start_at,
    )
