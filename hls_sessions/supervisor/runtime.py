"""The parts of a supervisor that exist only between its start and its stop.

It starts things in the order in which they need each other, and stops them in the reverse order.
"""

from __future__ import annotations

import logging
import os
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

from hls_sessions.encoding import CommonRuns, Limits, Scheduler, Watcher
from hls_sessions.errors import StorageFailed, Unavailable
from hls_sessions.ffmpeg import Prober, SubtitleReader, ThumbnailMaker, Workers, choose_encoder
from hls_sessions.otp import Registry, Timers
from hls_sessions.segments import Budget, Quota, SegmentDirectory, SharedSegments, end_processes
from hls_sessions.session import Services
from hls_sessions.supervisor.admission_control import AdmissionControl
from hls_sessions.supervisor.bulk import BulkOperations
from hls_sessions.supervisor.graceful_stop import STOPPING
from hls_sessions.supervisor.janitor import Janitor
from hls_sessions.supervisor.media_browser import MediaBrowser
from hls_sessions.supervisor.monitoring.monitor import Monitor
from hls_sessions.supervisor.monitoring.phases import PhaseTimes
from hls_sessions.supervisor.monitoring.trend import INTERVAL as SAMPLE_INTERVAL
from hls_sessions.supervisor.opening import Opening
from hls_sessions.supervisor.presentations import Presentations
from hls_sessions.supervisor.reaper import remind
from hls_sessions.supervisor.recordings import Recordings
from hls_sessions.supervisor.recovery import Recovery
from hls_sessions.supervisor.sessions import SessionFactory, SessionTable
from hls_sessions.supervisor.tree import STOPPED, Chores, Tree

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hls_sessions.ffmpeg import Binary, Encoder, Sandbox
    from hls_sessions.otp import Clock
    from hls_sessions.session import Event
    from hls_sessions.settings import Settings
    from hls_sessions.store import Retention
    from hls_sessions.supervisor.bus import EventBus
    from hls_sessions.supervisor.graceful_stop import GracefulStop
    from hls_sessions.supervisor.media_roots import MediaRoots
    from hls_sessions.supervisor.sessions import Entry

logger = logging.getLogger(__name__)

FEWEST_ENCODERS: Final = 4
"""How many encoders may run on the smallest machine: video and audio of two viewers."""

LONGEST_OPEN: Final = 5.0
"""Seconds that a stop waits for a session that is just being started."""

COMPLETED: Final = "the supervisor stopped"


class Runtime:
    """The parts of a supervisor while it runs. Made by ``start`` of the supervisor, and used once."""

    def __init__(
        self,
        *,
        settings: Settings,
        binary: Binary,
        media_roots: MediaRoots,
        clock: Clock,
        bus: EventBus,
        close: Callable[[str], None],
        graceful_stop: GracefulStop,
        free_bytes: Callable[[Path], int | None],
        workers: Workers | None,
    ) -> None:
        """Start everything.

        Args:
            settings: all settings.
            binary: the ffmpeg.
            media_roots: where films may be.
            clock: what time it is.
            bus: where events are published.
            close: ends a session by its id.
            graceful_stop: how it will be stopped; it may be hurried while this starts.
            free_bytes: returns how many bytes may still be written to the disk of a folder.
            workers: where probers, subtitle readers and packagers are started; None for workers of its own.

        Raises:
            EncoderUnusable: the encoder that is set does not work here.
            StorageFailed: the segments directory cannot be made.
            StateUnusable: the state directory cannot be made or written to, or another daemon uses it.
        """
        # SQLAlchemy is loaded only where sessions run, because the commands answer sooner without it.
        from hls_sessions.store import Store  # noqa: PLC0415
        from hls_sessions.supervisor.recorder import ProbeMemory, Recorder  # noqa: PLC0415

        self._settings = settings
        self._clock = clock
        self.bus = bus
        self.started_at = clock.time()
        """Wall clock time of the start, in seconds since the epoch."""
        self._graceful_stop = graceful_stop
        self.is_over = False
        """Whether it was stopped."""
        segments_dir = _opened(settings.segments_dir)
        self.encoder: Encoder = choose_encoder(binary, settings.encoder)
        """The encoder that makes video."""
        logger.info("video is encoded with %s", self.encoder)
        _log(binary.sandbox)
        self.registry = Registry()
        with ExitStack() as resources:
            self.store = Store(settings.state_dir)
            self.store.open()
            resources.callback(self.store.close)
            bus.start()
            resources.callback(bus.stop, settings.shutdown_timeout)
            workers = workers or _closed_by(resources, Workers(settings.sandbox))
            workers.warm_up()
            self.recorder = Recorder(self.store, clock, _retention(settings), binary.version, settings.janitor_interval)
            self._prober = prober = _closed_by(
                resources, Prober(workers, settings.probe_timeout, ProbeMemory(self.store, clock), binary)
            )
            self.browser = _closed_by(resources, MediaBrowser(media_roots, prober, ThumbnailMaker(workers)))
            presentations = Presentations(prober)
            phases = PhaseTimes()
            self.table = SessionTable(self.recorder.why_not)
            self.factory = SessionFactory(clock, self.registry, self._hear, close, settings, phases.add)
            self.shared = _closed_by(
                resources,
                SharedSegments(
                    segments_dir,
                    _home(settings),
                    Quota(_budget(settings), lambda: free_bytes(segments_dir)),
                    clock.time,
                    keep=settings.keep_segments,
                    lasts=self._goes_on,
                ),
            )
            self.janitor = Janitor(self.store, self.recorder, clock, self._clear_leftovers)
            services = Services(
                binary=binary,
                encoder=self.encoder,
                watcher=Watcher(),
                subtitles=_closed_by(resources, SubtitleReader(workers, settings.subtitle_timeout)),
                workers=workers,
                clock=clock,
                timers=Timers(clock),
                limits=_limits(settings),
                quota=self.shared.quota,
                shared=self.shared,
                common_runs=CommonRuns(),
                scheduler=Scheduler(_slots(settings)),
                encoder_idle_timeout=settings.encoder_idle_timeout,
                source_patience=settings.source_patience,
                pull_patience=settings.pull_patience,
                home=_home(settings) if self._goes_on else None,
            )
            chores = Chores(
                lambda: remind(self.table, self.registry),
                settings.reap_interval,
                self._sample,
                SAMPLE_INTERVAL,
                self.janitor.sweep,
                settings.janitor_interval,
            )
            self.tree = _closed_by(
                resources, Tree(services, self.table, self.registry, chores, settings.shutdown_timeout)
            )
            admission = AdmissionControl(self.table, clock, settings)
            self.recordings = _closed_by(
                resources,
                Recordings(
                    settings=settings,
                    folder=_recordings_dir(settings),
                    segments_dir=segments_dir,
                    clock=clock,
                    media_roots=media_roots,
                    workers=workers,
                    ffmpeg=binary,
                    table=self.table,
                    factory=self.factory,
                    registry=self.registry,
                    close=close,
                    admission=admission,
                    recorder=self.recorder,
                    tree=self.tree,
                    stop=graceful_stop,
                ),
            )
            films, recorded = self.recorder.settle(self.recordings.is_kept)
            self.recovery = Recovery(
                films,
                recorded,
                segments_dir=segments_dir,
                home=_home(settings),
                encoder=binary.version,
                media_roots=media_roots,
                presentations=presentations,
                table=self.table,
                factory=self.factory,
                recorder=self.recorder,
                tree=self.tree,
                stop=graceful_stop,
            )
            self.opening = Opening(
                settings=settings,
                segments_dir=segments_dir,
                clock=clock,
                media_roots=media_roots,
                prober=prober,
                presentations=presentations,
                table=self.table,
                factory=self.factory,
                admission=admission,
                recovery=self.recovery,
                recorder=self.recorder,
                tree=self.tree,
                stop=graceful_stop,
            )
            self.bulk = BulkOperations(self.table, media_roots, clock, self.registry)
            self.monitor = Monitor(
                settings=settings,
                segments_dir=segments_dir,
                binary=binary,
                media_roots=media_roots,
                clock=clock,
                store=self.store,
                recorder=self.recorder,
                recovery=self.recovery,
                table=self.table,
                tree=self.tree,
                janitor=self.janitor,
                stop=graceful_stop,
                started_at=self.started_at,
                phases=phases,
            )
            self._clear_leftovers()
            self.tree.start()
            self._resources = resources.pop_all()
        self.tree.root.on_exit(lambda *_: self._tell_all(STOPPED))
        self.recordings.go_on(recorded)
        self.recovery.begin()

    @property
    def is_running(self) -> bool:
        """Whether it takes sessions: it was not stopped, and its processes have not crashed too often."""
        return not self.is_over and self.tree.is_alive

    def reconfigure(self, settings: Settings) -> None:
        """Go by other settings from now on."""
        self._settings = self.monitor.settings = settings
        self.recorder.rule = _retention(settings)
        self.opening.reconfigure(settings)
        self.recordings.reconfigure(settings)
        self.factory.reconfigure(settings, self.table.all())
        services = self.tree.services
        services.scheduler.slots = _slots(settings)
        services.quota.reconfigure(_budget(settings))
        services.shared.keep = settings.keep_segments
        idle = settings.encoder_idle_timeout
        push, pull = settings.source_patience, settings.pull_patience
        changed = replace(services, encoder_idle_timeout=idle, source_patience=push, pull_patience=pull)
        self.tree.reconfigure(replace(changed, limits=_limits(settings)))

    def wind_down(self) -> int:
        """Take no new sessions, end the streams, and let viewers that wait for a file be answered.

        Returns when no viewer waits any more or ``shutdown_timeout`` is over, with the number of those that still wait.
        """
        self._graceful_stop.begun = True
        self.bus.end_streams()
        why = Unavailable(STOPPING)
        self.recordings.refuse_sources()
        held = [reply for entry in self.table.all() for reply in entry.session.take_no_more(why)]
        return self._graceful_stop.wait_for(held, self._settings.shutdown_timeout)

    def stop(self) -> None:
        """Stop everything, and return when no process or thread is left. Idempotent."""
        if self.is_over:
            return
        self._graceful_stop.begun = True
        self.is_over = True
        self.bus.end_streams()
        self.recordings.refuse_sources()
        # First, because sessions that are opened or brought back may wait for it.
        self._prober.close()
        not_back = self.recovery.end()
        if not self._goes_on:
            self._complete()
            self.recovery.complete(not_back, COMPLETED)
        # Waiting viewers get this error as soon as their actor has ended, because no other actor will follow it.
        self._tell_all(STOPPED)
        self._graceful_stop.is_ending(self.tree.root)
        self.tree.stop()
        # A session that is being opened is in the table until that has failed.
        opening = self.table.opening
        is_held = self._graceful_stop.until(lambda seconds: opening.acquire(timeout=seconds), LONGEST_OPEN)
        try:
            if not self._goes_on:
                self._complete()
            for entry in self.table.all():
                self._clear(entry)
        finally:
            if is_held:
                opening.release()
        self.recorder.leave()
        self._resources.close()

    # ---- within

    def _sample(self) -> None:
        self.monitor.trend.sample()

    def _complete(self) -> None:
        for entry in self.table.all():
            entry.complete(COMPLETED)

    def _clear(self, entry: Entry) -> None:
        self.table.forget(entry, Unavailable(STOPPED))
        if entry.record.state.is_final:
            self.tree.clear(entry.spec)
        else:
            directory = SegmentDirectory(entry.spec.directory)
            end_processes(directory)
            directory.leave()

    def _clear_leftovers(self) -> int:
        self.shared.forget_unused()
        return self.recovery.clear_orphans() + self.recordings.sweep()

    def _hear(self, event: Event) -> None:
        """Pass on an event of a session: first to the history, which never waits."""
        self.recorder.heard(event)
        self.bus.publish(event)

    def _tell_all(self, why: str) -> None:
        """Answer all callers that wait for an actor to come back, because none will."""
        for entry in self.table.all():
            entry.session.ended(Unavailable(why))

    @property
    def _goes_on(self) -> bool:
        """Whether the sessions go on in the next daemon."""
        return _home(self._settings) is not None and not self._settings.drain


class _Closes(Protocol):
    def close(self) -> None: ...


C = TypeVar("C", bound=_Closes)


def _closed_by(resources: ExitStack, resource: C) -> C:
    """Have a resource closed with others."""
    resources.callback(resource.close)
    return resource


def _log(sandbox: Sandbox | None) -> None:
    """Say what the sandbox around films refuses, and what of it does not hold here."""
    logger.info("the sandbox around films refuses: %s", sandbox or "none")
    if sandbox is not None and sandbox.mode == "try":
        for why_not in sandbox.why_not:
            logger.warning("the sandbox does not hold wholly: %s", why_not)


def _opened(segments_dir: Path) -> Path:
    folder = segments_dir.expanduser().resolve()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageFailed(str(folder), error.strerror or str(error)) from error
    return folder


def _home(settings: Settings) -> Path | None:
    """Return the state folder; None where there is none."""
    return None if settings.state_dir is None else settings.state_dir.expanduser().absolute()


def _recordings_dir(settings: Settings) -> Path | None:
    """Return where recordings are kept; None where nothing is kept."""
    if settings.recordings_dir is not None:
        return settings.recordings_dir.expanduser().absolute()
    home = _home(settings)
    return None if home is None else home / "recordings"


def _limits(settings: Settings) -> Limits:
    return Limits(settings.max_runs, settings.look_ahead, settings.go_on_at)


def _budget(settings: Settings) -> Budget:
    return Budget(settings.disk_budget, settings.session_disk_budget)


def _slots(settings: Settings) -> int:
    return settings.max_encoders or max(FEWEST_ENCODERS, os.cpu_count() or 1)


def _retention(settings: Settings) -> Retention:
    from hls_sessions.store import Retention  # noqa: PLC0415 - as in Runtime

    return Retention(settings.keep_failed, settings.keep_completed, settings.keep_anything, settings.keep_probes)
