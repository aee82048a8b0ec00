"""The methods to encode a rendition, the best first. When one fails, the next takes its place.

Segments of different methods stand in one playlist under one init segment: that of the first method, or that of the
copy where something else is encoded because it cannot be copied. Three rules make that possible.

- Each method writes its parameter sets into the video itself, before every keyframe, so that a player may go from any
  segment to any other. The check before publishing sees that they are there.
- A copy keeps the parameter sets of its file, which are those of the init segment. Software encoding numbers its own
  differently, so that neither replaces the other in a decoder.
- No method reorders frames unless all do. A decoder that begins to wait for frames to come in order drops the first
  two.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from hls_sessions.ffmpeg.encoders import SOFTWARE
from hls_sessions.media import AudioRendition, CopiedVideo, VideoRendition

if TYPE_CHECKING:
    from hls_sessions.ffmpeg.encoders import Encoder
    from hls_sessions.media import Rendition


@dataclass(frozen=True, slots=True)
class Method:
    """How a rendition is encoded: by which encoder, and so that its segments can be mixed with those of others."""

    codec: str
    """The encoder, as ffmpeg's ``-c`` spells it."""
    encoder: Encoder = SOFTWARE
    """How video is encoded; of no meaning for audio."""
    b_frames: bool = True
    """Whether frames may be decoded in another order than they are shown in."""
    in_band: bool = False
    """Whether the parameter sets are in the video, too, because this is one of several methods."""
    guarded: bool = False
    """Whether samples of audio that are no numbers, or far too loud, are changed before they are encoded."""
    silent: bool = False
    """Whether silence is encoded in place of audio of which nothing can be decoded."""

    def __str__(self) -> str:
        return f"{self.codec} (silence)" if self.silent else f"{self.codec} (guarded)" if self.guarded else self.codec


AUDIO = Method("aac"), Method("aac", guarded=True), Method("aac", silent=True)


def methods(rendition: Rendition, encoder: Encoder = SOFTWARE) -> tuple[Method, ...]:
    """Return the methods to encode a rendition, the best first.

    Those of a copied rendition are for segments that cannot be copied. It has none where no other codec can stand in.

    Args:
        rendition: the rendition to encode.
        encoder: the video encoder that was chosen; software comes after it.
    """
    match rendition:
        case VideoRendition():
            return several(*(Method(each.name, each) for each in dict.fromkeys((encoder, SOFTWARE))))
        case CopiedVideo(track=track):
            # A player cannot change from another codec to H.264 within a variant. Hardware encoders number their
            # parameter sets as the copy does, and the copy does not repeat its own in the video.
            software = several(Method(SOFTWARE.name, SOFTWARE), alone=False)
            return software if track.codec == "h264" else ()
        case AudioRendition():
            return AUDIO


def several(*found: Method, alone: bool = True) -> tuple[Method, ...]:
    """Set methods up so that their segments mix with each other and, unless they are alone, with those of a copy."""
    b_frames = all(method.encoder.b_frames for method in found)
    return tuple(replace(method, b_frames=b_frames, in_band=len(found) > 1 or not alone) for method in found)
