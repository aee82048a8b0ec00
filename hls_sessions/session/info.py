"""A session as it is now, as far as its spec and its record tell, and what its actor adds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hls_sessions.counters import sums_of
from hls_sessions.session.messages import SessionInfo

if TYPE_CHECKING:
    from hls_sessions.session.record import SessionRecord
    from hls_sessions.session.spec import Spec

SILENT = "It does not answer."
"""The note of a session whose actor did not answer in time."""


def info_of(spec: Spec, record: SessionRecord, **more: Any) -> SessionInfo:
    """Return a session's info. ``more`` are the fields that only its actor knows; without any, its actor is silent."""
    sums, presence, end = record.counters.sums, record.presence, record.end
    known: dict[str, Any] = {
        "viewers_waiting": 0,
        "in_vain_for": 0.0,
        "first_segment_after": record.first_segment_after,
        "renditions": (),
        "runs": (),
        "notes": (*spec.notes, SILENT),
    }
    return SessionInfo(
        session_id=spec.session_id,
        state=record.state.value,
        user=spec.user,
        title=spec.title,
        media=str(spec.path),
        duration=float(spec.duration),
        directory=str(spec.directory),
        created_at=spec.created_at,
        started_at=record.started_at,
        last_activity_at=presence.last_activity_at,
        idle_timeout=presence.idle_timeout,
        expires_in=max(0.0, presence.due_in),
        subscriber_count=presence.subscribers,
        last_subscriber_left_at=presence.last_subscriber_left_at,
        position=record.position,
        first_awaited=record.awaited.first,
        last_awaited=record.awaited.last,
        seconds_in=record.seconds,
        reason=None if end is None else end.reason,
        **(sums_of(sums) | known | more),
    )
