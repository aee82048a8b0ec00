"""How the playback tests judge what was made: packet by packet, against the source."""

from __future__ import annotations

import io
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

import av

from hls_sessions.ffmpeg import OFFSET

MILLISECOND = Fraction(1, 1000)


@dataclass(frozen=True)
class Packet:
    """One packet; times in seconds on the presentation's clock."""

    time: Fraction
    duration: Fraction
    keyframe: bool


def packets(data: bytes) -> list[Packet]:
    """Read the packets of an init segment and any segments of its rendition, in decoding order."""
    with av.open(io.BytesIO(data)) as container:
        [stream] = container.streams
        return [
            Packet(packet.pts * stream.time_base - OFFSET, packet.duration * stream.time_base, packet.is_keyframe)
            for packet in container.demux(stream)
            if packet.pts is not None
        ]


def times(data: bytes) -> list[Fraction]:
    """Return when each packet is shown or heard, in order."""
    return sorted(packet.time for packet in packets(data))


def source_times(path, kind: str = "video") -> list[Fraction]:
    """Return when each packet of a source is shown or heard, in order."""
    with av.open(str(path)) as container:
        stream = container.streams.get({kind: 0})[0]
        return sorted(p.pts * stream.time_base for p in container.demux(stream) if p.pts is not None)


def frames(data: bytes) -> int:
    """Decode everything, and return how many frames came. Raises when the decoder complains."""
    with av.open(io.BytesIO(data)) as container:
        container.streams[0].codec_context.options = {"err_detect": "explode"}
        return sum(1 for _ in container.decode(container.streams[0]))


def worst_deviation(found: list[Fraction], expected: list[Fraction]) -> Fraction:
    """Return how far the worst time is off, in seconds, once one constant is taken away."""
    constant = found[0] - expected[0]
    return max(abs(ours - theirs - constant) for ours, theirs in zip(found, expected, strict=True))


def is_increasing(moments: list[Fraction]) -> bool:
    """Whether no time comes twice, or before one that precedes it."""
    return all(before < after for before, after in pairwise(moments))
