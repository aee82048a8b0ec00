"""Opens sessions for viewers: one at a time, one for each user and file, as many as there may be."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from hls_sessions.encoding import OPEN, PROBE, TIMELINE, Stamps
from hls_sessions.errors import (
    FileChanged,
    IllegalTransition,
    MediaNotFound,
    NotPlayable,
    SessionEnded,
    SessionNotFound,
    SnapshotRefused,
    Unavailable,
)
from hls_sessions.ffmpeg import grew, version_of
from hls_sessions.segments import new_directory
from hls_sessions.session import SessionSpec, judge_file
from hls_sessions.supervisor.graceful_stop import STOPPING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hls_sessions.ffmpeg import Prober
    from hls_sessions.media import Presentation
    from hls_sessions.otp import Clock
    from hls_sessions.session import Session, Snapshot
    from hls_sessions.settings import Settings
    from hls_sessions.supervisor.admission_control import AdmissionControl
    from hls_sessions.supervisor.graceful_stop import GracefulStop
    from hls_sessions.supervisor.media_roots import MediaRoots
    from hls_sessions.supervisor.presentations import Presentations
    from hls_sessions.supervisor.recorder import Recorder
    from hls_sessions.supervisor.recovery import Recovery
    from hls_sessions.supervisor.sessions import Entry, SessionFactory, SessionTable
    from hls_sessions.supervisor.tree import Tree

ATTEMPTS: Final = 3
"""How often an open waits for sessions of an earlier daemon, because they may take the last places."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A session that a viewer asks for. Times in seconds."""

    presentation: Presentation
    user: str | None
    start_at: float
    """Where a new session begins, from the beginning of the film."""
    idle_timeout: float | None
    """An idle time of its own; None for that of the settings."""
    stamps: Stamps
    """How long its opening has taken so far."""
    share: bool = True
    """Whether a new session shares its segments with others of the film, if the settings allow it."""
    prepare: bool = False
    """Whether the first segments of a new session are made before a player asks."""
    snapshot: Snapshot | None = None
    """The earlier session that a new one goes on from."""

    @property
    def path(self) -> Path:
        """The path of the film."""
        return self.presentation.media.path


class Opening:
    """Opens, resumes and probes. Any thread may use it."""

    def __init__(
        self,
        *,
        settings: Settings,
        segments_dir: Path,
        clock: Clock,
        media_roots: MediaRoots,
        prober: Prober,
        presentations: Presentations,
        table: SessionTable,
        factory: SessionFactory,
        admission: AdmissionControl,
        recovery: Recovery,
        recorder: Recorder,
        tree: Tree,
        stop: GracefulStop,
    ) -> None:
        self._settings = settings
        self._segments_dir = segments_dir
        self._clock = clock
        self._media_roots = media_roots
        self._prober = prober
        self._presentations = presentations
        self._table = table
        self._factory = factory
        self._admission = admission
        self._recovery = recovery
        self._recorder = recorder
        self._tree = tree
        self._stop = stop

    def reconfigure(self, settings: Settings) -> None:
        """Go by other settings from now on."""
        self._settings = settings
        self._admission.reconfigure(settings)

    def probe(self, media: str | Path, segment_length: float | None = None) -> Presentation:
        """Return the presentation that a session of a file would have.

        Args:
            media: a path relative to a media root, or absolute under one.
            segment_length: the wanted length of a segment, in seconds; None for that of the settings.

        Raises:
            MediaNotFound, OutsideRoots, NotPlayable: the file cannot be opened.
        """
        return self._probe(media, segment_length, Stamps(self._clock.monotonic()))

    def open(
        self,
        media: str | Path,
        user: str | None,
        start_at: float,
        idle_timeout: float | None,
        *,
        share: bool,
        prepare: bool | None,
    ) -> tuple[Session, bool]:
        """Return the session in which a user watches a file, and whether it is new. Raises as Supervisor.open does."""
        prepare = self._settings.prepare if prepare is None else prepare
        stamps = Stamps(self._clock.monotonic())
        presentation = self._probe(media, None, stamps)
        return self._open(Wanted(presentation, user, start_at, idle_timeout, stamps, share, prepare))

    def resume(self, snapshot: Snapshot) -> tuple[Session, bool]:
        """Return the session that goes on from a snapshot, and whether it is new. Raises as Supervisor.resume does."""
        with suppress(SessionEnded, SessionNotFound):
            self._recovery.bring(snapshot.session_id)
            session = self._table.find(snapshot.session_id).session
            if session.user != snapshot.user:
                raise SnapshotRefused("it is of another user")
            return _go_on(session, snapshot), False
        stamps = Stamps(self._clock.monotonic())
        presentation = self._probe(snapshot.media, snapshot.settings.segment_length, stamps)
        judge_file(snapshot, presentation)
        times = snapshot.position, snapshot.settings.idle_timeout
        session, new = self._open(Wanted(presentation, snapshot.user, *times, stamps, snapshot=snapshot))
        return session if new else _go_on(session), new

    # ---- within

    def _probe(self, media: str | Path, segment_length: float | None, stamps: Stamps) -> Presentation:
        """Return the presentation of a file, and stamp the phases of finding it."""
        now, settings = self._clock.monotonic, self._settings
        presentation = self._presentations.of(
            self._media_roots.find(media),
            settings.segment_length if segment_length is None else segment_length,
            copy=settings.copy_streams,
            on_probed=lambda: stamps.reach(PROBE, now()),
        )
        stamps.reach(TIMELINE, now())
        return presentation

    def _open(self, wanted: Wanted) -> tuple[Session, bool]:
        if self._stop.begun:
            raise Unavailable(STOPPING)
        if (found := self._already_open(wanted)) is not None:
            return found, False
        with self._one_at_a_time(wanted.user):
            if (same := self._same_as(wanted)) is not None:
                return same.session, False
            self._admission.let_in(wanted.user, wanted.path)
            entry = self._factory.make(self._spec(wanted), wanted.idle_timeout)
            self._begin(entry)
            wanted.stamps.reach(OPEN, self._clock.monotonic())
            entry.record.awaited.opened(wanted.stamps)
        if wanted.prepare:
            entry.session.prepare()
        self._read_whole(wanted)
        return entry.session, True

    def _already_open(self, wanted: Wanted) -> Session | None:
        """Return the session in which this user watches this file, without waiting for others that are opened."""
        if wanted.user is None:
            return None
        self._recovery.bring_those_of(wanted.user, str(wanted.path))
        while (found := self._table.watched_by(wanted.user, wanted.path)) is not None:
            if self._is_of_another_film(found, wanted):
                return None
            with suppress(SessionEnded, SessionNotFound):  # it ended just now, and is in the table no more
                found.session.heartbeat()
                return found.session
        return None

    def _same_as(self, wanted: Wanted) -> Entry | None:
        """Return the entry of this user and file, or the one that goes on from the same snapshot."""
        if wanted.user is not None and (found := self._table.watched_by(wanted.user, wanted.path)) is not None:
            if not self._is_of_another_film(found, wanted):
                return found
            why = str(FileChanged(str(wanted.path)))
            if not found.fail(why):
                found.complete(why)
            self._tree.end(found)
        if wanted.snapshot is None:
            return None
        # A caller that did not hear the answer asks again.
        return self._table.successor_of(wanted.snapshot.session_id, wanted.user, wanted.path)

    @staticmethod
    def _is_of_another_film(entry: Entry, wanted: Wanted) -> bool:
        """Whether a session plays what the file held before it was replaced. A recording that grows is the same."""
        before, now = version_of(entry.session.presentation.media), version_of(wanted.presentation.media)
        return before != now and not grew(before, now)

    @contextmanager
    def _one_at_a_time(self, user: str | None) -> Iterator[None]:
        """Hold the lock of opening, once sessions of an earlier daemon that may take the last places are back.

        They are waited for, because they had their places first. Where only the limit of a user may be reached, those
        of the user are.

        Raises:
            Unavailable: they cannot be brought back, because the supervisor stops.
        """
        for _ in range(ATTEMPTS):
            with self._table.opening:
                returning, settings = len(self._recovery), self._settings
                full = len(self._table) + returning >= settings.max_sessions
                is_limited = user is not None and settings.max_sessions_per_user is not None
                concerns = full or (is_limited and self._recovery.has_any_of(user))
                if not (returning and concerns):
                    yield
                    return
            if full or user is None:
                self._recovery.bring_all()
            else:
                self._recovery.bring_those_of(user)
        raise Unavailable("Sessions of an earlier daemon are not back yet.")

    def _spec(self, wanted: Wanted) -> SessionSpec:
        settings, snapshot = self._settings, wanted.snapshot
        return SessionSpec(
            session_id=str(uuid4()),
            user=wanted.user,
            presentation=wanted.presentation,
            directory=new_directory(self._segments_dir),
            created_at=datetime.fromtimestamp(self._clock.time(), UTC),
            idle_timeout=wanted.idle_timeout or settings.idle_timeout,
            segment_length=settings.segment_length if snapshot is None else snapshot.settings.segment_length,
            copy_streams=settings.copy_streams,
            share=wanted.share and settings.share_segments,
            resumed_from=snapshot,
            start_at=min(max(0.0, wanted.start_at), float(wanted.presentation.media.duration)),
        )

    def _begin(self, entry: Entry) -> None:
        self._table.add(entry)
        self._factory.update(entry)  # the settings may have changed since it was made
        self._recorder.opened(entry.spec, entry.record)
        self._tree.open(entry)

    def _read_whole(self, wanted: Wanted) -> None:
        """Have the whole file read if its index does not say where its frames are; the next viewer may get a copy."""
        video = wanted.presentation.media.video
        if video is not None and video.unread:
            # The session is there already. If the file has gone or changed meanwhile, the session says so.
            with suppress(MediaNotFound, NotPlayable, Unavailable):
                self._prober.read_whole(wanted.path)


def _go_on(session: Session, snapshot: Snapshot | None = None) -> Session:
    """Resume a session; one that is not paused is left as it is."""
    with suppress(IllegalTransition):
        session.resume(snapshot)
    return session
