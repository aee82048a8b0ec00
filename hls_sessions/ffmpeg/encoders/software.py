"""libx264: runs everywhere, and is what all others fall back to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hls_sessions.media import VideoRendition


@dataclass(frozen=True, slots=True)
class Software:
    """x264, on the processor."""

    name: str = "libx264"

    def options(self, rendition: VideoRendition, *, b_frames: bool) -> dict[str, Any]:
        """Return its output options; x264 decodes two frames ahead, with its own number of B-frames."""
        return {
            "preset": "veryfast",
            "crf": 23,
            "maxrate": rendition.max_rate,
            "bufsize": rendition.buffer,
            "profile:v": "high",
            "level:v": rendition.level.name,
            **({} if b_frames else {"bf": 0}),
            # Parameter sets of its own number take the place of nobody else's in a decoder.
            "x264-params": "sps-id=1",
            "sc_threshold": 0,
            "g": 1 << 20,
        }


ENCODER = Software()
