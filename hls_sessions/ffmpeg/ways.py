"""The ways to make a rendition, the best first: each is the next one's predecessor, and steps aside when it fails.

Segments that were made in different ways stand in one playlist under one init segment, that of the way which was
first. So where there are several ways, each writes its parameter sets into the pictures themselves, before every
keyframe, and a player may go from any segment to any other. The check before publishing sees that they are there.
A copy has those of its file, which are those of the init segment; what is encoded in software has its own number
for them, so that neither takes the place of the other in a decoder.
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
    """One way to make a rendition."""

    codec: str
    """What makes it, as ffmpeg's ``-c`` spells it: an encoder, or ``copy``."""
    encoder: Encoder = SOFTWARE
    """How a picture is encoded, where it is."""
    in_band: bool = False
    """Whether the parameter sets are in the pictures, too, because it is one of several ways."""

    @property
    def copies(self) -> bool:
        """Whether nothing is encoded."""
        return self.codec == "copy"

    def __str__(self) -> str:
        return self.codec


COPY = Way("copy")
SOUND = Way("aac")


def ways(rendition: Rendition, encoder: Encoder = SOFTWARE) -> tuple[Way, ...]:
    """Return the ways to make a rendition, the best first, where ``encoder`` is the chosen one."""
    encoders = [Way(each.name, each) for each in dict.fromkeys((encoder, SOFTWARE))]
    match rendition:
        case VideoRendition():
            return several(*encoders)
        case CopiedVideo(track=track):
            # A player that was told of another codec could not go over to H.264 within the variant.
            return (COPY, *several(*encoders, alone=False)) if track.codec == "h264" else (COPY,)
        case AudioRendition(copied=True):
            return COPY, SOUND
        case AudioRendition():
            return (SOUND,)


def several(*found: Way, alone: bool = True) -> tuple[Way, ...]:
    """Return ways so that their segments can be mixed, with each other or with those of a copy."""
    return tuple(replace(way, in_band=len(found) > 1 or not alone) for way in found)
