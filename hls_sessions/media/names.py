"""The names of the renditions of a group, which players show."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hls_sessions.media.facts import AudioTrack, SubtitleTrack


def names(tracks: Sequence[AudioTrack | SubtitleTrack], kind: str) -> tuple[str, ...]:
    """Return a name for each track: its title, else its language, else its ``kind`` and number.

    A NAME is unique within its group (RFC 8216, 4.3.4.1.1).
    """
    taken: dict[str, None] = {}
    for number, track in enumerate(tracks, 1):
        name = _written(track.title) or _written(track.language) or f"{kind} {number}"
        numbered = (f"{name} ({again})" for again in count(2))
        taken[name if name not in taken else next(other for other in numbered if other not in taken)] = None
    return tuple(taken)


def _written(text: str | None) -> str:
    """Return a tag of the file as a quoted-string may hold it: no line breaks, no double quotes (RFC 8216, 4.2)."""
    return "".join("'" if c == '"' else c for c in text or "" if c.isprintable()).strip()
