"""libx264, which runs everywhere; all others fall back to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hls_sessions.ffmpeg.encoders.encoder import Encoder

if TYPE_CHECKING:
    from hls_sessions.media import VideoRendition


class Software(Encoder):
    """x264, on the processor."""

    name = "libx264"
    label = "x264"
    preference = 100

    def options(self, rendition: VideoRendition, *, b_frames: bool) -> dict[str, Any]:
        """Return its output options; as many B-frames as it likes are decoded two frames ahead at most."""
        return {
            "preset": "veryfast",
            "crf": 23,
            "maxrate": rendition.max_rate,
            "bufsize": rendition.buffer,
            "profile:v": "high",
            "level:v": rendition.level.name,
            **({} if b_frames else {"bf": 0}),
            # Parameter sets with a number of their own replace no others in a decoder.
            "x264-params": "sps-id=1",
            # Encoders hand on the captions that a decoder found. They do so only where the playlists announce captions.
            "a53cc": int(rendition.track.captions),
            "sc_threshold": 0,
            "g": 1 << 20,
        }


ENCODER = Software()
