"""What the daemon says of everything at one moment."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hls_sessions.cli.client import Daemon


@dataclass(frozen=True, slots=True)
class Look:
    """The answers of one moment."""

    at: float
    """Seconds on the monotonic clock."""
    sessions: list[dict[str, Any]]
    recordings: list[dict[str, Any]]
    stats: dict[str, Any]
    health: dict[str, Any]
    log: list[dict[str, Any]]
    """What the encoders of the session that is shown by itself said last."""


def look(daemon: Daemon, log_of: str | None = None) -> Look:
    """Ask the daemon for everything, and for the log of one session. Counts as no activity of any.

    Raises:
        Failed: the daemon cannot be reached, or refuses.
    """
    sessions = daemon.get("/sessions")
    is_there = any(session["session_id"] == log_of for session in sessions)
    return Look(
        at=time.monotonic(),
        sessions=sessions,
        recordings=daemon.get("/recordings"),
        stats=daemon.get("/stats"),
        health=daemon.get("/health", probe="false"),
        log=daemon.get(f"/sessions/{log_of}/log") if is_there else [],
    )
