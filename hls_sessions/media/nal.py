"""The NAL units at the beginning of a frame of H.264 or HEVC, which tell whether a decoder may begin there.

Containers call other frames keyframes too: those at which only a recovery begins, or over which later frames look back.
Such a frame decodes well when the frames before it were decoded, but not when a player begins there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
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


_SEI: Final = 6
"""The NAL unit type of supplemental enhancement information (ITU-T H.264, table 7-1)."""

_RECOVERY_POINT: Final = 6
"""The payload type of a recovery point (D.1.1)."""

_MOST_RECOVERY: Final = 600
"""Frames that a recovery may take to be believed."""


def refreshes(codec: str, frame: bytes | memoryview, length: int) -> bool:
    """Whether a decoder may begin with a frame, as far as its NAL units tell; always True for other codecs.

    Args:
        codec: as ffmpeg spells it.
        frame: one sample: NAL units, each after its length.
        length: how many bytes each length has.
    """
    kind = _CODECS.get(codec)
    return kind is None or bool(_opening(kind, frame, length) & kind.refreshes)


def recovery_frames(codec: str, frame: bytes | memoryview, length: int) -> int:
    """Return how many frames after a keyframe a decoder that begins with it shows the first whole picture.

    That is the recovery_frame_cnt of a recovery point (ITU-T H.264, D.2.8), which encoders write that refresh a picture
    strip by strip. It is zero where there is none, and for other codecs than H.264.
    """
    if codec != "h264":
        return 0
    for start, end in _units(frame, length):
        if frame[start] & _CODECS[codec].mask == _SEI:
            return _recovery_of(bytes(frame[start + 1 : end]))
    return 0


def brings_parameters(codec: str, frame: bytes | memoryview, length: int) -> bool:
    """Whether a frame has all parameter sets before its first slice; always False for other codecs."""
    kind = _CODECS.get(codec)
    return kind is not None and _opening(kind, frame, length) >= kind.parameter_sets


def _opening(kind: _Codec, frame: bytes | memoryview, length: int) -> set[int]:
    """Return the types of the NAL units up to the first slice."""
    found: set[int] = set()
    for start, _ in _units(frame, length):
        found.add(frame[start] >> kind.header & kind.mask)
        if found & kind.slices:
            break
    return found


def _units(frame: bytes | memoryview, length: int) -> Iterator[tuple[int, int]]:
    """Yield where each NAL unit begins and ends."""
    start = 0
    while start + length < len(frame):
        begins = start + length
        start = begins + int.from_bytes(frame[start:begins])
        yield begins, start


def _recovery_of(messages: bytes) -> int:
    """Return the recovery_frame_cnt among the messages of a SEI unit (ITU-T H.264, 7.3.2.3.1); zero without one."""
    at = 0
    while at + 2 < len(messages):
        kind, at = _sum_of_bytes(messages, at)
        size, at = _sum_of_bytes(messages, at)
        if kind == _RECOVERY_POINT:
            # Exp-Golomb (9.1): as many zeros as there are bits after the next one.
            bits = int.from_bytes(messages[at : at + 4].ljust(4, b"\0"))
            zeros = 32 - bits.bit_length()
            return min((bits >> max(0, 31 - 2 * zeros)) - 1, _MOST_RECOVERY) if bits else 0
        at += size
    return 0


def _sum_of_bytes(messages: bytes, at: int) -> tuple[int, int]:
    """Read a number that is written as a sum of bytes, of which only the last is not 255."""
    total = 0
    while at < len(messages):
        total, at = total + messages[at], at + 1
        if messages[at - 1] != 0xFF:  # noqa: PLR2004 - the largest byte
            break
    return total, at
