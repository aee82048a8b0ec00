"""Figures over all sessions that are known: those that live, and those that have ended and are still kept."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from math import ceil
from typing import TYPE_CHECKING, Final

from hls_sessions.counters import Sums, added

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from hls_sessions.store import SessionRow
    from hls_sessions.supervisor.monitoring.survey import Survey

HOUR: Final = 3600.0

AGES: Final = {"under 1 h": HOUR, "1-6 h": 6 * HOUR, "6-24 h": 24 * HOUR, "over 24 h": float("inf")}
"""The groups of ages, in order, and the seconds below which an age belongs to each."""

STATES: Final = ("pending", "active", "paused", "completed", "failed", "expired")


@dataclass(frozen=True, slots=True)
class Waits:
    """How long viewers waited for their first segment, in seconds; None where no viewer has."""

    count: int
    average: float | None
    median: float | None
    p95: float | None
    longest: float | None


@dataclass(frozen=True, slots=True)
class Aged:
    """One session, and how many seconds ago it was opened."""

    session_id: str
    age: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Stats(Sums):
    """Figures at one moment, with the counters of all known sessions. Ages are seconds since the opening."""

    at: datetime
    sessions: int
    """Known ones."""
    living: int
    max_sessions: int
    utilisation: float
    """Living sessions, as a share of the most there should be."""
    by_state: dict[str, int]
    by_age: dict[str, int]
    average_age: float | None
    oldest: Aged | None
    newest: Aged | None
    encoders: int
    encoders_held: int
    """Encoders among them that wait until their viewer comes nearer."""
    viewers_waiting: int
    stuck: tuple[str, ...]
    """Sessions that do not answer, or in which somebody waits in vain."""
    first_segment: Waits
    kept_bytes: int
    """Bytes of segments that no session has any more, and that are kept for the next viewer."""


def stats_of(
    rows: Sequence[SessionRow],
    survey: Survey,
    *,
    now: float,
    max_sessions: int,
    stuck_after: float,
    kept_bytes: int = 0,
) -> Stats:
    """Compute the figures.

    Args:
        rows: all known sessions, as they are now.
        survey: the answers of the sessions that live.
        now: seconds since the epoch.
        max_sessions: how many should live at most.
        stuck_after: seconds that a viewer may wait in vain.
        kept_bytes: bytes of segments that no session has.
    """
    living = sum(row.ended_at is None for row in rows)
    # No age is negative, even after the clock was set back.
    ages = sorted((Aged(row.id, max(0.0, now - row.created_at)) for row in rows), key=lambda aged: aged.age)
    return Stats(
        at=datetime.fromtimestamp(now, UTC),
        sessions=len(rows),
        living=living,
        max_sessions=max_sessions,
        utilisation=living / max_sessions,
        by_state=dict.fromkeys(STATES, 0) | Counter(row.state for row in rows),
        by_age=dict.fromkeys(AGES, 0) | Counter(_group(aged.age) for aged in ages),
        average_age=sum(aged.age for aged in ages) / len(ages) if ages else None,
        oldest=ages[-1] if ages else None,
        newest=ages[0] if ages else None,
        encoders=len(survey.runs),
        encoders_held=sum(run.held for run in survey.runs),
        viewers_waiting=sum(info.viewers_waiting for info in survey.infos),
        stuck=survey.stuck(stuck_after),
        **added(rows),
        restarts=dict(sorted(sum((Counter(row.restarts) for row in rows), Counter[str]()).items())),
        first_segment=_waits(row.first_segment_after for row in rows),
        kept_bytes=kept_bytes,
    )


def _group(age: float) -> str:
    return next(name for name, bound in AGES.items() if age < bound)


def _waits(waits: Iterable[float | None]) -> Waits:
    known = sorted(wait for wait in waits if wait is not None)
    if not known:
        return Waits(0, None, None, None, None)
    return Waits(len(known), sum(known) / len(known), _percentile(known, 0.5), _percentile(known, 0.95), known[-1])


def _percentile(ordered: Sequence[float], share: float) -> float:
    """Return the least value that this share of all does not exceed (the nearest-rank method)."""
    return ordered[max(0, ceil(share * len(ordered)) - 1)]
