"""VideoToolbox: Apple's machines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hls_sessions.ffmpeg.encoders.encoder import Hardware

if TYPE_CHECKING:
    from hls_sessions.media import VideoRendition


class VideoToolbox(Hardware):
    """Takes frames from memory; a forced keyframe is an IDR frame to it."""

    name = "h264_videotoolbox"
    label = "VideoToolbox"
    preference = 40

    def options(self, rendition: VideoRendition, *, b_frames: bool) -> dict[str, Any]:
        """Return its output options. It knows no level of the High profile below 3.0, so it is left to choose one."""
        return super().options(rendition, b_frames=b_frames) | {"allow_sw": 0, "realtime": 0}


ENCODER = VideoToolbox()
