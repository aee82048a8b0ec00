"""What a picture of H.264 or HEVC opens with: the NAL units that tell whether a decoder may begin with it.

Containers call more than that a keyframe. One at which only the recovery begins, or whose followers look back over
it, decodes well where the film goes on, and not where a player begins.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet


class _Codec(NamedTuple):
    header: int
    """Which bits of the first byte are the type, as a shift."""
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


def refreshes(codec: str, picture: bytes | memoryview, length: int) -> bool:
    """Whether a decoder may begin with a picture, as far as its NAL units tell; of other codecs they tell nothing.

    Args:
        codec: as ffmpeg spells it.
        picture: one sample, its NAL units each after its length.
        length: how many bytes each length has.
    """
    kind = _CODECS.get(codec)
    return kind is None or bool(_opening(kind, picture, length) & kind.refreshes)


def brings_parameters(codec: str, picture: bytes | memoryview, length: int) -> bool:
    """Whether a picture has all its parameter sets before its first slice; never of other codecs."""
    kind = _CODECS.get(codec)
    return kind is not None and _opening(kind, picture, length) >= kind.parameter_sets


def _opening(kind: _Codec, picture: bytes | memoryview, length: int) -> set[int]:
    """Return the types of the NAL units up to the first slice."""
    found: set[int] = set()
    start = 0
    while start + length < len(picture) and not found & kind.slices:
        found.add(picture[start + length] >> kind.header & kind.mask)
        start += length + int.from_bytes(picture[start : start + length])
    return found
