"""Recovery: brings back the sessions of an earlier daemon that are to go on, and clears away its other leftovers.

They are brought back one after the other while the daemon runs already: a hundred of them do not delay its start. A
caller that asks for one has it brought back at once, in the caller's own thread.
"""

from __future__ import annotations

import logging
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hls_sessions.errors import SessionError, Unavailable
from hls_sessions.media import fingerprint
from hls_sessions.otp import StartError
from hls_sessions.segments import SegmentDirectory, end_processes, new_directory, orphans, remembered_directory
from hls_sessions.session import SessionSpec
from hls_sessions.supervisor.graceful_stop import STOPPING
from hls_sessions.supervisor.tree import start_failure

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hls_sessions.store import SessionRow
    from hls_sessions.supervisor.graceful_stop import GracefulStop
    from hls_sessions.supervisor.media_roots import MediaRoots
    from hls_sessions.supervisor.presentations import Presentations
    from hls_sessions.supervisor.recorder import Recorder
    from hls_sessions.supervisor.sessions import SessionFactory, SessionTable
    from hls_sessions.supervisor.tree import Tree

logger = logging.getLogger(__name__)


LONGEST_END: Final = 2.0
"""Seconds that the end waits for the session that is being brought back."""

AGAIN_AFTER: Final = 2.0
"""Seconds after which sessions whose storage did not answer are tried again; twice as long after each time."""

AGAIN_AT_LEAST: Final = 60.0
"""Seconds after which they are tried again at the latest."""


def _has_ended(thread: threading.Thread, timeout: float) -> bool:
    thread.join(timeout)
    return not thread.is_alive()


class CannotGoOn(Exception):
    """A session cannot go on as its player was told; the message says why."""


@dataclass(eq=False)
class _Waiting:
    row: SessionRow
    directory: Path
    turn: threading.Lock = field(default_factory=threading.Lock)


class Recovery:
    """The sessions that are not back yet. Any thread may use it."""

    def __init__(
        self,
        rows: Iterable[SessionRow],
        recordings: Iterable[SessionRow],
        *,
        segments_dir: Path,
        home: Path | None,
        encoder: str,
        media_roots: MediaRoots,
        presentations: Presentations,
        table: SessionTable,
        factory: SessionFactory,
        recorder: Recorder,
        tree: Tree,
        stop: GracefulStop,
    ) -> None:
        """Name the sessions that are to go on.

        Args:
            rows: as they were written down.
            recordings: sessions of recordings, which go on elsewhere.
            segments_dir: where session directories are.
            home: the state folder; None where there is none.
            encoder: the version of ffmpeg. Segments of another do not go with the init segment that players have.
            media_roots: where their files may be.
            presentations: of their files.
            table: where they are put.
            factory: makes their entries.
            recorder: writes down how they go on or end.
            tree: starts their actors.
            stop: says when none is brought back any more.
        """
        self._waiting = {row.id: _Waiting(row, _directory_of(row, segments_dir)) for row in rows}
        self._of_recordings = {segments_dir / Path(row.directory).name for row in recordings}
        self._segments_dir = segments_dir
        self._home = home
        self._encoder = encoder
        self._media_roots = media_roots
        self._presentations = presentations
        self._table = table
        self._factory = factory
        self._recorder = recorder
        self._tree = tree
        self._stop = stop
        self._all_back = threading.Event()
        self._thread: threading.Thread | None = None
        self._ending = threading.Event()

    def __len__(self) -> int:
        return len(self._waiting)

    def __contains__(self, session_id: str) -> bool:
        return session_id in self._waiting

    def begin(self) -> None:
        """Bring them back, when the recordings have gone on, one after the other, in a thread of its own."""
        self._of_recordings.clear()  # they are in the table, or have ended
        if not self._waiting:
            self._all_back.set()
            return
        self._thread = threading.Thread(target=self._bring_back_all, name="recovery", daemon=True)
        self._thread.start()

    def end(self) -> list[SessionRow]:
        """Bring back no more, and return those that are not back.

        One that is being brought back just now is left behind if that takes long: it comes too late to be added.
        """
        self._ending.set()
        self._media_roots.abandon()
        if (thread := self._thread) is not None:
            self._stop.until(partial(_has_ended, thread), LONGEST_END)
        return [waiting.row for waiting in list(self._waiting.values())]

    def bring(self, session_id: str) -> None:
        """Return when this session is back, or has ended; at once for a session that is not to be brought back.

        Raises:
            Unavailable: it cannot be brought back now: the storage of its file does not answer, or this daemon stops.
        """
        waiting = self._waiting.get(session_id)
        if waiting is None:
            return
        with waiting.turn:
            if session_id in self._waiting:
                if self._ending.is_set():
                    raise Unavailable(STOPPING)
                self._bring_back(waiting)
                del self._waiting[session_id]

    def bring_all(self) -> None:
        """Bring all back that can be brought back now."""
        self._bring_each(list(self._waiting))

    def bring_those_of(self, user: str, media: str | None = None) -> None:
        """Bring those sessions back in which this user watches this file, or any."""
        self._bring_each([row.id for row in self._rows_of(user) if media in {None, row.media}])

    def has_any_of(self, user: str | None) -> bool:
        """Whether sessions of this user are not back yet."""
        return bool(self._rows_of(user))

    def wait(self, timeout: float) -> bool:
        """Return when all are back; False when that takes longer than ``timeout`` seconds."""
        return self._all_back.wait(timeout)

    # ---- sessions of other daemons

    def rows(self) -> list[SessionRow]:
        """Return those that are not back yet."""
        return [waiting.row for waiting in list(self._waiting.values())]

    def drop(self, session_id: str) -> SessionRow | None:
        """Bring a session back no more, because it goes on elsewhere; return its row, if it was not back yet."""
        waiting = self._waiting.get(session_id)
        if waiting is None:
            return None
        with waiting.turn:
            if self._waiting.pop(session_id, None) is None:
                return None
            SegmentDirectory(waiting.directory).destroy()
            return waiting.row

    def spec_of(self, row: SessionRow, directory: Path) -> SessionSpec:
        """Return the spec of a session of another daemon, as its player was told.

        Raises:
            Unavailable: its film is not the same here, or does not answer.
            MediaNotFound, OutsideRoots, NotPlayable: it cannot be opened here.
        """
        try:
            return as_before(row, directory, self._media_roots, self._presentations)
        except CannotGoOn as error:
            raise Unavailable(f"The session cannot go on here: {error}.") from error

    def take_over(self, row: SessionRow) -> None:
        """Have a session of another daemon go on here.

        Raises:
            StorageFailed: its directory cannot be made.
            Unavailable, MediaNotFound, OutsideRoots, NotPlayable: as ``spec_of``, or this daemon stops.
        """
        spec = self.spec_of(row, new_directory(self._segments_dir))
        SegmentDirectory(spec.directory, self._home).open()
        with self._table.opening:
            self._refuse_when_stopping()
            if not self._table.has(row.id):
                self._go_on(spec, row)

    # ---- within

    def _rows_of(self, user: str | None) -> list[SessionRow]:
        return [waiting.row for waiting in list(self._waiting.values()) if waiting.row.user == user]

    def _bring_each(self, session_ids: Iterable[str]) -> None:
        for session_id in session_ids:
            with suppress(Unavailable):
                self.bring(session_id)

    def _bring_back_all(self) -> None:
        """Bring all back. Those whose storage does not answer are tried again from time to time."""
        self.bring_all()
        if not self._ending.is_set():
            self._all_back.set()
        pause = AGAIN_AFTER
        while self._waiting and not self._ending.wait(pause):
            self.bring_all()
            pause = min(2 * pause, AGAIN_AT_LEAST)

    def _bring_back(self, waiting: _Waiting) -> None:
        """Have a session go on, or end it where it cannot go on as its player was told.

        Raises:
            Unavailable: neither is possible now, and the session is left to a later try or to the next daemon.
        """
        row = waiting.row
        try:
            spec = as_before(row, waiting.directory, self._media_roots, self._presentations)
            self._refuse_when_stopping()
            self._prepare(spec, row)
            with self._table.opening:
                self._refuse_when_stopping()
                self._go_on(spec, row)
        except Unavailable:
            SegmentDirectory(waiting.directory).leave()
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, it ends this session and no other
            reason = error if isinstance(error, CannotGoOn | SessionError) else repr(error)
            why = f"it could not go on when its daemon was started again: {reason}"
            logger.warning("session %s failed: %s", row.id, why)
            self._recorder.cannot_go_on(row, why)
            SegmentDirectory(waiting.directory).destroy()

    def _refuse_when_stopping(self) -> None:
        if self._stop.begun or not self._tree.is_alive:
            raise Unavailable(STOPPING)

    def _prepare(self, spec: SessionSpec, row: SessionRow) -> None:
        """Take over a directory. This may take long, and the supervisor of all sessions must not wait for it.

        Raises:
            StorageFailed: it cannot be taken over.
        """
        directory = SegmentDirectory(spec.directory, self._home)
        directory.open()  # from here on no other daemon uses it
        end_processes(directory)
        if row.encoder != self._encoder:
            directory.destroy()
            directory.open()
        directory.clear_runs()

    def _go_on(self, spec: SessionSpec, row: SessionRow) -> None:
        entry = self._factory.make(spec)
        entry.record.go_on(self._recorder.earlier(row))
        self._recorder.goes_on(row, spec, entry.record)
        self._table.add(entry)
        self._factory.update(entry)
        try:
            self._tree.begin(entry)
        except StartError as error:
            entry.fail(f"it could not go on when its daemon was started again: {start_failure(error)}")
            self._tree.end(entry)

    # ---- leftovers of daemons that were killed

    def clear_orphans(self) -> int:
        """End the processes and delete the directories of daemons that were killed; return how many directories.

        Directories of sessions that go on stay: of this daemon's, and for a while of those of a daemon with another
        state folder.
        """
        cleared = 0
        # In this order, because a session that is brought back meanwhile is in one of them at any time.
        kept = {waiting.directory for waiting in list(self._waiting.values())}
        kept |= {entry.spec.directory for entry in self._table.all()} | self._of_recordings
        for directory in orphans(self._segments_dir):
            if directory.path in kept:
                continue  # its processes are ended before it goes on; those it has by now are its own
            killed = end_processes(directory)
            if directory.is_left_to_another(self._home):
                continue
            directory.destroy()
            logger.warning("cleared away %s of an earlier daemon, %d processes still ran", directory.path, killed)
            cleared += 1
        return cleared

    def complete(self, rows: Iterable[SessionRow], why: str) -> None:
        """End sessions that were not back yet when this daemon stopped, and that are not to go on in the next."""
        there = {entry.spec.session_id for entry in self._table.all()}
        for row in rows:
            if row.id not in there:
                self._recorder.completed(row, why)
                SegmentDirectory(self._waiting[row.id].directory).destroy()


def _directory_of(row: SessionRow, segments_dir: Path) -> Path:
    """Return the directory in which a session goes on: its own, or a new one if that cannot be taken over.

    A directory that is named by the session's id is of an earlier version of this package, and is cleared away.
    """
    name = Path(row.directory).name
    remembered = None if name == row.id else remembered_directory(segments_dir, name)
    return remembered or new_directory(segments_dir)


def as_before(row: SessionRow, directory: Path, media_roots: MediaRoots, presentations: Presentations) -> SessionSpec:
    """Return the spec of an earlier daemon's session, as its player was told.

    Raises:
        CannotGoOn: its file has changed, or is cut otherwise now.
        MediaNotFound, OutsideRoots, NotPlayable: its file cannot be opened any more.
    """
    path, copy = media_roots.find(row.media), row.copy_streams is not False
    presentation = presentations.of(path, row.segment_length, copy=copy)
    if (presentation.media.size, presentation.media.modified) != (row.file_size, row.file_modified):
        raise CannotGoOn("its file has changed")
    if fingerprint(presentation) != row.fingerprint:
        # It may have been opened before all of its file was read. Reading the whole file finds more cuts.
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
        share=row.share,
        start_at=row.start_at,
    )
