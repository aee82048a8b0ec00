"""Whether the daemon can do its work, and what is wrong where it cannot."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hls_sessions.ffmpeg import Binary

WARNING_FREE = 0.10
"""Share of the segments' disk that should stay free."""
CRITICAL_FREE = 0.02


@dataclass(frozen=True, slots=True)
class Health:
    """``status`` is ``healthy``, ``warning`` or ``critical``; ``reasons`` say why, in sentences."""

    status: str
    reasons: tuple[str, ...]
    sessions: int
    ffmpeg: str
    """Its version."""
    uptime: float
    """Seconds since the start."""


def health_of(binary: Binary, segments_dir: Path, *, running: bool, sessions: int, uptime: float) -> Health:
    """Judge a daemon. Looks at the disk."""
    critical = list(_critical(binary, segments_dir, running=running))
    warnings = list(_warnings(segments_dir)) if not critical else []
    status = "critical" if critical else "warning" if warnings else "healthy"
    return Health(status, (*critical, *warnings), sessions, binary.version, uptime)


def _critical(binary: Binary, segments_dir: Path, *, running: bool) -> Iterator[str]:
    if not running:
        yield "The supervisor does not run."
    if binary.missing_encoders:
        yield f"ffmpeg at {binary.path} lacks the encoders {', '.join(binary.missing_encoders)}."
    if not os.access(binary.path, os.X_OK):
        yield f"ffmpeg at {binary.path} is gone."
    if not segments_dir.is_dir() or not os.access(segments_dir, os.W_OK):
        yield f"The segments directory {segments_dir} cannot be written to."
    elif _free(segments_dir) < CRITICAL_FREE:
        yield f"The disk of {segments_dir} is full."


def _warnings(segments_dir: Path) -> Iterator[str]:
    if (free := _free(segments_dir)) < WARNING_FREE:
        yield f"Only {free:.0%} of the disk of {segments_dir} is free."


def _free(folder: Path) -> float:
    usage = shutil.disk_usage(folder)
    return usage.free / usage.total
