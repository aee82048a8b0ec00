"""The recordings of a supervisor: opens them, has those of an earlier daemon go on, lists and deletes them."""

from __future__ import annotations

import logging
import secrets
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final
from uuid import UUID, uuid4

from hls_sessions.errors import (
    NotPlayable,
    RecordingNotFound,
    SegmentNotFound,
    SessionEnded,
    SessionNotFound,
    StorageFailed,
    Unavailable,
)
from hls_sessions.live import (
    Exports,
    Facts,
    Inlet,
    Journal,
    Ledger,
    Puller,
    Recording,
    RecordingServer,
    RecordingSpec,
    Syncer,
    judge_source,
    recorded_files,
)
from hls_sessions.segments import SegmentDirectory, new_directory, remembered_directory
from hls_sessions.supervisor.graceful_stop import STOPPING
from hls_sessions.supervisor.sessions import Entry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from hls_sessions.ffmpeg import Binary, Workers
    from hls_sessions.live import RecordedFile
    from hls_sessions.live.journal import Part
    from hls_sessions.otp import Clock, Registry
    from hls_sessions.session import Spec
    from hls_sessions.settings import Settings
    from hls_sessions.store import SessionRow
    from hls_sessions.supervisor.admission_control import AdmissionControl
    from hls_sessions.supervisor.graceful_stop import GracefulStop
    from hls_sessions.supervisor.media_roots import MediaRoots
    from hls_sessions.supervisor.recorder import Recorder
    from hls_sessions.supervisor.sessions import SessionFactory, SessionTable
    from hls_sessions.supervisor.tree import Tree

logger = logging.getLogger(__name__)

TOKEN_BYTES: Final = 24


@dataclass(frozen=True, slots=True)
class KeptRecording:
    """A recording that is kept, whether or not it still goes on."""

    id: str
    user: str | None
    title: str
    created_at: float
    """Seconds since the epoch."""
    duration: float
    """Seconds of it that can be watched."""
    size: int
    """Bytes that have arrived."""
    over: str | None
    """Why it is over; None while it goes on."""
    files: tuple[RecordedFile, ...]
    """What has arrived, and what was made of it."""


class Recordings:
    """All recordings. Any thread may use it."""

    def __init__(
        self,
        *,
        settings: Settings,
        folder: Path | None,
        segments_dir: Path,
        clock: Clock,
        media_roots: MediaRoots,
        workers: Workers,
        ffmpeg: Binary,
        table: SessionTable,
        factory: SessionFactory,
        registry: Registry,
        close: Callable[[str], None],
        admission: AdmissionControl,
        recorder: Recorder,
        tree: Tree,
        stop: GracefulStop,
    ) -> None:
        """Keep recordings in a folder; without one, in a directory that goes with the supervisor."""
        self._settings = settings
        self._own = None if folder is not None else SegmentDirectory(new_directory(segments_dir))
        """The directory that goes with the supervisor. It is made when there is something to keep."""
        self._folder: Path = folder or self._own.path  # type: ignore[union-attr] # one of the two is there
        self._segments_dir = segments_dir
        self._clock = clock
        self._media_roots = media_roots
        self._table = table
        self._factory = factory
        self._registry = registry
        self._close = close
        self._admission = admission
        self._recorder = recorder
        self._tree = tree
        self._stop = stop
        self._workers = workers
        self._ffmpeg = ffmpeg
        self._exports = Exports(workers)
        self._pullers: list[Puller] = []
        self._syncer = Syncer()
        if self._folder.is_dir():
            media_roots.add(self._folder)

    def reconfigure(self, settings: Settings) -> None:
        """Go by other settings from now on."""
        self._settings = settings

    def open(
        self,
        *,
        user: str | None,
        title: str | None,
        mime: str | None,
        source: str | None,
        idle_timeout: float | None,
        low_latency: bool | None,
    ) -> Recording:
        """Begin a recording, and return it. Raises as Supervisor.record does."""
        if self._stop.begun:
            raise Unavailable(STOPPING)
        if source is not None:
            judge_source(source, self._settings.live_sources)
        facts = Facts(
            id=str(uuid4()),
            user=user,
            title=title,
            mime=mime,
            token=secrets.token_urlsafe(TOKEN_BYTES),
            created_at=self._clock.time(),
            idle_timeout=idle_timeout or self._settings.idle_timeout,
            segment_length=self._settings.segment_length,
            source=source,
            low_latency=self._settings.low_latency if low_latency is None else low_latency,
            dvr_window=self._settings.dvr_window,
        )
        with self._table.opening:
            folder = self._folder / facts.id
            self._admission.let_in(user, self._folder)  # a place in the queue is that of a user's next recording
            if self._own is not None:
                self._own.open()
            journal = Journal(folder, self._settings.max_recording_bytes)
            try:
                entry = self._entry(journal, Ledger(folder, facts), new_directory(self._segments_dir), idle_timeout)
                self._table.add(entry)
                self._factory.update(entry)
                self._recorder.opened(entry.spec, entry.record)
                self._tree.open(entry)
                self._fetch(entry)
            except BaseException:
                self._syncer.remove(journal)
                shutil.rmtree(folder, ignore_errors=True)
                raise
        self._media_roots.add(self._folder)  # what was recorded is a film
        return self._recording(entry)

    def film(self, recording_id: str) -> Path:
        """Return a file that can be opened like any film: all of a recording or, if its parts are not alike, the first.

        Raises:
            RecordingNotFound: there is no such recording, or nothing has arrived of it.
            StorageFailed, Unavailable: its parts cannot be joined now.
        """
        parts = self._parts(recording_id)
        if not parts:
            raise RecordingNotFound(recording_id)
        if len(parts) > 1:
            with suppress(NotPlayable):
                return self._exports.of(parts, "video")
        return parts[0].path

    def files(self, recording_id: str) -> tuple[RecordedFile, ...]:
        """Return the files that there are of a recording, those that have arrived first, whether or not it goes on.

        Raises:
            RecordingNotFound: there is no such recording.
            StorageFailed: it cannot be read.
        """
        folder = self._checked(recording_id)
        return recorded_files(Journal(folder, 0), Ledger(folder))

    def export(self, recording_id: str, kind: str, part: int | None = None) -> Path:
        """Return a file of a kind, made of what has arrived. Raises as Supervisor.export_recording does."""
        parts = self._parts(recording_id)
        if part is None and parts:
            return self._exports.of(parts, kind)
        if part is None or not 0 <= part < len(parts):
            raise SegmentNotFound(kind, part or 0, len(parts))
        return self._exports.of(parts[part : part + 1], kind)

    def go_on(self, rows: Iterable[SessionRow]) -> None:
        """Have recordings of an earlier daemon go on. One that cannot is ended; what it has recorded stays."""
        for row in rows:
            try:
                journal = Journal(self._folder / row.id, self._settings.max_recording_bytes)
                ledger = Ledger(journal.folder)
                directory = remembered_directory(self._segments_dir, Path(row.directory).name)
                entry = self._entry(journal, ledger, directory or new_directory(self._segments_dir), None)
                entry.record.go_on(self._recorder.earlier(row))
                self._recorder.goes_on(row, entry.spec, entry.record)
                with self._table.opening:
                    self._table.add(entry)
                    self._factory.update(entry)
                    self._tree.open(entry)
                self._fetch(entry)
            except Exception as error:  # noqa: BLE001 - whatever it is, it ends this recording and no other
                why = f"it could not go on when its daemon was started again: {error}"
                logger.warning("recording %s failed: %s", row.id, why)
                self._recorder.cannot_go_on(row, why)

    def is_kept(self, session_id: str) -> bool:
        """Whether a session is a recording that is kept here."""
        return (self._folder / session_id).is_dir()

    def all(self) -> list[KeptRecording]:
        """Return all recordings that are kept, the oldest first."""
        return sorted(self._kept(), key=lambda kept: kept.created_at)

    def one(self, recording_id: str) -> KeptRecording:
        """Return one of them.

        Raises:
            RecordingNotFound: there is no such recording.
            StorageFailed: it cannot be read.
        """
        return self._kept_in(self._checked(recording_id))

    def delete(self, recording_id: str) -> None:
        """End a recording if it still goes on, and delete all that was recorded.

        Raises:
            RecordingNotFound: there is none of this id.
        """
        folder = self._checked(recording_id)
        with suppress(SessionEnded, SessionNotFound):
            self._close(recording_id)
        shutil.rmtree(folder, ignore_errors=True)

    def sweep(self) -> int:
        """Delete the recordings that nobody has used for long enough; return how many."""
        entries = self._table.all()
        living = {entry.spec.session_id for entry in entries} | {
            name for entry in entries for name in entry.spec.path.parts
        }
        for journal in [journal for journal in self._syncer.journals if journal.folder.name not in living]:
            with suppress(StorageFailed):
                self._syncer.remove(journal)
        before = self._clock.time() - self._settings.keep_recordings
        swept = 0
        for folder in self._folders():
            if folder.name in living:
                continue
            with suppress(StorageFailed):
                ledger = Ledger(folder)
                if max(ledger.used_at, ledger.facts.created_at) < before:
                    logger.info("recording %s is deleted, because nobody has used it", folder.name)
                    shutil.rmtree(folder, ignore_errors=True)
                    swept += 1
        return swept

    def refuse_sources(self) -> None:
        """Answer whoever writes that the daemon stops. The recordings go on in the next one."""
        for entry in self._table.all():
            if isinstance(entry.spec, RecordingSpec):
                entry.spec.inlet.close(Unavailable(STOPPING))
        for puller in self._pullers:
            puller.close()

    def close(self) -> None:
        """Bring all that has arrived to the disk."""
        self._syncer.close()
        if self._own is not None:
            self._own.destroy()

    # ---- within

    def _checked(self, recording_id: str) -> Path:
        """Return the folder of a recording.

        Raises:
            RecordingNotFound: there is none of this id.
        """
        with suppress(ValueError):
            folder = self._folder / recording_id
            if str(UUID(recording_id)) == recording_id and folder.is_dir():
                return folder
        raise RecordingNotFound(recording_id)

    def _parts(self, recording_id: str) -> tuple[Part, ...]:
        return Journal(self._checked(recording_id), 0).parts

    def _entry(self, journal: Journal, ledger: Ledger, directory: Path, idle_timeout: float | None) -> Entry:
        self._syncer.add(journal)
        spec = RecordingSpec(journal, ledger, Inlet(journal, self._clock, over=ledger.over), directory)
        record = self._factory.record(spec, idle_timeout)
        return Entry(spec, record, Recording(spec, record, self._registry, self._close), RecordingServer)

    def _fetch(self, entry: Entry) -> None:
        """Fetch the source of a recording that has one elsewhere."""
        spec = entry.spec
        assert isinstance(spec, RecordingSpec)  # noqa: S101 - it was made so
        if (url := spec.ledger.facts.source) is not None and spec.ledger.over is None:
            self._pullers = [puller for puller in self._pullers if puller.is_alive]
            self._pullers.append(Puller(url, spec.inlet, self._workers, self._ffmpeg))

    @staticmethod
    def _recording(entry: Entry) -> Recording:
        assert isinstance(entry.session, Recording)  # noqa: S101 - it was made so
        return entry.session

    def _folders(self) -> list[Path]:
        return [path for path in self._folder.glob("*-*") if path.is_dir()]

    def _kept(self) -> Iterator[KeptRecording]:
        for folder in self._folders():
            with suppress(StorageFailed):
                yield self._kept_in(folder)

    def _kept_in(self, folder: Path) -> KeptRecording:
        spec: Spec | None = None
        with suppress(SessionEnded, SessionNotFound):
            spec = self._table.find(folder.name).spec
        if isinstance(spec, RecordingSpec):
            journal, ledger, over = spec.journal, spec.ledger, spec.inlet.over
        else:
            journal, ledger = Journal(folder, 0), Ledger(folder)
            over = ledger.over or "its session has ended"
        facts = ledger.facts
        duration = float(ledger.timeline.duration)
        files = recorded_files(journal, ledger)
        return KeptRecording(facts.id, facts.user, facts.name, facts.created_at, duration, journal.size, over, files)
