"""The NAL units at the beginning of a frame of H.264 or HEVC, which tell whether a decoder may begin there.

Containers call other frames keyframes too: those at which only a recovery begins, or over which later frames look back.
Such a frame decodes well when the frames before it were decoded, but not when a player begins there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet


class _Codec(NamedTuple):
    header: int
    """How far the type is shifted in the first byte."""
    mask: int
    slices: AbstractSet[int]
    refreshes: AbstractSet[int]
    parameter_sets: AbstractSet[int]


_CODECS = {
    # ITU-T H.264, table 7-1: an IDR slice is 5; parameter sets of the sequence and the picture.
    "h264": _Codec(0, 0x1F, frozenset({1, 5}), frozenset({5}), frozenset({7, 8})),
    # ITU-T H.265, table 7-1: IDR pictures are 19 and 20; parameter sets of the video, the sequence and the picture.
    "hevc": _Codec(1, 0x3F, frozenset(range(32)), frozenset({19, 20}), frozenset({32, 33, 34})),
}


def refreshes(codec: str, frame: bytes | memoryview, length: int) -> bool:
    """Whether a decoder may begin with a frame, as far as its NAL units tell; always True for other codecs.

    Args:
        codec: as ffmpeg spells it.
        frame: one sample: NAL units, each after its length.
        length: how many bytes each length has.
    """
    kind = _CODECS.get(codec)
    return kind is None or bool(_opening(kind, frame, length) & kind.refreshes)


def brings_parameters(codec: str, frame: bytes | memoryview, length: int) -> bool:
    """Whether a frame has all parameter sets before its first slice; always False for other codecs."""
    kind = _CODECS.get(codec)
    return kind is not None and _opening(kind, frame, length) >= kind.parameter_sets


def _opening(kind: _Codec, frame: bytes | memoryview, length: int) -> set[int]:
    """Return the types of the NAL units up to the first slice."""
    found: set[int] = set()
    start = 0
    while start + length < len(frame) and not found & kind.slices:
        found.add(frame[start + length] >> kind.header & kind.mask)
        start += length + int.from_bytes(frame[start : start + length])
    return found
