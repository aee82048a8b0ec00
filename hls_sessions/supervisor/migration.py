"""Migration: sessions of films that come from another daemon while it lives, and those that go to one.

A session goes on under its id, as after a restart of its own daemon (``recovery``); its player has the playlists and
the init segments already, so that the film must be cut as before, and the ffmpeg be the same.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hls_sessions.errors import SessionEnded, SessionNotFound, Unavailable
from hls_sessions.otp import Registry
from hls_sessions.session import Session

if TYPE_CHECKING:
    from hls_sessions.store import SessionRow
    from hls_sessions.supervisor.runtime import Runtime


LEAST_ROOM: Final = 64 * 1024**2
"""Bytes of the segments' disk with less of which it counts as full: some ten seconds of a film at 40 Mbit/s."""


@dataclass(frozen=True, slots=True)
class Load:
    """How busy a daemon is."""

    slots: int
    """How many encoders may compute at once."""
    encoders: int
    """How many do."""
    waiting: int
    """Requests for files that are not answered yet."""
    disk_full: bool
    """Whether there is hardly any room for segments."""


class Migration:
    """The sessions of one runtime that come and go. Any thread may use it."""

    def __init__(self, runtime: Runtime) -> None:
        """Move sessions to and from a supervisor that runs."""
        self._runtime = runtime

    def rows(self) -> list[SessionRow]:
        """Return the sessions that live here, as they are now, and those that are not back yet; recordings, too."""
        living = [row for row in self._runtime.recorder.refresh() if row.ended_at is None]
        return [*self._runtime.recovery.rows(), *living]

    def load(self) -> Load:
        """Return how busy this daemon is."""
        scheduler = self._runtime.tree.services.scheduler
        waiting = sum(entry.session.waiting for entry in self._runtime.table.all())
        free = self._runtime.tree.services.quota.free()
        return Load(scheduler.slots, scheduler.at_work, waiting, free is not None and free < LEAST_ROOM)

    def look_at(self, row: SessionRow) -> Session:
        """Return a session of another daemon, of which only the playlists can be had.

        Raises:
            Unavailable: the film is not as it was told there, or does not answer.
            MediaNotFound, OutsideRoots, NotPlayable: the film cannot be opened here.
        """
        recovery = self._runtime.recovery
        spec = recovery.spec_of(row, Path(os.devnull))
        return Session(spec, self._runtime.factory.record(spec), Registry(), lambda _: None)

    def take_over(self, row: SessionRow) -> Session:
        """Have a session of another daemon go on here, and return it.

        Raises:
            Unavailable: it cannot go on here as its player was told; says why.
            MediaNotFound, OutsideRoots, NotPlayable: the film cannot be opened here.
            StorageFailed: its directory cannot be made.
        """
        recovery = self._runtime.recovery
        recovery.bring(row.id)
        try:
            return self._runtime.table.find(row.id).session
        except (SessionEnded, SessionNotFound):
            recovery.take_over(row)
        return self._runtime.table.find(row.id).session

    def give_up(self, session_id: str, why: str) -> None:
        """Let go of a session that goes on elsewhere; return when all that it used here is freed.

        To its viewers nothing ends: no event says so, and a request that waits is answered with Unavailable.
        """
        runtime = self._runtime
        if (row := runtime.recovery.drop(session_id)) is not None:
            runtime.recorder.completed(row, why)
            return
        try:
            entry = runtime.table.find(session_id)
        except (SessionEnded, SessionNotFound):
            return
        runtime.recorder.moved(session_id, why)
        runtime.table.forget(entry, Unavailable(why))
        runtime.bus.end_streams_of(session_id)
        runtime.tree.end(entry)
