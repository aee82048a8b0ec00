"""The messages of a session's actor: its requests, and those it hears. All values are frozen and valid from birth."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime  # noqa: TC003 - the HTTP edge reads SessionInfo's types at run time
from math import inf
from typing import TYPE_CHECKING

from hls_sessions.counters import Sums
from hls_sessions.encoding import AwaitedSegment, RenditionInfo, RunInfo  # noqa: TC001 - the same
from hls_sessions.media import ShownChapter  # noqa: TC001 - the same
from hls_sessions.session.snapshot import Snapshot

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hls_sessions.otp import Reply
    from hls_sessions.session.services import Services
    from hls_sessions.session.state import State

# Asked (Ref.ask, Ref.call).


@dataclass(frozen=True, slots=True)
class GetInfo:
    """Ask for a SessionInfo. Counts as activity."""


@dataclass(frozen=True, slots=True)
class Peek:
    """Ask for a SessionInfo. Does not count as activity, because listing sessions must not keep them alive."""


@dataclass(frozen=True, slots=True)
class Reap:
    """Ask to expire if its time has run out; answered with whether it expires. Is no activity."""


@dataclass(frozen=True, slots=True)
class Displace:
    """Ask to end for another session, if nobody watches; answered with whether it does. Is no activity."""

    unwatched_after: float
    """Seconds without a request after which nobody counts as watching."""


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """Say that the viewer is still there, when its time has run out; answered with None."""


@dataclass(frozen=True, slots=True)
class GetSegment:
    """Ask for the file of a segment; answered with its path once it is there.

    Refused with RenditionNotFound, SegmentNotFound, SegmentImpossible or EncoderFailed; for subtitles, with
    SubtitlesFailed, MediaNotFound or StorageFailed.
    """

    rendition: str
    segment: int
    background: bool = False
    """Whether no viewer waits for it, so that it is made when every viewer has enough."""


@dataclass(frozen=True, slots=True)
class GetCues:
    """Ask for all cues of a subtitle track; answered with them as soon as the file is read.

    Refused with RenditionNotFound, SubtitlesFailed, MediaNotFound or Unavailable.
    """

    rendition: str


@dataclass(frozen=True, slots=True)
class GetInit:
    """Ask for the file of a rendition's init segment; answered and refused like GetSegment."""

    rendition: str
    part: int = 0
    """Which one: a recording has one for each part."""


@dataclass(frozen=True, slots=True)
class Pause:
    """Ask for a pause; answered with a Snapshot when no encoder runs any more. Refused with IllegalTransition."""

    position: float | None = None
    """The viewer's position, in seconds; None for the beginning of the segment asked for last."""

    def __post_init__(self) -> None:
        if self.position is not None and not 0 <= self.position < inf:
            raise ValueError(f"A position is a number of seconds from the beginning, not {self.position}.")


@dataclass(frozen=True, slots=True)
class PauseIf:
    """Ask for a pause in an operator's name; answered and refused like Pause. Is no activity."""

    provided: Callable[[State], bool]
    """The condition that must hold when the step is taken."""


@dataclass(frozen=True, slots=True)
class Resume:
    """Ask to go on from the pause or from a snapshot; answered with a SessionInfo.

    Refused with IllegalTransition or SnapshotRefused.
    """

    snapshot: Snapshot | None = None

    def __post_init__(self) -> None:
        # Checked here, or the actor would crash over it. A snapshot kept as JSON is read by Snapshot.model_validate.
        if not isinstance(self.snapshot, Snapshot | None):
            raise TypeError(f"A snapshot is a Snapshot, not a {type(self.snapshot).__name__}.")


# Told (Ref.cast).


@dataclass(frozen=True, slots=True)
class Served:
    """A segment was served from disk without asking the actor. This is the viewer's position."""

    rendition: str
    segment: int


@dataclass(frozen=True, slots=True)
class Prepared:
    """Say which segments were asked for in the background for a player, which may not come. They are given up then."""

    requests: tuple[Reply[Path], ...]


# Heard (Ref.send).


@dataclass(frozen=True, slots=True)
class Reconfigure:
    """The settings have changed: use these services from now on."""

    services: Services


@dataclass(frozen=True, slots=True)
class IdleCheck:
    """A reminder, its own or the reaper's, to check whether its time has run out."""


# Answered.


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionInfo(Sums):
    """A session as it is now. Durations in seconds, sizes in bytes.

    ``segments_served`` counts a segment each time it is handed to a viewer. ``encoder_seconds`` includes encoders that
    run.
    """

    session_id: str
    state: str
    user: str | None
    title: str
    """What it plays: the name of the file, or the title of a recording."""
    media: str
    duration: float
    directory: str
    created_at: datetime
    started_at: datetime | None
    """When it became playable."""
    last_activity_at: datetime
    idle_timeout: float
    expires_in: float
    """Seconds until it expires without any further request."""
    subscriber_count: int
    """How many subscribers listen to its events."""
    last_subscriber_left_at: datetime | None
    """When the last subscriber left; None while there is one, and before there was any."""
    viewers_waiting: int
    in_vain_for: float
    """Seconds for which viewers have waited without any new segment; 0 if nobody waits."""
    first_segment_after: float | None
    """Seconds from the first request for a segment to the first segment made."""
    position: float
    """The last position of its viewer, in seconds from the beginning."""
    seconds_in: dict[str, float]
    """Seconds spent in each state that is not final."""
    renditions: tuple[RenditionInfo, ...]
    runs: tuple[RunInfo, ...]
    first_awaited: AwaitedSegment | None = None
    """The first segment that a viewer waited for: its start, phase by phase, from the opening on."""
    last_awaited: AwaitedSegment | None = None
    """The last one: a seek, or a viewer who is faster than the encoder."""
    bytes_on_disk: int = 0
    """Bytes of its segments now."""
    packager: int | None = None
    """The process id of its packager, while it runs."""
    notes: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()
    """The resources of the machine that have run out, for which its encoders and its packager wait."""
    reason: str | None = None
    """Why it ended, if it has."""
    chapters: tuple[ShownChapter, ...] = ()
    """The chapters of the file, in seconds from the beginning."""
    source: str | None = None
    """Of a recording, what its source does: ``waiting``, ``arriving``, ``lost`` or ``ended``."""
