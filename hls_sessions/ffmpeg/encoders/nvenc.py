"""NVENC: NVIDIA's cards, through their driver."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hls_sessions.ffmpeg.encoders.encoder import Hardware

if TYPE_CHECKING:
    from hls_sessions.media import VideoRendition


class Nvenc(Hardware):
    """Takes frames from memory and opens its device itself."""

    name = "h264_nvenc"
    label = "NVENC"
    preference = 10
    devices = ("/dev/nvidia*",)

    def options(self, rendition: VideoRendition, *, b_frames: bool) -> dict[str, Any]:
        """Return its output options: a constant quality within the rendition's rate, as x264's are."""
        return super().options(rendition, b_frames=b_frames) | {
            "rc": "vbr",
            "cq": 23,
            "b:v": 0,  # it would be a target
            "level:v": rendition.level.idc,
            # A forced keyframe is an I-frame to it, which a player cannot begin with.
            "forced-idr": 1,
            "no-scenecut": 1,
        }


ENCODER = Nvenc()
