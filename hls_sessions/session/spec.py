"""The spec of a session: its user, its file and its settings. It stays when the session's actor is restarted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from hls_sessions.media import Presentation
    from hls_sessions.session.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class SessionSpec:
    """The values that a session is opened with, and that stay when its actor is restarted."""

    session_id: str
    user: str | None
    presentation: Presentation
    directory: Path
    created_at: datetime
    idle_timeout: float
    """Seconds without a request after which it expires, when it was opened; its presence has the current value."""
    segment_length: float = 2.0
    """The wanted length of a segment, in seconds."""
    copy_streams: bool = True
    """Whether video and audio may be offered as they are in the file."""
    start_at: float = 0.0
    """The position at which its viewer wants to begin, in seconds from the beginning."""
    resumed_from: Snapshot | None = None
    """The snapshot of an earlier session, from which this one goes on."""
