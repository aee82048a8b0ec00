"""Looks at all sessions and at the daemon itself, for the figures, the health and the metrics."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING, Final

from hls_sessions.supervisor.monitoring.health import Load, Upkeep, health_of
from hls_sessions.supervisor.monitoring.stats import stats_of
from hls_sessions.supervisor.monitoring.survey import survey
from hls_sessions.supervisor.monitoring.trend import Sample, Trend

if TYPE_CHECKING:
    from pathlib import Path

    from hls_sessions.ffmpeg import Binary
    from hls_sessions.otp import Clock
    from hls_sessions.settings import Settings
    from hls_sessions.store import Store
    from hls_sessions.supervisor.graceful_stop import GracefulStop
    from hls_sessions.supervisor.janitor import Janitor
    from hls_sessions.supervisor.media_roots import MediaRoots
    from hls_sessions.supervisor.monitoring.health import Health
    from hls_sessions.supervisor.monitoring.phases import PhaseTimes
    from hls_sessions.supervisor.monitoring.stats import Stats
    from hls_sessions.supervisor.monitoring.survey import Survey
    from hls_sessions.supervisor.recorder import Recorder
    from hls_sessions.supervisor.recovery import Recovery
    from hls_sessions.supervisor.sessions import SessionTable
    from hls_sessions.supervisor.tree import Tree

LOOK: Final = 1.0
"""Seconds all sessions together have to say how they are; one that says nothing counts as stuck."""


class Monitor:
    """Any thread may use it."""

    def __init__(
        self,
        *,
        settings: Settings,
        segments_dir: Path,
        binary: Binary,
        media_roots: MediaRoots,
        clock: Clock,
        store: Store,
        recorder: Recorder,
        recovery: Recovery,
        table: SessionTable,
        tree: Tree,
        janitor: Janitor,
        stop: GracefulStop,
        started_at: float,
        phases: PhaseTimes,
    ) -> None:
        """Watch a supervisor that was started at ``started_at``, in seconds since the epoch."""
        self.settings = settings
        """The settings with the limits of the figures; they may be exchanged."""
        self._segments_dir = segments_dir
        self._binary = binary
        self._media_roots = media_roots
        self._clock = clock
        self._store = store
        self._recorder = recorder
        self._recovery = recovery
        self._table = table
        self._tree = tree
        self._janitor = janitor
        self._stop = stop
        self._started_at = started_at
        self._phases = phases
        self.trend = Trend(self._sample)
        """The last hour."""

    def stats(self) -> Stats:
        """Return figures over all sessions that are known. Asks every session, and reads the history."""
        return self._stats(self._look())

    def health(self) -> Health:
        """Return whether the supervisor can do its work. Asks every session, and looks at the disk."""
        return self._health(self._look())

    def metrics(self, accept: str) -> tuple[bytes, str]:
        """Return the figures for Prometheus and their content type, in a format that an Accept header names."""
        from hls_sessions.supervisor.monitoring.metrics import Figures, exposition  # noqa: PLC0415 - few are scraped

        found = self._look()
        figures = Figures(
            version=version("hls_sessions"),
            started_at=self._started_at,
            stats=self._stats(found),
            health=self._health(found),
            totals=self._recorder.totals(),
            phases=self._phases.all(),
            history=self._store.condition,
            sweep=self._janitor.last,
            node=self.settings.own_node,
        )
        return exposition(figures, accept)

    # ---- within

    def _sample(self) -> Sample:
        entries = self._table.all()
        return Sample(
            at=self._clock.time(),
            sessions=len(entries),
            encoders=self._tree.services.scheduler.at_work,
            waiting=sum(entry.session.is_awaited for entry in entries),
            disk_bytes=self._tree.services.quota.bytes,
            totals=self._recorder.totals(),
        )

    def _look(self) -> Survey:
        return survey((entry.session for entry in self._table.all()), LOOK)

    def _stats(self, found: Survey) -> Stats:
        return stats_of(
            self._recorder.rows(),
            found,
            now=self._clock.time(),
            max_sessions=self.settings.max_sessions,
            stuck_after=self.settings.stuck_after,
            kept_bytes=self._tree.services.shared.kept_bytes,
        )

    def _health(self, found: Survey) -> Health:
        settings, services = self.settings, self._tree.services
        load = Load(
            sessions=len(self._table) + len(self._recovery),
            max_sessions=settings.max_sessions,
            encoders=services.scheduler.at_work,
            max_encoders=settings.max_encoders,
            stuck=len(found.stuck(settings.stuck_after)),
            without_room=services.quota.refused,
            lacks=found.lacks,
            silent_roots=self._media_roots.silent,
        )
        state = "stopping" if self._stop.begun else "running"
        uptime = self._clock.time() - self._started_at
        return health_of(self._binary, self._segments_dir, load, self._upkeep(), state=state, uptime=uptime)

    def _upkeep(self) -> Upkeep:
        condition, last = self._store.condition, self._janitor.last
        ran_at = None if last is None else last.at
        since = self._clock.time() - (ran_at.timestamp() if ran_at else self._started_at)
        return Upkeep(condition.path or "memory", condition.trouble, ran_at, since - 2 * self.settings.janitor_interval)


def health_without_a_start(binary: Binary, settings: Settings) -> Health:
    """Return the health of a supervisor that does not run."""
    load = Load(0, settings.max_sessions, encoders=0, max_encoders=settings.max_encoders, stuck=0)
    upkeep = Upkeep("memory", None, None, 0.0)
    return health_of(binary, settings.segments_dir.expanduser().resolve(), load, upkeep, state="stopped", uptime=0.0)
