"""What a session shares with others that play the same film: the segments on disk, and the runs that make them."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hls_sessions.ffmpeg import source_digest
from hls_sessions.media import fingerprint

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hls_sessions.encoding.common_runs import CommonRuns, SessionRuns
    from hls_sessions.ffmpeg import Method
    from hls_sessions.media import Presentation
    from hls_sessions.segments import Share, SharedSegments


@dataclass(frozen=True, slots=True)
class Sharing:
    """One session's part in what all share."""

    segments: SharedSegments
    runs: CommonRuns
    session_id: str
    tell: Callable[[Any], object]
    """Tells the session's actor of the runs of others."""
    is_apart: bool = False
    """Whether the session shares nothing."""

    def of(self, rendition: str, key: str) -> tuple[Share | None, SessionRuns]:
        """Return the session's part in a content: its segments, None if it shares nothing, and its runs."""
        if self.is_apart:
            return None, self.runs.join(f"{rendition} of {self.session_id}", self.session_id, rendition, self.tell)
        share = self.segments.share(key, self.session_id)
        return share, self.runs.join(key, self.session_id, rendition, self.tell)


def content_key(presentation: Presentation, rendition: str, methods: Sequence[Method], encoder: str) -> str:
    """Return a key that two sessions have only if a player may get segments of either in place of the other's.

    Args:
        presentation: of the film, whose playlists hold the renditions and where they are cut.
        rendition: the id of one of them.
        methods: how it is encoded.
        encoder: the version of ffmpeg.
    """
    media = presentation.media
    identity = (
        os.fsencode(media.path),
        media.size,
        media.modified,
        fingerprint(presentation),
        rendition,
        *methods,
        encoder,
        source_digest("ffmpeg", "ffmpeg/encoders", "ffmpeg/packaging", "media"),
    )
    return hashlib.sha256("\n".join(map(repr, identity)).encode()).hexdigest()
