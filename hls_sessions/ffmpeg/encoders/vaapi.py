"""VAAPI: Intel's and AMD's graphics on Linux, through the kernel's render node."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hls_sessions.ffmpeg.encoders.encoder import Hardware

if TYPE_CHECKING:
    from hls_sessions.media import VideoRendition

NODE = "/dev/dri/renderD128"
"""The first render node of a machine."""


class Vaapi(Hardware):
    """Takes frames from its own memory alone."""

    name = "h264_vaapi"
    label = "VAAPI"
    preference = 30
    devices = ("/dev/dri",)
    device = ("-init_hw_device", f"vaapi=gpu:{NODE}", "-filter_hw_device", "gpu")

    def take(self, video: Any) -> Any:
        """Interleave the colours, and load the frames up."""
        return video.filter("format", "nv12").filter("hwupload")

    def options(self, rendition: VideoRendition, *, b_frames: bool) -> dict[str, Any]:
        """Return its output options. A forced keyframe is an IDR frame to it; how it keeps its rate is the driver's."""
        return super().options(rendition, b_frames=b_frames) | {"level:v": rendition.level.idc, "idr_interval": 0}


ENCODER = Vaapi()
