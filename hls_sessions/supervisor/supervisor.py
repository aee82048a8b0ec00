"""The supervisor: opens, finds, lists and closes sessions, and says how it is. Media servers embed it.

It is a facade: the work is done by the collaborators of its ``Runtime``, each of which has one job.
"""

from __future__ import annotations

import logging
import threading
from contextlib import contextmanager, nullcontext, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from hls_sessions.errors import SessionEnded, SessionNotFound, ThumbnailFailed, Unavailable
from hls_sessions.ffmpeg import SOFTWARE, find, inspect_binary
from hls_sessions.live import KINDS, Recording
from hls_sessions.otp import SystemClock
from hls_sessions.segments import free_bytes
from hls_sessions.session import Reconfigured
from hls_sessions.settings import LONGEST, Settings
from hls_sessions.supervisor.bus import LIMIT, E, EventBus
from hls_sessions.supervisor.graceful_stop import GracefulStop
from hls_sessions.supervisor.janitor import PATIENCE
from hls_sessions.supervisor.media_browser import thumbnails_for
from hls_sessions.supervisor.media_roots import MediaRoots
from hls_sessions.supervisor.migration import Migration
from hls_sessions.supervisor.monitoring.monitor import health_without_a_start
from hls_sessions.supervisor.reaper import reap
from hls_sessions.supervisor.runtime import Runtime
from hls_sessions.supervisor.stream import Stream
from hls_sessions.supervisor.tree import KILL_AFTER

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from pathlib import Path
    from types import TracebackType
    from typing import Self

    from hls_sessions.ffmpeg import Binary, Encoder, Workers
    from hls_sessions.live import RecordedFile
    from hls_sessions.media import Presentation, Sheet, Thumbnails
    from hls_sessions.otp import Clock, Reply
    from hls_sessions.session import Session, Snapshot, Transition
    from hls_sessions.supervisor.bulk import Changes, Outcome
    from hls_sessions.supervisor.bus import Subscription
    from hls_sessions.supervisor.filter import Filter
    from hls_sessions.supervisor.janitor import Sweep
    from hls_sessions.supervisor.media_browser import Listing
    from hls_sessions.supervisor.monitoring import Health, Hour, Stats
    from hls_sessions.supervisor.recordings import KeptRecording
    from hls_sessions.supervisor.tree import ProcessNode

logger = logging.getLogger(__name__)

LONGEST_NAME = 256
"""Characters a user's name may have."""


class Supervisor:
    """Opens, finds, lists and closes sessions. Use it as a context manager, or ``start`` and ``stop`` it.

    Any thread may use it. Between ``start`` and ``stop`` it owns every process and directory of its sessions;
    after ``stop`` there is none left.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        clock: Clock | None = None,
        free_bytes: Callable[[Path], int | None] = free_bytes,
        workers: Workers | None = None,
        **options: Any,
    ) -> None:
        """Prepare a supervisor.

        Args:
            settings: all settings; by default those of the environment.
            clock: what time it is; tests hand in a manual one.
            free_bytes: how many bytes may still be written to the disk of a folder, None for unknown; tests hand in
                a disk of their own.
            workers: the parent of its worker processes, which outlives it; tests share one, because it takes half a
                second to warm up. By default it has one of its own.
            options: single settings, by name.

        Raises:
            FfmpegNotFound: there is no usable ffmpeg.
            SandboxUnusable: the sandbox is required, and something of it does not hold here.
            NotADirectoryError: a media root is not a folder.
            pydantic.ValidationError: a setting has no such value.
        """
        self.settings = Settings(**(options if settings is None else settings.model_dump() | options))
        self.binary: Binary = inspect_binary(find(self.settings.ffmpeg)).confined(self.settings.sandbox)
        self.media_roots = MediaRoots(self.settings.media)
        self.clock: Clock = clock or SystemClock()
        self._free_bytes = free_bytes
        self._workers = workers
        self._bus = EventBus()
        self._graceful_stop = GracefulStop()
        self._changing = threading.Lock()
        """Held while it starts, while it stops, and while its settings change."""
        self._runtime: Runtime | None = None
        """The latest; it is kept when it was stopped, because it knows how sessions ended."""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"<Supervisor [{len(self.sessions())} sessions]>"

    # ---- start and stop

    def start(self) -> None:
        """Clear away the leftovers of earlier daemons, find out which encoder works here, and begin.

        Raises:
            EncoderUnusable: the encoder that is set does not work here.
            StorageFailed: the segments directory cannot be made.
            StateUnusable: the state directory cannot be made or written to, or another daemon uses it.
            Unavailable: it runs already.
        """
        with self._changing:
            if self._runtime is not None and not self._runtime.is_over:
                raise Unavailable("The supervisor runs already.")
            self._graceful_stop = GracefulStop()
            self._runtime = Runtime(
                settings=self.settings,
                binary=self.binary,
                media_roots=self.media_roots,
                clock=self.clock,
                bus=self._bus,
                close=self.close,
                graceful_stop=self._graceful_stop,
                free_bytes=self._free_bytes,
                workers=self._workers,
            )

    def when_over(self, callback: Callable[[], None]) -> None:
        """Have a callback called when its processes have ended: by ``stop``, or because they crashed too often.

        Raises:
            Unavailable: the supervisor does not run.
        """
        self._running().tree.root.on_exit(lambda *_: callback())

    def wind_down(self) -> int:
        """Take no new sessions, end the streams, and let viewers that wait for a file be answered; then ``stop`` it.

        Files on disk can still be had; a caller that asks for more is answered with Unavailable. Returns when no viewer
        waits any more or ``shutdown_timeout`` is over, with the number of those that still wait.
        """
        runtime = self._runtime
        return runtime.wind_down() if runtime is not None and runtime.is_running else 0

    def hurry(self) -> None:
        """Have the current or next stop wait for nothing: processes that still run are killed."""
        self._graceful_stop.hurry()

    def stop(self) -> None:
        """Stop, and return when no process or thread is left. Idempotent.

        With a state folder the sessions are left to the next start, with their directories: they go on there under
        the same id. Without one, or where ``drain`` is set, every session is ended, and no directory is left either.
        """
        with self._changing:
            if self._runtime is not None:
                self._runtime.stop()

    def reconfigure(self, /, **changes: Any) -> Settings:
        """Change settings while it runs, all or none of them, and return the new settings. Any thread may call it.

        Sessions go by the new values at once; a time that was given to a session alone stays. Lowering
        ``max_sessions`` clears away the sessions whose time has run out, and cuts off none that is watched.

        Raises:
            SettingsRefused: there is no such setting or value, or one cannot change while it runs; says which.
        """
        with self._changing:
            before, self.settings = self.settings, self.settings.changed(**changes)
            new = {name: getattr(self.settings, name) for name in sorted(changes)}
            new = {name: value for name, value in new.items() if value != getattr(before, name)}
            if new and self._runtime is not None and not self._runtime.is_over:
                self._runtime.reconfigure(self.settings)
        if new:
            logger.info("settings changed: %s", new)
            self._bus.publish(Reconfigured(at=datetime.fromtimestamp(self.clock.time(), UTC), settings=new))
        if self.is_running and self.settings.max_sessions < before.max_sessions:
            with suppress(Unavailable):  # it does not answer: the reaper will ask it again
                self.reap()
        return self.settings

    # ---- sessions

    def open(
        self,
        media: str | Path,
        user: str | None = None,
        *,
        start_at: float = 0.0,
        idle_timeout: float | None = None,
        share: bool = True,
        prepare: bool | None = None,
    ) -> Session:
        """Open a file for a viewer, and return their session: the one there is, else a new one.

        Args:
            media: a path relative to a media root, or absolute under one.
            user: whose session it is; None for a session that is shared with nobody.
            start_at: seconds from the beginning at which a new session's viewer wants to begin.
            idle_timeout: seconds without anything after which it expires; by default the setting.
            share: whether a new session shares its segments with others of this file, if the settings allow it.
            prepare: whether the first segments of a new session are made before a player asks; by default the setting.

        Raises:
            MediaNotFound, OutsideRoots, NotPlayable: the file cannot be opened.
            CapacityExceeded: there are as many sessions as there may be; says when to ask again.
            StorageFailed: its directory cannot be made.
            Unavailable: the supervisor does not run.
            ValueError: ``idle_timeout`` is no positive number, or ``user`` no name of 1 to 256 characters.
        """
        return self.open_or_find(
            media, user, start_at=start_at, idle_timeout=idle_timeout, share=share, prepare=prepare
        )[0]

    def open_or_find(
        self,
        media: str | Path,
        user: str | None = None,
        *,
        start_at: float = 0.0,
        idle_timeout: float | None = None,
        share: bool = True,
        prepare: bool | None = None,
    ) -> tuple[Session, bool]:
        """Do as ``open`` does, and say also whether the session is new."""
        runtime = self._running()
        _judge(user, idle_timeout)
        return runtime.opening.open(media, user, start_at, idle_timeout, share=share, prepare=prepare)

    def record(
        self,
        user: str | None = None,
        *,
        title: str | None = None,
        mime: str | None = None,
        source: str | None = None,
        idle_timeout: float | None = None,
        low_latency: bool | None = None,
    ) -> Recording:
        """Begin a recording, to which a source writes and which viewers can watch while it arrives.

        Args:
            user: whose it is; None for nobody's.
            title: what it is called.
            mime: the media type of what will come.
            source: an address to fetch it from (rtsp, rtmp, srt, http, udp); None where its source sends it.
            idle_timeout: seconds after which it expires when nobody sends and nobody watches; by default the setting.
            low_latency: whether it is offered in parts of half a second (RFC 8216bis-20); by default the setting.

        Raises:
            SourceRefused: the settings do not allow that source.
            CapacityExceeded: there are as many sessions as there may be; says when to ask again.
            StorageFailed: its directory cannot be made.
            Unavailable: the supervisor does not run.
            ValueError: ``idle_timeout`` is no positive number, or ``user`` no name of 1 to 256 characters.
        """
        runtime = self._running()
        _judge(user, idle_timeout)
        return runtime.recordings.open(
            user=user, title=title, mime=mime, source=source, idle_timeout=idle_timeout, low_latency=low_latency
        )

    def open_recording(
        self,
        recording_id: str,
        user: str | None = None,
        *,
        start_at: float = 0.0,
        idle_timeout: float | None = None,
        share: bool = True,
        prepare: bool | None = None,
    ) -> tuple[Session, bool]:
        """Return a session in which a recording can be watched, and whether it is new.

        One that goes on is watched in its own session. One whose session has ended is opened as any film is; only the
        first stream of its source, where others are unlike it.

        Args:
            recording_id: the recording.
            user: as of ``open``.
            start_at: as of ``open``.
            idle_timeout: as of ``open``.
            share: as of ``open``.
            prepare: as of ``open``.

        Raises:
            RecordingNotFound: there is no such recording, or nothing has arrived of it.
            NotPlayable, CapacityExceeded, StorageFailed, Unavailable, ValueError: as ``open`` does.
        """
        runtime = self._running()
        with suppress(SessionEnded, SessionNotFound):
            return self.find(recording_id), False
        _judge(user, idle_timeout)
        film = runtime.recordings.film(recording_id)
        return runtime.opening.open(film, user, start_at, idle_timeout, share=share, prepare=prepare)

    def recordings(self) -> list[KeptRecording]:
        """Return all recordings that are kept, the oldest first, whether or not they go on.

        Raises:
            Unavailable: the supervisor does not run.
        """
        return self._running().recordings.all()

    def recording(self, recording_id: str) -> KeptRecording:
        """Return one of them.

        Raises:
            RecordingNotFound: there is no such recording.
            StorageFailed: it cannot be read.
            Unavailable: the supervisor does not run.
        """
        return self._running().recordings.one(recording_id)

    def recording_files(self, recording_id: str) -> tuple[RecordedFile, ...]:
        """Return the files that there are of a recording, whether or not it still goes on.

        Those that have arrived come first, one for each part, and then those that were made of them.

        Raises:
            RecordingNotFound: there is no such recording.
            StorageFailed: it cannot be read.
            Unavailable: the supervisor does not run.
        """
        return self._running().recordings.files(recording_id)

    def export_recording(self, recording_id: str, kind: str = "video", part: int | None = None) -> Path:
        """Return a file made of what has arrived of a recording, also while it goes on; made once for what there is.

        Args:
            recording_id: the recording.
            kind: ``video`` (MP4 or Matroska, the same packets), ``audio`` (M4A), ``wav`` or ``subtitles`` (WebVTT).
            part: which stream of its source, where that came back with another; None for all, one after another.

        Raises:
            RecordingNotFound, SegmentNotFound: there is no such recording, or no such part.
            NotPlayable: there is nothing of that kind in it, or its parts are not alike.
            StorageFailed: there is no room for it.
            Unavailable: the supervisor does not run, or no process can make it now.
            ValueError: there is no such kind.
        """
        if kind not in KINDS:
            raise ValueError(f"A file is one of {', '.join(KINDS)}, not {kind!r}.")
        return self._running().recordings.export(recording_id, kind, part)

    def delete_recording(self, recording_id: str) -> None:
        """End a recording if it still goes on, and delete all that was recorded.

        Raises:
            RecordingNotFound: there is none of this id.
            Unavailable: the supervisor does not run.
        """
        self._running().recordings.delete(recording_id)

    def resume(self, snapshot: Snapshot) -> Session:
        """Go on from a snapshot, also of a session that has ended or was an earlier daemon's; return the session.

        A session that is paused goes on as the snapshot says. If the session is gone, the one that its user has of the
        file is returned, or else a new one that begins at that position.

        Raises:
            SnapshotRefused: the snapshot is not of this file, or of that session.
            MediaNotFound, OutsideRoots, NotPlayable: the file cannot be opened.
            CapacityExceeded: there are as many sessions as there may be.
            StorageFailed: its directory cannot be made.
            Unavailable: the supervisor does not run.
        """
        return self.resume_or_open(snapshot)[0]

    def resume_or_open(self, snapshot: Snapshot) -> tuple[Session, bool]:
        """Do as ``resume`` does, and say also whether the session is new."""
        return self._running().opening.resume(snapshot)

    def find(self, session_id: str) -> Session:
        """Return a session.

        Raises:
            SessionEnded: it failed or expired; says when and why.
            SessionNotFound: there is none of this id.
        """
        return self._bring(session_id).table.find(session_id).session

    def is_returning(self, session_id: str) -> bool:
        """Whether this is a session of an earlier daemon that is not back yet, so that finding it takes a moment."""
        return self._runtime is not None and session_id in self._runtime.recovery

    @property
    def are_returning(self) -> bool:
        """Whether sessions of an earlier daemon are not back yet."""
        return self._runtime is not None and len(self._runtime.recovery) > 0

    def wait_for_the_returning(self, timeout: float) -> bool:
        """Return when all sessions of an earlier daemon are back, or have ended; False when that takes longer.

        Sessions that are not back yet are not listed. Each can be found by its id or by opening its file.
        """
        return self._runtime is None or self._runtime.recovery.wait(timeout)

    def sessions(self, user: str | None = None) -> list[Session]:
        """Return all sessions, or one user's, the oldest first."""
        entries = [] if self._runtime is None else self._runtime.table.all()
        return [entry.session for entry in entries if user is None or entry.spec.user == user]

    def close(self, session_id: str) -> None:
        """End a session, and return when everything it cost is gone.

        Raises:
            SessionEnded, SessionNotFound: there is none of this id.
        """
        runtime = self._bring(session_id)
        entry = runtime.table.complete(session_id, "its viewer or an operator stopped it")
        if not runtime.is_over:
            runtime.tree.end(entry)

    def find_many(self, wanted: Filter) -> list[Session]:
        """Return all sessions that a filter matches at this moment, the oldest first. This does not count as activity.

        Raises:
            Unavailable: the supervisor does not run.
        """
        return self._running().bulk.find(wanted)

    def stop_many(self, wanted: Filter) -> list[Outcome]:
        """End all sessions that a filter matches, as ``close`` does, and return the outcome of each.

        A session that no longer matches when its turn comes is left as it is. A failure of one does not affect the
        others.

        Raises:
            Unavailable: the supervisor does not run.
        """
        runtime = self._running()
        return runtime.bulk.stop(wanted, "an operator stopped it", runtime.tree.end)

    def pause_many(self, wanted: Filter) -> list[Outcome]:
        """Pause all sessions that a filter matches, and return the outcome of each. This does not count as activity.

        Raises:
            Unavailable: the supervisor does not run.
        """
        return self._running().bulk.pause(wanted)

    def update_many(self, wanted: Filter, changes: Changes) -> list[Outcome]:
        """Change all sessions that a filter matches, and return the outcome of each.

        Raises:
            Unavailable: the supervisor does not run.
        """
        return self._running().bulk.update(wanted, changes)

    def history(self, session_id: str) -> tuple[Transition, ...]:
        """Return every step of a session's life, the oldest first; of an ended one, as long as it is kept.

        Raises:
            SessionNotFound: there is none of this id.
        """
        runtime = self._bring(session_id)
        try:
            return runtime.table.find(session_id).record.history
        except (SessionEnded, SessionNotFound):
            if runtime.is_running and (steps := runtime.recorder.past_steps(session_id)):
                return steps
            raise SessionNotFound(session_id) from None

    def reap(self) -> list[str]:
        """Run one cycle of the reaper now; return the ids of the sessions it ended when all that they used is freed.

        A test that lets time pass on a clock of its own needs only this call to have it take effect.

        Raises:
            Unavailable: the supervisor does not run, or a session did not answer in time.
        """
        return reap(self._running().table, KILL_AFTER)

    # ---- the files, and pictures of them

    def browse(self, folder: str = "", search: str = "") -> Listing:
        """List a folder under the media roots, or find files in it and below by the words of their path.

        Args:
            folder: absolute; empty for the media roots.
            search: words; empty for none.

        Raises:
            MediaNotFound, OutsideRoots: there is no such folder.
            Unavailable: its storage does not answer, or the supervisor does not run.
        """
        return self._running().browser.browse(folder, search)

    def ask_poster(self, media: str) -> Reply[bytes]:
        """Ask for a JPEG of a scene of a file; probing the file is waited for.

        Raises:
            MediaNotFound, OutsideRoots, NotPlayable: the file cannot be opened.
            ThumbnailFailed: it has no video.
            Unavailable: its storage does not answer, or the supervisor does not run.
        """
        return self._running().browser.ask_poster(media)

    def thumbnail(self, session_id: str, at: float) -> bytes:
        """Return a JPEG of a session's film: the keyframe at or before a position, in seconds from the beginning.

        Raises:
            SessionEnded, SessionNotFound: there is no such session.
            ThumbnailFailed: there is no picture, or it is a recording that still goes on.
            Unavailable: the storage of the film does not answer.
        """
        return self.ask_thumbnails(self.find(session_id), lambda thumbnails: thumbnails.at(at)).get()

    def ask_thumbnails(self, session: Session, chosen: Callable[[Thumbnails], Sheet]) -> Reply[bytes]:
        """Ask for a JPEG of thumbnails of a session's film. Cancel the reply if it is not wanted any more.

        Raises:
            ThumbnailFailed: it has no video, or is a recording that still goes on.
            Unavailable: the supervisor does not run.
        """
        runtime = self._running()
        if isinstance(session, Recording):
            raise ThumbnailFailed(session.title, "the recording still goes on")
        facts = session.presentation.media
        return runtime.browser.thumbnails.ask(facts, chosen(thumbnails_for(facts)))

    # ---- events

    @contextmanager
    def stream(
        self, session_id: str | None = None, *, subscribe: bool = True, kinds: Collection[str] | None = None
    ) -> Iterator[Stream]:
        """Listen to one session's events, or to all, in an event loop: ``async for event in stream``.

        The stream ends with the session, when the supervisor stops, or when a thousand events wait because its reader
        is too slow.

        Args:
            session_id: whose; all when omitted.
            subscribe: whether a listener to one session counts as its subscriber, which keeps it from expiring.
            kinds: the names of the events that are wanted; all when omitted.

        Raises:
            SessionEnded, SessionNotFound: there is no such session.
            Unavailable: the supervisor does not run.
        """
        runtime = None if session_id is None else self._bring(session_id)
        stream = Stream(session_id, kinds=kinds)
        self._bus.join(stream)
        try:
            if runtime is None or session_id is None:
                yield stream
                return
            session = runtime.table.find(session_id).session
            with session.subscribed() if subscribe else nullcontext():
                yield stream
        finally:
            self._bus.leave(stream)

    def subscribe(self, event: type[E] | str, callback: Callable[[E], object], *, limit: int = LIMIT) -> Subscription:
        """Have a callback called with every event of a kind: ``subscribe(SegmentReady, print)``.

        It is called in a thread of its own, with one event after the other, in the order in which they happened. An
        error that it raises is logged and goes no further. A callback that is so slow that ``limit`` events wait for it
        misses the next ones, and its subscription counts them. Subscribe before ``start`` to miss nothing; ``stop``
        delivers the events that wait.

        Args:
            event: a kind of event or its name: ``started``, ``state_changed``, ``segment_ready``, ``restarted``,
                ``evicted``, ``updated``, ``reconfigured`` or ``ended``; ``Event`` for all of them.
            callback: is called with each event.
            limit: how many events may wait.

        Raises:
            ValueError: there is no such event.
        """
        return self._bus.subscribe(event, callback, limit)

    def unsubscribe(self, subscription: Subscription) -> None:
        """Call a callback no more."""
        self._bus.unsubscribe(subscription)

    # ---- looking

    def probe(self, media: str | Path) -> Presentation:
        """Return the presentation that a session of a file would have, without opening one.

        Raises:
            MediaNotFound, OutsideRoots, NotPlayable: the file cannot be opened.
        """
        return self._running().opening.probe(media)

    # ---- how it is

    @property
    def encoder(self) -> Encoder:
        """The encoder that makes video; found out at the start."""
        return SOFTWARE if self._runtime is None else self._runtime.encoder

    @property
    def started_at(self) -> float | None:
        """Wall clock time of the latest ``start``, in seconds since the epoch."""
        return None if self._runtime is None else self._runtime.started_at

    def hour(self) -> Hour:
        """Return the figures of the last hour, one sample for every ten seconds.

        Raises:
            Unavailable: the supervisor does not run.
        """
        return self._running().monitor.trend.hour()

    def processes(self) -> ProcessNode:
        """Return the tree of processes as it is now.

        Raises:
            Unavailable: the supervisor does not run, or one of its processes does not answer.
        """
        return self._running().tree.look()

    def stats(self) -> Stats:
        """Return figures over all sessions that are known. Asks every session, and reads the history.

        Raises:
            Unavailable: the supervisor does not run.
        """
        return self._running().monitor.stats()

    def health(self) -> Health:
        """Say whether it can do its work. Asks every session, and looks at the disk."""
        runtime = self._runtime
        if runtime is None or not runtime.is_running:
            return health_without_a_start(self.binary, self.settings)
        return runtime.monitor.health()

    def metrics(self, accept: str = "") -> tuple[bytes, str]:
        """Return the figures for Prometheus, and their content type.

        Args:
            accept: the formats that are understood, as an HTTP Accept header says it.

        Raises:
            Unavailable: the supervisor does not run.
        """
        return self._running().monitor.metrics(accept)

    def tidy(self) -> Sweep:
        """Have the janitor sweep now, and return that when it is over.

        Raises:
            Unavailable: the supervisor does not run, or the janitor crashed.
        """
        return self._running().tree.sweep(2 * PATIENCE)

    @property
    def is_running(self) -> bool:
        """Whether it takes sessions."""
        return self._runtime is not None and self._runtime.is_running

    # ---- in a cluster

    @property
    def migration(self) -> Migration:
        """Moves sessions from other daemons and to them.

        Raises:
            Unavailable: the supervisor does not run.
        """
        return Migration(self._running())

    # ---- within

    def _running(self) -> Runtime:
        if self._runtime is None or not self._runtime.is_running:
            raise Unavailable("The supervisor does not run.")
        return self._runtime

    def _bring(self, session_id: str) -> Runtime:
        """Return the latest runtime, with this session back if it is one of an earlier daemon."""
        if self._runtime is None:
            raise SessionNotFound(session_id)
        self._runtime.recovery.bring(session_id)
        return self._runtime


def _judge(user: str | None, idle_timeout: float | None) -> None:
    """Refuse what no session can have.

    Raises:
        ValueError: ``idle_timeout`` is no positive number, or ``user`` no name of 1 to 256 characters.
    """
    if user is not None and (not isinstance(user, str) or not 0 < len(user) <= LONGEST_NAME):  # type: ignore[redundant-expr] # not all callers are type-checked
        raise ValueError(f"A user is named by up to {LONGEST_NAME} characters, not by {user!r:.99}.")
    if idle_timeout is not None and not 0 < idle_timeout <= LONGEST:
        raise ValueError(f"idle_timeout is a number of seconds up to {LONGEST:g}, not {idle_timeout}.")
