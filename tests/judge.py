"""How the playback tests judge what was made: packet by packet, against the source."""

from __future__ import annotations

import io
from fractions import Fraction
from itertools import pairwise

import av

from hls_sessions.ffmpeg import OFFSET
from hls_sessions.ffmpeg.packets import Packet, count_frames, read_tracks

MILLISECOND = Fraction(1, 1000)


def packets(data: bytes) -> list[Packet]:
    """Read the packets of an init segment and any segments of its rendition, in decoding order."""
    [track] = read_tracks(data)
    return list(track.packets)


def times(data: bytes) -> list[Fraction]:
    """Return when each packet is shown or heard, in order, in seconds on the presentation's clock."""
    return sorted(packet.time - OFFSET for packet in packets(data))


def source_times(path, kind: str = "video") -> list[Fraction]:
    """Return when each packet of a source is shown or heard, in order."""
    return next(track for track in read_tracks(path) if track.kind == kind).times


def codec(path, kind: str) -> str:
    """Return a source's codec, as ffmpeg spells it."""
    return next(track for track in read_tracks(path) if track.kind == kind).codec


def channels(data: bytes) -> int:
    """Return how many channels a sound has."""
    with av.open(io.BytesIO(data)) as container:
        return container.streams.audio[0].codec_context.channels


def frames(data: bytes) -> int:
    """Decode everything, and return how many frames came. Raises when the decoder complains."""
    [track] = read_tracks(data)
    return count_frames(data, track.kind)


def worst_deviation(found: list[Fraction], expected: list[Fraction]) -> Fraction:
    """Return how far the worst time is off, in seconds, once one constant is taken away."""
    constant = found[0] - expected[0]
    return max(abs(ours - theirs - constant) for ours, theirs in zip(found, expected, strict=True))


def is_increasing(moments: list[Fraction]) -> bool:
    """Whether no time comes twice, or before one that precedes it."""
    return all(before < after for before, after in pairwise(moments))
