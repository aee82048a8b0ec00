"""The ways to encode a rendition, the best first: each is the next one's predecessor, and steps aside when it fails.

Segments that were made in different ways stand in one playlist under one init segment, that of the way which was
first, or of the copy where what cannot be copied is encoded. So each writes its parameter sets into the pictures
themselves, before every keyframe, and a player may go from any segment to any other. The check before publishing sees
that they are there. A copy has those of its file, which are those of the init segment; what is encoded in software has
its own number for them, so that neither takes the place of the other in a decoder. And no way to encode reorders frames
unless all do: a decoder that begins to wait for frames to come in order drops the first two.
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
class Way:
    """One way to encode a rendition."""

    codec: str
    """The encoder, as ffmpeg's ``-c`` spells it."""
    encoder: Encoder = SOFTWARE
    """How a picture is encoded, where it is."""
    b_frames: bool = True
    """Whether the encoder may have frames decoded in another order than they are shown in."""
    in_band: bool = False
    """Whether the parameter sets are in the pictures, too, because it is one of several ways."""

    def __str__(self) -> str:
        return self.codec


SOUND = Way("aac")


def ways(rendition: Rendition, encoder: Encoder = SOFTWARE) -> tuple[Way, ...]:
    """Return the ways to encode a rendition, the best first, where ``encoder`` is the chosen one.

    Of one that is copied, they are for what cannot be; there is none where nothing else fits in its place.
    """
    match rendition:
        case VideoRendition():
            return several(*(Way(each.name, each) for each in dict.fromkeys((encoder, SOFTWARE))))
        case CopiedVideo(track=track):
            # A player that was told of another codec could not go over to H.264 within the variant. And hardware
            # gives its parameter sets the numbers that the copy's have, which are not in its pictures.
            software = several(Way(SOFTWARE.name, SOFTWARE), alone=False)
            return software if track.codec == "h264" else ()
        case AudioRendition():
            return (SOUND,)


def several(*found: Way, alone: bool = True) -> tuple[Way, ...]:
    """Return ways so that their segments can be mixed, with each other or with those of a copy."""
    b_frames = all(way.encoder.b_frames for way in found)
    return tuple(replace(way, b_frames=b_frames, in_band=len(found) > 1 or not alone) for way in found)
