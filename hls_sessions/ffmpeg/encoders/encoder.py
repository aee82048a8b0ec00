"""The base of each other file of this package: one encoder of H.264, with the options that ffmpeg needs for it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from copy import copy
from typing import TYPE_CHECKING, Any, ClassVar, Self

if TYPE_CHECKING:
    from hls_sessions.media import VideoRendition

ENDLESS = 65_535
"""Frames between keyframes that are not forced: as many as every hardware can count. A forced one starts anew."""


class Encoder(ABC):
    """An encoder of video. Decoding, scaling and tone mapping stay in software, for any file and any frame."""

    name: ClassVar[str]
    """Its name as ffmpeg spells it."""
    label: ClassVar[str]
    """Its name as people know it."""
    preference: ClassVar[int]
    """Of the encoders that pass their trial (``ffmpeg/trial.py``), the one with the lowest is chosen."""
    b_frames: ClassVar[bool] = True
    """Whether it can have frames decoded in another order than they are shown in."""
    device: ClassVar[tuple[str, ...]] = ()
    """The global arguments that open its device."""
    devices: ClassVar[tuple[str, ...]] = ()
    """Patterns of the devices that the sandbox lets its runs use."""
    works_confined: bool = True
    """Whether its runs work in the sandbox, as its trial has found."""

    def __repr__(self) -> str:
        return f"<Encoder {self.name}>"

    def __str__(self) -> str:
        return self.name

    def take(self, video: Any) -> Any:
        """Append the filters (``format``, ``hwupload``) that bring planar 4:2:0 into the form that it takes."""
        return video

    def bitstream_filter(self, rendition: VideoRendition) -> str | None:  # noqa: ARG002 - for those that need one
        """Return the bitstream filter of its output, as ``-bsf`` spells it; None for none."""
        return None

    def unconfined(self) -> Self:
        """Return the same encoder for runs outside of the sandbox."""
        other = copy(self)
        other.works_confined = False
        return other

    @abstractmethod
    def options(self, rendition: VideoRendition, *, b_frames: bool) -> dict[str, Any]:
        """Return the output options: rate, profile and level of the rendition, no keyframe but those that are forced.

        A forced keyframe must be an IDR frame, because each segment begins with one.

        Args:
            rendition: the rendition to make.
            b_frames: whether frames may be decoded in another order than they are shown in; by two at most.
        """


class Hardware(Encoder):
    """The options that encoders in hardware have in common."""

    b_frames = False
    # Some reckon decoding times by a constant frame rate (NVENC: by ticks), which the frames of a file need not have.

    def options(self, rendition: VideoRendition, *, b_frames: bool) -> dict[str, Any]:  # noqa: ARG002 - it never has any
        """Return the options that all have."""
        return {
            "b:v": rendition.max_rate * 3 // 4,
            "maxrate": rendition.max_rate,
            "bufsize": rendition.buffer,
            "profile:v": "high",
            "bf": 0,
            "g": ENDLESS,
        }

    def bitstream_filter(self, rendition: VideoRendition) -> str | None:
        """Label the stream as the playlist has promised.

        Each computes a level of its own, by its own estimate of its needs, and some set constraint flags. The rendition
        was computed to keep to the level of the playlist.
        """
        return f"h264_metadata=level={rendition.level.idc}:zero_new_constraint_set_flags=1:aud=remove"
