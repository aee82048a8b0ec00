"""What makes a session this one: who watches what. It stays when the session's actor is restarted."""

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
    """Who watches what: all that makes a session this one, and stays when its actor is restarted."""

    session_id: str
    user: str | None
    presentation: Presentation
    directory: Path
    created_at: datetime
    idle_timeout: float
    """Seconds without anything after which it expires, as it was opened; its presence knows what it is now."""
    segment_length: float = 2.0
    """The wanted length of a segment, in seconds."""
    copy_streams: bool = True
    """Whether pictures and sounds may be offered as they are in the file."""
    start_at: float = 0.0
    """Seconds from the beginning at which its viewer wants to begin."""
    resumed_from: Snapshot | None = None
    """How an earlier session was that this one goes on from."""
