"""Durations as people type them: ``90``, ``30m``, ``1h30m``, ``2d``."""

from __future__ import annotations

import re
from math import inf

import typer

SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
PART = re.compile(r"(\d+(?:\.\d+)?)([smhd])")


def duration(typed: str) -> float:
    """Return a duration in seconds; a number alone is seconds.

    Raises:
        typer.BadParameter: it is not a duration.
    """
    parts = PART.findall(typed)
    if parts and "".join(map("".join, parts)) == typed:
        return sum(float(number) * SECONDS[unit] for number, unit in parts)
    try:
        seconds = float(typed)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < inf:
        raise typer.BadParameter(f"{typed!r} is no duration, like 90, 30m, 1h30m or 2d.")
    return seconds
