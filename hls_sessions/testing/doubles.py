"""Stand-ins for an ffmpeg that misbehaves: each is the real one, but for the runs that make segments."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from hls_sessions.ffmpeg import find

if TYPE_CHECKING:
    from pathlib import Path

_SCRIPT = """#!/bin/sh
# The real ffmpeg, but for {what}.
case "$*" in *segment_format_options*)
  echo run >> {runs}
  if [ {times} -lt 0 ] || [ "$(wc -l < {runs})" -le {times} ]; then
    {misbehave}
  fi
esac
exec {real} "$@"
"""


def failing_ffmpeg(folder: Path, *, times: int = -1, says: str = "No space left on device", code: int = 1) -> Path:
    """Make an ffmpeg whose first runs fail: ``times`` of them, or all when negative. Returns its path."""
    return _write(folder, "failing-ffmpeg", "runs that fail", times, f"echo {shlex.quote(says)} >&2; exit {code}")


def hanging_ffmpeg(folder: Path, *, times: int = -1) -> Path:
    """Make an ffmpeg whose first runs write nothing and never end: ``times`` of them, or all when negative."""
    return _write(folder, "hanging-ffmpeg", "runs that hang", times, "exec sleep 3600")


def runs_of(double: Path) -> int:
    """Return how many runs a double has been asked for."""
    runs = double.with_suffix(".runs")
    return len(runs.read_text().splitlines()) if runs.exists() else 0


def _write(folder: Path, name: str, what: str, times: int, misbehave: str) -> Path:
    script = folder / name
    script.write_text(
        _SCRIPT.format(
            what=what,
            runs=shlex.quote(str(script.with_suffix(".runs"))),
            times=times,
            misbehave=misbehave,
            real=shlex.quote(find()),
        )
    )
    script.chmod(0o755)
    return script
