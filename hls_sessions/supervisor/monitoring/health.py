"""The health of the daemon: whether it can do its work, the faults that prevent it, and those that soon may."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass, field
from datetime import datetime  # noqa: TC003 - the HTTP edge reads Health's types at run time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from hls_sessions.ffmpeg import Binary

WARNING: Final = 0.7
"""Share of a limit (of sessions, of encoders, of the segments' disk) from which on its use is a warning."""
CRITICAL: Final = 0.9
"""Share from which on it is critical: no more viewers should be sent here."""


@dataclass(frozen=True, slots=True)
class Load:
    """The sessions and encoders in use, and the most there should be; None for no limit."""

    sessions: int
    max_sessions: int
    encoders: int
    max_encoders: int | None
    stuck: int
    """Sessions that do not answer, or in which somebody waits in vain."""
    without_room: int = 0
    """Sessions whose encoders are held because the disk, or the share of it that segments may take, is full."""
    lacks: Mapping[str, int] = field(default_factory=dict)
    """The resources that have run out, and how many sessions wait for each to start encoders."""
    silent_roots: int = 0
    """Media roots that do not answer, or do not for some of their files."""


@dataclass(frozen=True, slots=True)
class Upkeep:
    """The daemon's history and its janitor."""

    history: str
    """Where the history is: the file, or "memory"."""
    trouble: str | None
    """Why the history cannot be written; None when it can."""
    janitor_ran_at: datetime | None
    """When the janitor last ran; None when it has not yet."""
    janitor_overdue: float
    """Seconds since it should have run; zero or less when it did."""


@dataclass(frozen=True, slots=True)
class Health:
    """``status`` is ``healthy``, ``warning`` or ``critical``; ``reasons`` say why, in sentences.

    It names no session, because anybody may read it and the id of a session is the right to watch it.
    """

    status: str
    reasons: tuple[str, ...]
    sessions: int
    ffmpeg: str
    """Its version."""
    sandbox: str
    """What the sandbox around films refuses here: ``files and network (…)``, less, or ``none``."""
    uptime: float
    """Seconds since the start."""
    max_sessions: int
    encoders: int
    max_encoders: int | None
    stuck_sessions: int
    disk_used: float | None
    """Share of the segments' disk; None when it cannot be looked at."""
    disk_free_bytes: int | None
    history: str
    janitor_ran_at: datetime | None


@dataclass(frozen=True, slots=True)
class Disk:
    """The segments' disk, in bytes. ``free`` is what this user may still write."""

    total: int
    used: int
    free: int

    @property
    def share(self) -> float:
        """How much of it is used, as df(1) counts: space that is kept for root is neither used nor free."""
        return self.used / (self.used + self.free) if self.used + self.free else 1.0


def disk_of(folder: Path) -> Disk | None:
    """Look at the disk of a folder; None when it is not there."""
    try:
        return Disk(*shutil.disk_usage(folder))
    except OSError:
        return None


def health_of(binary: Binary, segments_dir: Path, load: Load, upkeep: Upkeep, *, state: str, uptime: float) -> Health:
    """Judge a daemon that is ``running``, ``stopping`` or ``stopped``. Looks at the disk."""
    disk = disk_of(segments_dir)
    faults = list(_faults(binary, segments_dir, state))
    shares = list(_shares(segments_dir, load, disk))
    critical = [*faults, *(sentence for share, sentence in shares if share >= CRITICAL)]
    warnings = [*(sentence for share, sentence in shares if WARNING <= share < CRITICAL), *_worries(load, upkeep)]
    return Health(
        status="critical" if critical else "warning" if warnings else "healthy",
        reasons=(*critical, *warnings),
        sessions=load.sessions,
        ffmpeg=binary.version,
        sandbox=str(binary.sandbox or "none"),
        uptime=uptime,
        max_sessions=load.max_sessions,
        encoders=load.encoders,
        max_encoders=load.max_encoders,
        stuck_sessions=load.stuck,
        disk_used=None if disk is None else disk.share,
        disk_free_bytes=None if disk is None else disk.free,
        history=upkeep.history,
        janitor_ran_at=upkeep.janitor_ran_at,
    )


def _faults(binary: Binary, segments_dir: Path, state: str) -> Iterator[str]:
    if state == "stopped":
        yield "The supervisor does not run."
    if state == "stopping":
        yield "The supervisor is stopping."
    if binary.missing_encoders:
        yield f"ffmpeg at {binary.path} lacks the encoders {', '.join(binary.missing_encoders)}."
    if not os.access(binary.path, os.X_OK):
        yield f"ffmpeg at {binary.path} is gone."
    if not segments_dir.is_dir() or not os.access(segments_dir, os.W_OK):
        yield f"The segments directory {segments_dir} cannot be written to."


def _shares(segments_dir: Path, load: Load, disk: Disk | None) -> Iterator[tuple[float, str]]:
    """Yield for each limit the share in use, and a sentence."""
    yield load.sessions / load.max_sessions, f"{load.sessions} of {load.max_sessions} sessions are open."
    if load.max_encoders is not None:
        yield load.encoders / load.max_encoders, f"{load.encoders} of {load.max_encoders} encoders run."
    if disk is not None:
        yield disk.share, f"The disk of {segments_dir} is {disk.share:.0%} full."


def _worries(load: Load, upkeep: Upkeep) -> Iterator[str]:
    if load.stuck:
        yield f"{load.stuck} of {load.sessions} sessions are stuck: they do not answer, or a viewer waits in vain."
    if load.without_room:
        yield f"The disk, or what segments may take of it, is full: {load.without_room} sessions hold their encoders."
    for what, sessions in load.lacks.items():
        yield f"Out of {what}: {sessions} sessions wait to start encoders."
    if load.silent_roots:
        yield f"The storage of {load.silent_roots} of the media roots does not answer: files there cannot be opened."
    if upkeep.trouble is not None:
        yield f"The history {upkeep.history} cannot be written: {upkeep.trouble}."
    if upkeep.janitor_overdue > 0:
        yield f"The janitor is {upkeep.janitor_overdue:.0f} seconds late."
