"""The supervisor: opens, finds, lists and closes sessions, and says how it is. What media servers embed."""

from __future__ import annotations

import logging
import os
import threading
from concurrent.futures import CancelledError
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version
from math import inf
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from hls_sessions.encoding import Limits, Scheduler, Watcher
from hls_sessions.errors import (
    IllegalTransition,
    SessionEnded,
    SessionError,
    SessionNotFound,
    SnapshotRefused,
    StorageFailed,
    Unavailable,
)
from hls_sessions.ffmpeg import SOFTWARE, Prober, SubtitleReader, Workers, choose_encoder, examine, find
from hls_sessions.otp import (
    Registry,
    StartError,
    SystemClock,
    Timers,
)
from hls_sessions.segments import Budget, Quota, SegmentDirectory, end_processes, free_bytes, orphans
from hls_sessions.session import (
    IdleCheck,
    Reconfigured,
    Services,
    Session,
    SessionRecord,
    SessionSpec,
    Snapshot,
    Transition,
    judge_file,
)
from hls_sessions.settings import Settings
from hls_sessions.supervisor.admission_control import AdmissionControl
from hls_sessions.supervisor.bulk import BulkOperations
from hls_sessions.supervisor.bus import LIMIT, E, EventBus
from hls_sessions.supervisor.graceful_stop import GracefulStop
from hls_sessions.supervisor.janitor import Round
from hls_sessions.supervisor.media_roots import MediaRoots
from hls_sessions.supervisor.monitoring.health import Health, Load, Upkeep, health_of
from hls_sessions.supervisor.monitoring.stats import Stats, stats_of
from hls_sessions.supervisor.monitoring.survey import Survey, survey
from hls_sessions.supervisor.presentations import Presentations
from hls_sessions.supervisor.recovery import CannotGoOn, Returning, as_before
from hls_sessions.supervisor.sessions import Entry, SessionTable
from hls_sessions.supervisor.stream import Stream
from hls_sessions.supervisor.tree import KILL_AFTER, STOPPED, Chores, Tree

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path
    from types import TracebackType
    from typing import Self

    from hls_sessions.ffmpeg import Binary, Encoder
    from hls_sessions.media import Presentation
    from hls_sessions.otp import Clock
    from hls_sessions.session import Event
    from hls_sessions.store import Retention, SessionRow, Store
    from hls_sessions.supervisor.bulk import Changes, Outcome
    from hls_sessions.supervisor.bus import Subscription
    from hls_sessions.supervisor.filter import Filter
    from hls_sessions.supervisor.recorder import Recorder

logger = logging.getLogger(__name__)

FEWEST_ENCODERS = 4
"""How many encoders may run on the smallest machine: two viewers' picture and sound."""

ATTEMPTS = 3
"""How often sessions of an earlier daemon are waited for that may take the last places."""

LONGEST_NAME = 256
"""Characters a user's name may have."""

LOOK = 1.0
"""Seconds all sessions together have to say how they are; who says nothing counts as stuck."""

PATIENCE = 10.0
"""Seconds the janitor waits until the history has forgotten what it is to."""

_STOPPING = "The supervisor is stopping."
_COMPLETED = "the supervisor stopped"


class Supervisor:
    """Opens, finds, lists and closes sessions. Use it as a context manager, or ``start`` and ``stop`` it.

    Any thread may use it. Between ``start`` and ``stop`` it owns every process and directory of its sessions;
    after ``stop`` there is none left.
    """

    def __init__(self, settings: Settings | None = None, *, clock: Clock | None = None, **options: Any) -> None:
        """Prepare a supervisor.

        Args:
            settings: all settings; by default those of the environment.
            clock: what time it is; tests hand in a manual one.
            options: single settings, by name.

        Raises:
            FfmpegNotFound: there is no usable ffmpeg.
            NotADirectoryError: a media root is not a folder.
            pydantic.ValidationError: a setting has no such value.
        """
        self.settings = Settings(**(options if settings is None else settings.model_dump() | options))
        self.binary: Binary = examine(find(self.settings.ffmpeg))
        self.encoder: Encoder = SOFTWARE
        """What pictures are encoded with; found out at the start."""
        self.media_roots = MediaRoots(self.settings.media)
        self.clock: Clock = clock or SystemClock()
        self.started_at: float | None = None
        """Wall clock time of ``start``, in seconds since the epoch."""
        self._registry = Registry()
        self._bus = EventBus()
        self._table = SessionTable(self._why_not)
        self._admission = AdmissionControl(self._table, self.clock, self.settings)
        self._many = BulkOperations(self._table, self.media_roots, self.clock, self._registry)
        self._opening = threading.Lock()
        """Held while a session is opened, so that two opens of one viewing give one session."""
        self._changing = threading.Lock()
        """Held while it starts, while it stops, and while its settings change."""
        self._tree: Tree | None = None
        self._round: Round | None = None
        """The janitor's last."""
        self._returning = Returning((), self._bring_back)
        self._stopping = GracefulStop()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"<Supervisor [{len(self._table)} sessions]>"

    # ---- its own life

    def start(self) -> None:
        """Clear away what an earlier life left, find out which encoder works here, and begin.

        Raises:
            EncoderUnusable: the encoder that is set does not work here.
            StorageFailed: the segments directory cannot be made.
            StateUnusable: the state directory cannot be made or written to, or another daemon uses it.
            Unavailable: it runs already.
        """
        with self._changing:
            if self._tree is not None:
                raise Unavailable("The supervisor runs already.")
            self._stopping = GracefulStop()
            self._admission.follow(self.settings)
            self._open_segments_dir()
            self.encoder = choose_encoder(self.binary, self.settings.encoder)
            logger.info("pictures are encoded with %s", self.encoder)
            self._workers = Workers()
            self._open_history()
            self._workers.warm_up()
            self._subtitles = SubtitleReader(self._workers, self.settings.subtitle_timeout)
            self._bus.start()
            try:
                self._sweep()
                self._tree = self._start_tree()
            except BaseException:
                self._workers.close()
                self._store.close()
                raise
            self._tree.root.on_exit(lambda *_: self._tell_all(STOPPED))
            self.started_at = self.clock.time()
            self._returning.begin()

    def when_over(self, callback: Callable[[], None]) -> None:
        """Have a callback called when its processes have ended: by ``stop``, or because they crashed too often.

        Raises:
            Unavailable: the supervisor does not run.
        """
        self._running().root.on_exit(lambda *_: callback())

    def wind_down(self) -> int:
        """Take no new sessions, tell the streams, and let viewers who wait for a file be answered; then ``stop`` it.

        What is on disk can still be had; who asks for more is answered with Unavailable. Returns when nobody waits
        any more or ``shutdown_timeout`` is over, with how many still do.
        """
        if not self.is_running:
            return 0
        self._stopping.begun = True
        self._bus.end_streams()
        why = Unavailable(_STOPPING)
        held = [reply for session in self.sessions() for reply in session.take_no_more(why)]
        return self._stopping.wait_for(held, self.settings.shutdown_timeout)

    def hurry(self) -> None:
        """Have a stop that is under way, or comes, wait for nothing: what still runs is killed."""
        self._stopping.hurry()

    def stop(self) -> None:
        """Stop, and return when no process or thread is left. Idempotent.

        With a state folder the sessions are left to the next start, with their directories: they go on there under
        the same id. Without one, or where ``drain`` is set, every session is ended, and no directory is left either.
        """
        with self._changing:
            tree, self._tree = self._tree, None
            if tree is None:
                return
            self._bus.end_streams()
            not_back = self._returning.end()
            self._end_or_leave(not_back)
            # Who waits is told as soon as their actor has ended, and not asked to come back to one that will not.
            self._tell_all(STOPPED)
            self._stopping.is_ending(tree.root)
            tree.stop()
            # A session that is being opened is among the entries until that has failed.
            with self._opening:
                entries = self._end_or_leave(())
            for entry in entries:
                self._table.forget(entry, Unavailable(STOPPED))
                if entry.record.state.is_final:
                    tree.clear(entry.spec)
                else:
                    end_processes(SegmentDirectory(entry.spec.directory))
            self._recorder.leave()
            tree.close()
            self._subtitles.close()
            self._prober.close()
            self._workers.close()
            self._bus.stop(self.settings.shutdown_timeout)
            self._store.close()

    def reconfigure(self, /, **changes: Any) -> Settings:
        """Change settings while it runs, all or none of them, and return what holds now. Any thread may call it.

        Sessions go by the new values at once; a time that was given to a session alone stays. Lowering
        ``max_sessions`` clears away the sessions whose time has run out, and cuts off none that is watched.

        Raises:
            SettingsRefused: there is no such setting or value, or one cannot change while it runs; says which.
        """
        with self._changing:
            before, self.settings = self.settings, self.settings.changed(**changes)
            new = {name: getattr(self.settings, name) for name in sorted(changes)}
            new = {name: value for name, value in new.items() if value != getattr(before, name)}
            if new and self._tree is not None:
                self._go_by_settings(self._tree)
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
    ) -> Session:
        """Open a file for a viewer, and return their session: the one there is, else a new one.

        Args:
            media: a path relative to a media root, or absolute under one.
            user: whose session it is; None for a session that is shared with nobody.
            start_at: seconds from the beginning at which a new session's viewer wants to begin.
            idle_timeout: seconds without anything after which it expires; by default the setting.

        Raises:
            MediaNotFound, OutsideRoots, NotPlayable: the file cannot be opened.
            CapacityExceeded: there are as many sessions as there may be; says when to ask again.
            StorageFailed: its directory cannot be made.
            Unavailable: the supervisor does not run.
            ValueError: ``idle_timeout`` is no positive number, or ``user`` no name of 1 to 256 characters.
        """
        return self.open_or_find(media, user, start_at=start_at, idle_timeout=idle_timeout)[0]

    def open_or_find(
        self,
        media: str | Path,
        user: str | None = None,
        *,
        start_at: float = 0.0,
        idle_timeout: float | None = None,
    ) -> tuple[Session, bool]:
        """Do as ``open`` does, and say also whether the session is new."""
        self._running()
        if user is not None and (not isinstance(user, str) or not 0 < len(user) <= LONGEST_NAME):  # type: ignore[redundant-expr] # not all who call are checked
            raise ValueError(f"A user is named by up to {LONGEST_NAME} characters, not by {user!r:.99}.")
        if idle_timeout is not None and not 0 < idle_timeout < inf:
            raise ValueError(f"idle_timeout is a positive number of seconds, not {idle_timeout}.")
        return self._open(self.probe(media), user, start_at, idle_timeout)

    def resume(self, snapshot: Snapshot) -> Session:
        """Go on from a snapshot, also of a session that has ended or was an earlier daemon's; return the session.

        A session that is paused goes on as the snapshot says. Where there is none any more, a new one begins at that
        position, or the one is returned that its user has of the file.

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
        self._running()
        with suppress(SessionEnded, SessionNotFound):
            session = self.find(snapshot.session_id)
            if session.user != snapshot.user:
                raise SnapshotRefused("it is of another user")
            return self._go_on(session, snapshot), False
        settings = snapshot.settings
        presentation = self._probe(snapshot.media, settings.segment_length)
        judge_file(snapshot, presentation)
        session, new = self._open(presentation, snapshot.user, snapshot.position, settings.idle_timeout, snapshot)
        return session if new else self._go_on(session), new

    @staticmethod
    def _go_on(session: Session, snapshot: Snapshot | None = None) -> Session:
        """Have a session go on; one that does not pause is left as it is."""
        with suppress(IllegalTransition):
            session.resume(snapshot)
        return session

    def _open(
        self,
        presentation: Presentation,
        user: str | None,
        start_at: float,
        idle_timeout: float | None,
        snapshot: Snapshot | None = None,
    ) -> tuple[Session, bool]:
        tree = self._running()
        if self._stopping.begun:
            raise Unavailable(_STOPPING)
        path = presentation.media.path
        if user is not None:
            self._returning.bring_those_of(user, str(path))
        while user is not None and (found := self._table.watched_by(user, path)) is not None:
            try:
                found.session.heartbeat()
            except (SessionEnded, SessionNotFound):
                continue  # it ended just now, and is in the tables no more
            return found.session, False
        with self._opening_one():
            if user is not None and (found := self._table.watched_by(user, path)) is not None:
                return found.session, False
            earlier = None if snapshot is None else snapshot.session_id
            if earlier is not None and (found := self._table.successor_of(earlier, user, path)) is not None:
                return found.session, False  # who did not hear the answer asks again
            self._admission.let_in(user, path)
            entry = self._new_entry(presentation, user, start_at, idle_timeout, snapshot)
            self._table.add(entry)
            self._follow(entry)  # the settings may have changed since it was made
            self._recorder.opened(entry.spec, entry.record)
            try:
                tree.begin(entry)
            except BaseException as error:
                entry.fail(f"it could not be started: {_start_failure(error)}")
                tree.end(entry)
                raise _start_failure(error) from error
        if presentation.media.video and presentation.media.video.unread:
            # It plays now, encoded; who opens it next may have it copied.
            self._prober.read_whole(path)
        return entry.session, True

    @contextmanager
    def _opening_one(self) -> Iterator[None]:
        """Be the only one that opens a session, when those of an earlier daemon are back that may take the last places.

        They had them first.

        Raises:
            Unavailable: they cannot be brought back, because the supervisor stops.
        """
        for _ in range(ATTEMPTS):
            with self._opening:
                returning, settings = len(self._returning), self.settings
                full = len(self._table) + returning >= settings.max_sessions
                if not returning or (not full and settings.max_sessions_per_user is None):
                    yield
                    return
            self._returning.bring_all()
        raise Unavailable("Sessions of an earlier daemon are not back yet.")

    def find(self, session_id: str) -> Session:
        """Return a session.

        Raises:
            SessionEnded: it failed or expired; says when and why.
            SessionNotFound: there is none of this id.
        """
        self._returning.bring(session_id)
        return self._table.find(session_id).session

    def is_returning(self, session_id: str) -> bool:
        """Whether this is a session of an earlier daemon that is not back yet: finding it takes a moment, then."""
        return session_id in self._returning

    @property
    def are_returning(self) -> bool:
        """Whether sessions of an earlier daemon are not back yet."""
        return len(self._returning) > 0

    def wait_for_the_returning(self, timeout: float) -> bool:
        """Return when all sessions of an earlier daemon are back, or have ended; False when that takes longer.

        Until then those that are not back are not listed. Each can be found, by its id or by opening its file.
        """
        return self._returning.wait(timeout)

    def sessions(self, user: str | None = None) -> list[Session]:
        """Return all sessions, or one user's, the oldest first."""
        return [entry.session for entry in self._table.all() if user is None or entry.spec.user == user]

    def close(self, session_id: str) -> None:
        """End a session, and return when everything it cost is gone.

        Raises:
            SessionEnded, SessionNotFound: there is none of this id.
        """
        self._returning.bring(session_id)
        entry = self._table.complete(session_id, "its viewer or an operator stopped it")
        if self._tree is not None:
            self._tree.end(entry)

    def stop_many(self, wanted: Filter) -> list[Outcome]:
        """End all sessions that are meant, as ``close`` does, and say of each what became of it.

        A session that is no longer meant when its turn comes is left as it is, and what fails with one is no matter
        of the others.

        Raises:
            Unavailable: the supervisor does not run.
        """
        return self._many.stop(wanted, "an operator stopped it", self._running().end)

    def pause_many(self, wanted: Filter) -> list[Outcome]:
        """Pause all sessions that are meant, and say of each what became of it. This is no activity of a viewer's.

        Raises:
            Unavailable: the supervisor does not run.
        """
        self._running()
        return self._many.pause(wanted)

    def update_many(self, wanted: Filter, changes: Changes) -> list[Outcome]:
        """Change all sessions that are meant, and say of each what became of it.

        Raises:
            Unavailable: the supervisor does not run.
        """
        self._running()
        return self._many.update(wanted, changes)

    def history(self, session_id: str) -> tuple[Transition, ...]:
        """Return every step of a session's life, the oldest first; of an ended one, as long as it is kept.

        Raises:
            SessionNotFound: there is none of this id.
        """
        self._returning.bring(session_id)
        try:
            return self._table.find(session_id).record.history
        except (SessionEnded, SessionNotFound):
            if self.is_running and (steps := self._recorder.past_steps(session_id)):
                return steps
            raise SessionNotFound(session_id) from None

    def reap(self) -> list[str]:
        """Run one cycle of the reaper now, and return the ids of those it ended, when everything they cost is gone.

        Tests that let time pass on a clock of their own need no more than this to have it take effect.

        Raises:
            Unavailable: the supervisor does not run, or a session did not answer in time.
        """
        self._running()
        due = [entry for entry in self._table.all() if entry.record.presence.overdue or entry.record.end]
        reaped = [entry for entry in due if entry.session.reap()]
        for entry in reaped:
            if entry.actor is not None:
                entry.actor.wait(KILL_AFTER)
        return [entry.spec.session_id for entry in reaped]

    # ---- what happens

    @contextmanager
    def stream(self, session_id: str | None = None, *, subscribe: bool = True) -> Iterator[Stream]:
        """Listen to one session's events, or to all, in an event loop: ``async for event in stream``.

        The stream ends with the session, when the supervisor stops, or when a thousand events wait because its reader
        is too slow.

        Args:
            session_id: whose; all when omitted.
            subscribe: whether who listens to one session is counted as its subscriber, which keeps it from expiring.

        Raises:
            SessionEnded, SessionNotFound: there is no such session.
            Unavailable: the supervisor does not run.
        """
        if session_id is not None:
            self._returning.bring(session_id)
        stream = Stream(session_id)
        self._bus.join(stream)
        try:
            if session_id is None:
                yield stream
                return
            entry = self._table.find(session_id)
            with self._subscribed(entry) if subscribe else nullcontext():
                yield stream
        finally:
            self._bus.leave(stream)

    @contextmanager
    def _subscribed(self, entry: Entry) -> Iterator[None]:
        presence = entry.record.presence
        presence.subscriber_came()
        try:
            yield
        finally:
            presence.subscriber_left()
            # It has less time from now on.
            if (actor := self._registry.whereis(entry.spec.session_id)) is not None:
                actor.send(IdleCheck())

    def subscribe(self, event: type[E] | str, callback: Callable[[E], object], *, limit: int = LIMIT) -> Subscription:
        """Have a callback called with every event of a kind: ``subscribe(SegmentReady, print)``.

        It is called in a thread of its own, with one event after the other, in the order in which they happened. What
        it raises is logged and goes no further. One so slow that ``limit`` events wait for it misses the next, which
        its subscription counts. Subscribe before ``start`` to miss nothing; ``stop`` lets it hear what waits.

        Args:
            event: a kind of event or its name: ``started``, ``state_changed``, ``segment_ready``, ``restarted``,
                ``evicted``, ``updated``, ``reconfigured`` or ``ended``; ``Event`` for all of them.
            callback: what is called with it.
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
        """Return what would be offered of a file, without opening a session.

        Raises:
            MediaNotFound, OutsideRoots, NotPlayable: the file cannot be opened.
        """
        return self._probe(media, self.settings.segment_length)

    def _probe(self, media: str | Path, segment_length: float) -> Presentation:
        self._running()
        return self._presentations.of(self.media_roots.find(media), segment_length, copy=self.settings.copy_streams)

    # ---- how it is

    def stats(self) -> Stats:
        """Return figures over all sessions that are known. Asks every session, and reads the history.

        Raises:
            Unavailable: the supervisor does not run.
        """
        self._running()
        return self._stats(self._look())

    def health(self) -> Health:
        """Say whether it can do its work. Asks every session, and looks at the disk."""
        return self._health(self._look())

    def metrics(self, accept: str = "") -> tuple[bytes, str]:
        """Return the figures for Prometheus, and their content type.

        Args:
            accept: the formats that are understood, as an HTTP Accept header says it.

        Raises:
            Unavailable: the supervisor does not run.
        """
        from hls_sessions.supervisor.monitoring.metrics import Figures, exposition  # noqa: PLC0415 - few processes are scraped

        self._running()
        found = self._look()
        figures = Figures(
            version=version("hls_sessions"),
            started_at=self.started_at or 0.0,
            stats=self._stats(found),
            health=self._health(found),
            totals=self._recorder.totals(),
            history=self._store.condition,
            janitor=self._round,
        )
        return exposition(figures, accept)

    def tidy(self) -> Round:
        """Have the janitor go a round now, and return it when it is over.

        Raises:
            Unavailable: the supervisor does not run, or the janitor crashed.
        """
        return self._running().go_round(2 * PATIENCE)

    @property
    def is_running(self) -> bool:
        """Whether it takes sessions."""
        return self._tree is not None and self._tree.is_alive

    # ---- within

    def _why_not(self, session_id: str) -> SessionError:
        """Return why there is no session of an id."""
        return SessionNotFound(session_id) if self.started_at is None else self._recorder.why_not(session_id)

    def _running(self) -> Tree:
        tree = self._tree
        if tree is None or not tree.is_alive:
            raise Unavailable("The supervisor does not run.")
        return tree

    def _look(self) -> Survey:
        """See how the sessions are."""
        if not self.is_running and not self._table:
            return Survey()
        return survey(self.sessions(), LOOK)

    def _stats(self, found: Survey) -> Stats:
        return stats_of(
            self._recorder.rows(),
            found,
            now=self.clock.time(),
            max_sessions=self.settings.max_sessions,
            stuck_after=self.settings.stuck_after,
        )

    def _health(self, found: Survey) -> Health:
        tree, running, settings = self._tree, self.is_running, self.settings
        load = Load(
            sessions=len(self._table) + len(self._returning),
            max_sessions=settings.max_sessions,
            encoders=tree.services.scheduler.at_work if tree else 0,
            max_encoders=settings.max_encoders,
            stuck=len(found.stuck(settings.stuck_after)),
            without_room=tree.services.quota.refused if tree else 0,
        )
        uptime = self.clock.time() - self.started_at if running and self.started_at else 0.0
        state = "stopping" if running and self._stopping.begun else "running" if running else "stopped"
        return health_of(self.binary, self._segments_dir, load, self._upkeep(), state=state, uptime=uptime)

    def _upkeep(self) -> Upkeep:
        if not self.is_running or self.started_at is None:
            return Upkeep("memory", None, None, 0.0)
        condition, last = self._store.condition, self._round
        ran_at = None if last is None else last.at
        since = self.clock.time() - (ran_at.timestamp() if ran_at else self.started_at)
        return Upkeep(condition.path or "memory", condition.trouble, ran_at, since - 2 * self.settings.janitor_interval)

    def _go_round(self) -> Round:
        """Go the janitor's round, in its thread."""
        self._recorder.refresh()
        self._recorder.tidy()
        forgotten = None
        with suppress(TimeoutError, CancelledError):  # what cannot be written now will be forgotten later
            forgotten = self._store.forget(self._retention, self.clock.time()).result(PATIENCE)
        self._round = Round(
            number=self._round.number + 1 if self._round else 1,
            at=datetime.fromtimestamp(self.clock.time(), UTC),
            sessions_forgotten=forgotten.sessions if forgotten else 0,
            probes_forgotten=forgotten.probes if forgotten else 0,
            directories_cleared=self._sweep(),
        )
        return self._round

    def _hear(self, event: Event) -> None:
        """Pass on what happens in a session's life: first to the history, which never waits."""
        self._recorder.heard(event)
        self._bus.publish(event)

    def _tell_all(self, why: str) -> None:
        """Answer all who wait for an actor to come back: none will."""
        for entry in self._table.all():
            entry.session.ended(Unavailable(why))

    def _remind(self) -> None:
        """Remind the sessions whose time has run out, in case they do not know."""
        for entry in self._table.all():
            actor = self._registry.whereis(entry.spec.session_id)
            if actor is not None and entry.record.presence.overdue:
                actor.send(IdleCheck())

    def _start_tree(self) -> Tree:
        settings = self.settings
        services = Services(
            binary=self.binary,
            encoder=self.encoder,
            watcher=Watcher(),
            subtitles=self._subtitles,
            workers=self._workers,
            clock=self.clock,
            timers=Timers(self.clock),
            limits=self._limits(),
            quota=Quota(self._budget(), lambda: free_bytes(self._segments_dir)),
            scheduler=Scheduler(self._slots()),
            encoder_idle_timeout=settings.encoder_idle_timeout,
            home=self._home if self._goes_on else None,
        )
        chores = Chores(self._remind, settings.reap_interval, self._go_round, settings.janitor_interval)
        tree = Tree(services, self._table, self._registry, chores, settings.shutdown_timeout)
        tree.start()
        return tree

    def _go_by_settings(self, tree: Tree) -> None:
        """Tell everyone whose limits and times may have changed."""
        self._retention = self._recorder.rule = self._retention_now()
        self._admission.follow(self.settings)
        tree.services.scheduler.slots = self._slots()
        tree.services.quota.follow(self._budget())
        for entry in self._table.all():
            self._follow(entry)
        times = self.settings.encoder_idle_timeout
        tree.reconfigure(replace(tree.services, limits=self._limits(), encoder_idle_timeout=times))

    def _follow(self, entry: Entry) -> None:
        entry.record.presence.follow(self.settings.idle_timeout, self.settings.subscriber_ttl)

    def _limits(self) -> Limits:
        return Limits(self.settings.max_runs, self.settings.look_ahead, self.settings.go_on_at)

    def _budget(self) -> Budget:
        return Budget(self.settings.disk_budget, self.settings.session_disk_budget)

    def _slots(self) -> int:
        return self.settings.max_encoders or max(FEWEST_ENCODERS, os.cpu_count() or 1)

    def _retention_now(self) -> Retention:
        from hls_sessions.store import Retention  # noqa: PLC0415 - as in _open_history

        settings = self.settings
        return Retention(settings.keep_failed, settings.keep_completed, settings.keep_anything, settings.keep_probes)

    def _new_entry(
        self,
        presentation: Presentation,
        user: str | None,
        start_at: float,
        idle_timeout: float | None,
        snapshot: Snapshot | None,
    ) -> Entry:
        session_id = str(uuid4())
        return self._entry_of(
            SessionSpec(
                session_id=session_id,
                user=user,
                presentation=presentation,
                directory=self._segments_dir / session_id,
                created_at=datetime.fromtimestamp(self.clock.time(), UTC),
                idle_timeout=idle_timeout or self.settings.idle_timeout,
                segment_length=self.settings.segment_length if snapshot is None else snapshot.settings.segment_length,
                copy_streams=self.settings.copy_streams,
                resumed_from=snapshot,
                start_at=min(max(0.0, start_at), float(presentation.media.duration)),
            ),
            idle_timeout,
        )

    def _entry_of(self, spec: SessionSpec, idle_timeout: float | None) -> Entry:
        record = SessionRecord(
            spec.session_id,
            self.clock,
            self._hear,
            user=spec.user,
            media=str(spec.presentation.media.path),
            idle_timeout=self.settings.idle_timeout,
            subscriber_ttl=self.settings.subscriber_ttl,
            start_at=spec.start_at,
        )
        record.presence.change(idle_timeout=idle_timeout)
        return Entry(spec, record, Session(spec, record, self._registry, self.close))

    # ---- sessions of an earlier daemon

    def _bring_back(self, row: SessionRow) -> bool:
        """Have a session of an earlier daemon go on, or end it where it cannot be what its player was told.

        False when this daemon stops, and it is left to the next.
        """
        try:
            spec = as_before(row, self._segments_dir / row.id, self.media_roots, self._presentations)
            with self._opening:
                tree = self._running()
                if self._stopping.begun:
                    raise Unavailable(_STOPPING)
                self._go_on_as(spec, row, tree)
        except Unavailable:
            return False
        except Exception as error:  # noqa: BLE001 - whatever it is, it ends this session and no other
            reason = error if isinstance(error, CannotGoOn | SessionError) else repr(error)
            why = f"it could not go on when its daemon was started again: {reason}"
            logger.warning("session %s failed: %s", row.id, why)
            self._recorder.cannot_go_on(row, why)
            SegmentDirectory(self._segments_dir / row.id).destroy()
        return True

    def _go_on_as(self, spec: SessionSpec, row: SessionRow, tree: Tree) -> None:
        directory = SegmentDirectory(spec.directory)
        end_processes(directory)
        if row.encoder != self.binary.version:
            # Another encoder's segments may not go with the init segment that players have, nor ours with theirs.
            directory.destroy()
        entry = self._entry_of(spec, None)
        entry.record.go_on(self._recorder.earlier(row))
        self._recorder.goes_on(row, entry.record)
        self._table.add(entry)
        self._follow(entry)
        try:
            tree.begin(entry)
        except StartError as error:
            entry.fail(f"it could not go on when its daemon was started again: {_start_failure(error)}")
            tree.end(entry)

    def _end_or_leave(self, not_back: Iterable[SessionRow]) -> list[Entry]:
        """Complete all sessions that are not to go on in the next daemon, also those not back yet; return the rest."""
        entries = self._table.all()
        if self._goes_on:
            return entries
        for entry in entries:
            entry.complete(_COMPLETED)
        for row in not_back:
            if row.id not in {entry.spec.session_id for entry in entries}:
                self._recorder.completed(row, _COMPLETED)
                SegmentDirectory(self._segments_dir / row.id).destroy()
        return entries

    @property
    def _home(self) -> Path | None:
        """The state folder."""
        folder = self.settings.state_dir
        return None if folder is None else folder.expanduser().absolute()

    @property
    def _goes_on(self) -> bool:
        """Whether the sessions go on in the next daemon."""
        return self._home is not None and not self.settings.drain

    @property
    def _segments_dir(self) -> Path:
        return self.settings.segments_dir.expanduser().resolve()

    def _open_segments_dir(self) -> None:
        try:
            self._segments_dir.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageFailed(str(self._segments_dir), error.strerror or str(error)) from error

    def _open_history(self) -> None:
        # SQLAlchemy is loaded by those alone that run sessions: the commands answer sooner without it.
        from hls_sessions.store import Store  # noqa: PLC0415
        from hls_sessions.supervisor.recorder import ProbeMemory, Recorder  # noqa: PLC0415

        settings = self.settings
        self._retention = self._retention_now()
        self._round = None
        self._store: Store = Store(settings.state_dir)
        self._store.open()
        self._recorder: Recorder = Recorder(
            self._store, self.clock, self._retention, self.binary.version, settings.janitor_interval
        )
        self._returning = Returning(self._recorder.settle(), self._bring_back)
        self._prober = Prober(self._workers, settings.probe_timeout, ProbeMemory(self._store, self.clock))
        self._presentations = Presentations(self._prober)

    def _sweep(self) -> int:
        """End the processes and delete the directories of daemons that were killed; return how many directories.

        Those of sessions that go on stay: here, or for a while with a daemon that has another state folder.
        """
        cleared = 0
        # In this order: who is brought back meanwhile is in one of them at any time.
        kept = self._returning.ids | {entry.spec.session_id for entry in self._table.all()}
        for directory in orphans(self._segments_dir):
            if directory.path.name in kept:
                continue  # its processes are ended before it goes on; those it has by now are its own
            killed = end_processes(directory)
            if directory.is_left_to_another(self._home):
                continue
            directory.destroy()
            logger.warning("cleared away %s of an earlier life, %d processes still ran", directory.path, killed)
            cleared += 1
        return cleared


def _start_failure(error: BaseException) -> BaseException:
    """Return what a failed start means to the one who opened: the session's own error where it gave one."""
    if isinstance(error, StartError):
        cause = error.__cause__
        return cause if isinstance(cause, SessionError) else Unavailable(f"The session did not start: {cause}")
    return error
