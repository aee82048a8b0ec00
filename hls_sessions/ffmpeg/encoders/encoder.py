"""What a file of this package defines: one encoder, as ffmpeg has to be told of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from hls_sessions.media import VideoRendition


class Encoder(Protocol):
    """A way to encode a picture to H.264."""

    @property
    def name(self) -> str:
        """Its name as ffmpeg spells it."""
        ...

    def options(self, rendition: VideoRendition, *, b_frames: bool) -> dict[str, Any]:
        """Return the output options: rate, profile and level of the rendition, no keyframe but those that are forced.

        Args:
            rendition: what is to be made.
            b_frames: whether frames may be decoded in another order than they are shown in; by two at most.
        """
        ...
