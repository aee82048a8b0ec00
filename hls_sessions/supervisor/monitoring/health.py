"""The health of the daemon: whether it can do its work, the faults that prevent it, and those that soon may."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass, field
from datetime import datetime  # noqa: TC003 - the HTTP edge reads Health's types at run time
from typing import TYPE_CHECKING, Final, NamedTuple

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
    """``status`` is ``healthy``, ``warning`` or ``critical``; ``reasons`` say why, in sentences, ``advice`` what to do.

    It names no session, because anybody may read it and the id of a session is the right to watch it.
    """

    status: str
    reasons: tuple[str, ...]
    advice: tuple[str, ...]
    """What can be done about each reason."""
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


class Reason(NamedTuple):
    """Why the daemon is not healthy, and what can be done about it."""

    sentence: str
    advice: str


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
    critical = [*faults, *(reason for share, reason in shares if share >= CRITICAL)]
    warnings = [*(reason for share, reason in shares if WARNING <= share < CRITICAL), *_worries(load, upkeep)]
    found = [*critical, *warnings]
    return Health(
        status="critical" if critical else "warning" if warnings else "healthy",
        reasons=tuple(reason.sentence for reason in found),
        advice=tuple(reason.advice for reason in found),
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


def _faults(binary: Binary, segments_dir: Path, state: str) -> Iterator[Reason]:
    if state == "stopped":
        yield Reason("The supervisor does not run.", "Look for its reason in the log, and start it again.")
    if state == "stopping":
        yield Reason("The supervisor is stopping.", "Send viewers elsewhere, or wait until it is started again.")
    if binary.missing_encoders:
        yield Reason(
            f"ffmpeg at {binary.path} lacks the encoders {', '.join(binary.missing_encoders)}.",
            "Install an ffmpeg that has them, or the package's ffmpeg extra.",
        )
    if not os.access(binary.path, os.X_OK):
        yield Reason(f"ffmpeg at {binary.path} is gone.", "Install it again at that place, or start with another one.")
    if not segments_dir.is_dir() or not os.access(segments_dir, os.W_OK):
        yield Reason(
            f"The segments directory {segments_dir} cannot be written to.",
            "See that it is there, and that the daemon's user may write to it.",
        )


def _shares(segments_dir: Path, load: Load, disk: Disk | None) -> Iterator[tuple[float, Reason]]:
    """Yield for each limit the share in use, and what there is to say of it."""
    sessions = Reason(
        f"{load.sessions} of {load.max_sessions} sessions are open.",
        "Stop sessions that nobody needs, or raise max_sessions.",
    )
    yield load.sessions / load.max_sessions, sessions
    if load.max_encoders is not None:
        encoders = Reason(
            f"{load.encoders} of {load.max_encoders} encoders run.",
            "Raise max_encoders if processors are idle; else viewers will wait longer.",
        )
        yield load.encoders / load.max_encoders, encoders
    if disk is not None:
        full = Reason(
            f"The disk of {segments_dir} is {disk.share:.0%} full.",
            "Free space there, or lower disk_budget so that segments take less.",
        )
        yield disk.share, full


def _worries(load: Load, upkeep: Upkeep) -> Iterator[Reason]:
    if load.stuck:
        yield Reason(
            f"{load.stuck} of {load.sessions} sessions are stuck: they do not answer, or a viewer waits in vain.",
            "Look at the log of these sessions; stopping and opening them again frees what they hold.",
        )
    if load.without_room:
        yield Reason(
            f"The disk, or what segments may take of it, is full: {load.without_room} sessions hold their encoders.",
            "Free space on the disk of the segments, or raise disk_budget.",
        )
    for what, sessions in load.lacks.items():
        yield Reason(
            f"Out of {what}: {sessions} sessions wait to start encoders.",
            "Raise the system's limit of it for the daemon's user, or stop other programs.",
        )
    if load.silent_roots:
        yield Reason(
            f"The storage of {load.silent_roots} of the media roots does not answer: files there cannot be opened.",
            "See whether its server or its network is down. It is asked again by itself.",
        )
    if upkeep.trouble is not None:
        yield Reason(
            f"The history {upkeep.history} cannot be written: {upkeep.trouble}.",
            "See that its disk has space and that no other program locks it. Rows that wait are written later.",
        )
    if upkeep.janitor_overdue > 0:
        yield Reason(
            f"The janitor is {upkeep.janitor_overdue:.0f} seconds late.",
            "The machine is likely to be overloaded, or the disk of the segments to hang.",
        )
