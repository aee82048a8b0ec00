"""The events of sessions, for subscribers. All values are frozen."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime  # noqa: TC003 - the HTTP edge reads the types at run time
from typing import Any, ClassVar

from hls_sessions.counters import Sums  # noqa: TC001 - the same
from hls_sessions.session.snapshot import Snapshot  # noqa: TC001 - the same


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """An event. ``name`` is a stable word for programs."""

    name: ClassVar[str] = "event"

    session_id: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Started(Event):
    """A session became playable for the first time."""

    name: ClassVar[str] = "started"

    user: str | None
    media: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StateChanged(Event):
    """A session took a step."""

    name: ClassVar[str] = "state_changed"

    step: str
    from_state: str
    to_state: str
    by: str
    reason: str
    snapshot: Snapshot | None = None
    """The snapshot, if the step is a pause."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentReady(Event):
    """A segment passed its check and is on disk."""

    name: ClassVar[str] = "segment_ready"

    rendition: str
    segment: int
    size: int
    """Bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Restarted(Event):
    """A part that had failed works again: a session's actor, an encoder, a packager, or the daemon."""

    name: ClassVar[str] = "restarted"

    what: str
    """``actor``, ``encoder``, ``packager`` or ``daemon``."""
    cause: str
    rendition: str | None = None
    segment: int | None = None
    """The segment that the new one begins with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evicted(Event):
    """A segment is no longer on disk: it made room, or was deleted. It is made again when a viewer asks for it."""

    name: ClassVar[str] = "evicted"

    rendition: str
    segment: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceChanged(Event):
    """The source of a recording has come, was lost, or has ended."""

    name: ClassVar[str] = "source_changed"

    source: str
    """``arriving``, ``lost`` or ``ended``."""
    reason: str | None = None
    """Why it ended, when it has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Updated(Event):
    """A session was given settings of its own."""

    name: ClassVar[str] = "updated"

    settings: dict[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconfigured(Event):
    """The supervisor's settings were changed. No session is meant, so the id is empty."""

    name: ClassVar[str] = "reconfigured"

    session_id: str = ""
    settings: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended(Event):
    """A session has ended: its encoders are gone, and its directory is or will be in a moment."""

    name: ClassVar[str] = "ended"

    state: str
    reason: str
    seconds_in: dict[str, float]
    sums: Sums


KINDS: dict[str, type[Event]] = {
    kind.name: kind
    for kind in (Started, StateChanged, SegmentReady, Restarted, Evicted, SourceChanged, Updated, Reconfigured, Ended)
}
"""All kinds of events, by name."""
