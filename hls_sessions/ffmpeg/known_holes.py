"""Versions of ffmpeg with known security holes that a film can use, so that ``doctor`` can warn of them.

The table names the releases that mended each hole. A distribution may have mended an older one, which its version may
not tell.
"""

from __future__ import annotations

import re
from typing import NamedTuple

Version = tuple[int, ...]


class Hole(NamedTuple):
    """One hole, or several that were mended together."""

    names: str
    """Their CVE numbers."""
    what: str
    """What they are in."""
    mended: tuple[Version, ...]
    """The first release of each branch without it. Later branches never had it; others were not mended."""


HOLES = (
    Hole(
        "CVE-2026-8461",
        "the MagicYUV decoder runs what a film holds",
        ((5, 1, 10), (6, 1, 6), (7, 1, 5), (8, 0, 3), (8, 1, 2)),
    ),
    Hole("CVE-2026-40962", "the MP4 demuxer writes beyond its memory", ((8, 1, 0),)),
    Hole("CVE-2026-30999", "text of a film is written beyond its memory", ((8, 0, 2),)),
    Hole("CVE-2023-6602, -6604, -6605", "lists in a film open files and hosts", ((5, 1, 7),)),
    Hole("CVE-2023-49502 to CVE-2025-22919", "decoders and demuxers read and write beyond their memory", ((5, 1, 7),)),
)
"""The holes, the newest first. Sources: ffmpeg.org/security.html, the changelog of Debian's package."""


def known_holes(version: str) -> list[Hole]:
    """Return the holes of an ffmpeg, by the version it tells. Of one that was built from a checkout none is known."""
    told = re.match(r"n?(\d+)\.(\d+)(?:\.(\d+))?", version)
    if told is None:
        return []
    number = tuple(int(part or 0) for part in told.groups())
    return [hole for hole in HOLES if not _is_mended(number, hole.mended)]


def _is_mended(number: Version, mended: tuple[Version, ...]) -> bool:
    same_branch = [first for first in mended if first[:2] == number[:2]]
    return number >= same_branch[0] if same_branch else number[:2] > max(mended)[:2]
