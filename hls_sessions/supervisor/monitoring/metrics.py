"""The figures as Prometheus metrics, computed when they are asked for. Supervisors of one process share none of them.

Names follow https://prometheus.io/docs/practices/naming/.
"""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING, Final, NamedTuple

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, InfoMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from hls_sessions.counters import COUNTERS
from hls_sessions.supervisor.monitoring.phases import BOUNDS as PHASE_BOUNDS
from hls_sessions.supervisor.totals import BOUNDS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from prometheus_client import Metric

    from hls_sessions.store import Condition
    from hls_sessions.supervisor.janitor import Sweep
    from hls_sessions.supervisor.monitoring.health import Health
    from hls_sessions.supervisor.monitoring.phases import PhaseTime
    from hls_sessions.supervisor.monitoring.stats import Stats
    from hls_sessions.supervisor.totals import Totals

LIVING: Final = ("pending", "active", "paused")
ENDED: Final = ("completed", "failed", "expired")
STATUSES: Final = ("healthy", "warning", "critical")


class Figures(NamedTuple):
    """The figures that the metrics are made of."""

    version: str
    started_at: float
    """Seconds since the epoch."""
    stats: Stats
    health: Health
    totals: Totals
    phases: Mapping[str, PhaseTime]
    history: Condition
    sweep: Sweep | None
    node: str | None = None
    """The daemon's name in its cluster."""


def exposition(figures: Figures, accept: str) -> tuple[bytes, str]:
    """Return the metrics and their content type, in the format that an Accept header asks for."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collected(figures))
    encode, content_type = choose_encoder(accept)
    return encode(registry), content_type


class _Collected(Collector):
    def __init__(self, figures: Figures) -> None:
        self._figures = figures

    def collect(self) -> Iterator[Metric]:
        """Yield all metrics."""
        figures = self._figures
        yield from _of_the_daemon(figures)
        yield from _of_sessions(figures.stats)
        yield from _of_totals(figures.totals)
        yield _of_phases(figures.phases)
        yield from _of_upkeep(figures)

    def describe(self) -> Iterator[Metric]:
        """Yield nothing: registering does not compute the figures."""
        yield from ()


def _of_the_daemon(figures: Figures) -> Iterator[Metric]:
    health = figures.health
    node = {} if figures.node is None else {"node": figures.node}
    about = {"version": figures.version, "ffmpeg": health.ffmpeg, **node}
    yield InfoMetricFamily("hls_sessions", "The daemon.", value=about)
    yield _gauge("start_time_seconds", "When it started, since the epoch.", figures.started_at)
    yield _gauges("health", "1 for the status it is in.", "status", {name: name == health.status for name in STATUSES})
    yield _gauge("sessions_max", "How many sessions there should be at most.", health.max_sessions)
    if health.max_encoders is not None:
        yield _gauge("encoders_max", "How many encoders should run at most.", health.max_encoders)
    yield _gauge("sessions_stuck", "Sessions that do not answer, or whose viewer waits in vain.", health.stuck_sessions)
    if health.disk_used is not None and health.disk_free_bytes is not None:
        yield _gauge("disk_used_ratio", "How much of the segments' disk is used.", health.disk_used)
        yield _gauge("disk_free_bytes", "How much of it is free.", health.disk_free_bytes)


def _of_sessions(stats: Stats) -> Iterator[Metric]:
    by_state = stats.by_state
    yield _gauges("sessions", "Sessions that live.", "state", {name: by_state[name] for name in LIVING})
    yield _gauges(
        "sessions_kept", "Sessions that have ended and are kept.", "state", {name: by_state[name] for name in ENDED}
    )
    yield _gauges("sessions_by_age", "Known sessions, by the time since their opening.", "age", stats.by_age)
    ages = {
        "average": stats.average_age,
        "oldest": stats.oldest.age if stats.oldest else None,
        "newest": stats.newest.age if stats.newest else None,
    }
    known = {name: age for name, age in ages.items() if age is not None}
    yield _gauges("session_age_seconds", "The time since the opening of known sessions.", "of", known)
    yield _gauges(
        "encoders",
        "Encoders that run, and that are held because their viewer is far behind.",
        "state",
        {"running": stats.encoders - stats.encoders_held, "held": stats.encoders_held},
    )
    yield _gauge("viewers_waiting", "Requests that wait for a segment.", stats.viewers_waiting)
    yield _gauge("kept_segments_bytes", "Bytes of segments that no session has any more.", stats.kept_bytes)


def _of_totals(totals: Totals) -> Iterator[Metric]:
    yield _counter("sessions_opened", "Sessions that were opened.", totals.opened)
    yield _counters(
        "sessions_ended", "Sessions that have ended.", "state", {name: totals.ended[name] for name in ENDED}
    )
    for counter in COUNTERS:
        yield _counter(counter.metric, counter.help, totals.sums[counter.name])
    yield _counters("restarts", "What was started again.", "reason", totals.restarts)
    histogram = HistogramMetricFamily("hls_sessions_first_segment_seconds", "How long a viewer's first segment took.")
    histogram.add_metric([], _buckets(BOUNDS, totals.waits), totals.waited)
    yield histogram


def _of_phases(phases: Mapping[str, PhaseTime]) -> Metric:
    told = "How long each phase of a segment took that a viewer waited for."
    histogram = HistogramMetricFamily("hls_sessions_start_phase_seconds", told, labels=["phase"])
    for phase, time in phases.items():
        histogram.add_metric([phase], _buckets(PHASE_BOUNDS, time.groups), time.seconds)
    return histogram


def _buckets(bounds: Sequence[float], counts: Sequence[int]) -> list[tuple[str, float]]:
    """Return the buckets of a histogram: each counts all that is not above its bound."""
    names = (*(repr(bound) for bound in bounds), "+Inf")
    return list(zip(names, map(float, accumulate(counts)), strict=True))


def _of_upkeep(figures: Figures) -> Iterator[Metric]:
    history, sweep = figures.history, figures.sweep
    yield _gauge("history_rows_waiting", "Rows of the history that are yet to be written.", history.waiting)
    yield _counter("history_rows_lost", "Rows of the history that never will be.", history.lost)
    yield _counter("history_failures", "How often the history could not be read or written.", history.failures)
    yield _gauge("history_writable", "1 when the history can be written.", history.trouble is None)
    if sweep is not None:
        yield _gauge("janitor_last_run_timestamp_seconds", "When the janitor last ran.", sweep.at.timestamp())
        yield _counter("janitor_runs", "How often it ran.", sweep.number)


def _gauge(name: str, what: str, value: float) -> Metric:
    return GaugeMetricFamily(f"hls_sessions_{name}", what, value=value)


def _gauges(name: str, what: str, label: str, values: Mapping[str, float]) -> Metric:
    family = GaugeMetricFamily(f"hls_sessions_{name}", what, labels=[label])
    for key, value in values.items():
        family.add_metric([key], value)
    return family


def _counter(name: str, what: str, value: float) -> Metric:
    return CounterMetricFamily(f"hls_sessions_{name}", what, value=value)


def _counters(name: str, what: str, label: str, values: Mapping[str, float]) -> Metric:
    family = CounterMetricFamily(f"hls_sessions_{name}", what, labels=[label])
    for key, value in values.items():
        family.add_metric([key], value)
    return family
