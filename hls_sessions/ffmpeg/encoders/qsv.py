"""Quick Sync Video: Intel's graphics, through oneVPL or the Media SDK."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hls_sessions.ffmpeg.encoders.encoder import Hardware

if TYPE_CHECKING:
    from hls_sessions.media import VideoRendition


class Qsv(Hardware):
    """Takes frames from memory and opens its device itself."""

    name = "h264_qsv"
    label = "Quick Sync Video"
    preference = 20
    devices = ("/dev/dri",)

    def take(self, video: Any) -> Any:
        """Interleave the colours: it takes nothing else of eight bits."""
        return video.filter("format", "nv12")

    def options(self, rendition: VideoRendition, *, b_frames: bool) -> dict[str, Any]:
        """Return its output options."""
        return super().options(rendition, b_frames=b_frames) | {
            "preset": "veryfast",
            "level:v": rendition.level.idc,
            # A forced keyframe is an I-frame to it, which a player cannot begin with.
            "forced_idr": 1,
            "idr_interval": 0,
            "adaptive_i": 0,
        }


ENCODER = Qsv()
