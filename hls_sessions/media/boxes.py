"""The few boxes of an fMP4 segment that the check before publishing reads (ISO/IEC 14496-12). Bytes in, values out."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

from hls_sessions.media.nal import brings_parameters, refreshes

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_NON_SYNC = 0x00010000
"""sample_is_non_sync_sample, of the sample flags (8.8.3.1)."""

_NAL_CODECS = {b"avc1": ("h264", b"avcC", 4), b"hvc1": ("hevc", b"hvcC", 21)}
"""Sample entries whose samples are NAL units: the codec, its configuration box, and where in that the length of a NAL
unit's length is (ISO/IEC 14496-15, 5.3.3 and 8.3.3)."""


class BrokenSegment(ValueError):
    """The bytes are not a whole segment; the message says what is missing."""


class Box(NamedTuple):
    """One box: its type and where its payload lies."""

    kind: bytes
    start: int
    """Offset of the box's first byte, its size field."""
    payload: int
    """Offset of the payload."""
    end: int


@dataclass(frozen=True, slots=True)
class Segment:
    """What a segment file holds."""

    head: int
    """Bytes of ftyp and moov at the file's beginning, which are the init segment; zero where that came apart."""
    track: bytes
    """The trak box: codec configuration and time scale."""
    first: Fraction
    """The earliest presentation time in seconds, as written (with the constant offset)."""
    end: Fraction
    """When the last sample ends, in seconds."""
    samples: int
    starts_with_keyframe: bool
    in_band: bool = False
    """Whether its first picture brings its own parameter sets, so that another init segment of the same form serves."""


def read_segment(data: bytes | memoryview, init: bytes | None = None) -> Segment:
    """Read whole fragments of one track. Only their boxes are looked at, and where their first sample begins.

    Args:
        data: the fragments.
        init: their init segment; by default it comes before them, as in a file of the segment muxer.

    Raises:
        BrokenSegment: a box is cut short, missing, or not one that belongs here.
    """
    view = memoryview(data)
    boxes = list(_boxes(view, 0, len(view)))
    if init is None:
        head = _head_of(boxes)
        init, boxes = bytes(view[:head]), boxes[2:]
    else:
        head = 0
    track = _read_init(init)
    samples: list[_Sample] = []
    opening = memoryview(b"")
    for moof, mdat in _fragments(boxes):
        found = list(_samples(view, moof, mdat.end - mdat.payload))
        if found and not samples:
            opening = view[mdat.payload : min(mdat.payload + found[0].size, mdat.end)]
        if sum(sample.size for sample in found) != mdat.end - mdat.payload:
            raise BrokenSegment("its samples do not fill its media data")
        samples += found
    if not samples:
        raise BrokenSegment("it holds no sample")
    return Segment(
        head=head,
        track=track.box,
        first=Fraction(min(sample.time for sample in samples), track.scale),
        end=Fraction(max(sample.time + sample.duration for sample in samples), track.scale),
        samples=len(samples),
        starts_with_keyframe=samples[0].keyframe and refreshes(track.codec, opening, track.nal_length),
        in_band=brings_parameters(track.codec, opening, track.nal_length),
    )


def read_track(init: bytes) -> bytes:
    """Return the trak box of an init segment, which every segment that belongs to it repeats.

    Raises:
        BrokenSegment: it is not an init segment.
    """
    return _read_init(init).box


class _Track(NamedTuple):
    """What an init segment says of its one track."""

    box: bytes
    """The trak box."""
    scale: int
    codec: str
    """As ffmpeg spells it, where samples are NAL units; else nothing."""
    nal_length: int


@lru_cache(maxsize=256)
def _read_init(init: bytes) -> _Track:
    """Read an init segment. All segments of a rendition have the same one."""
    view = memoryview(init)
    _, trak = _init(view, list(_boxes(view, 0, len(view))))
    codec, length = _nal_units(view, _sample_entry(view, trak))
    return _Track(bytes(view[trak.start : trak.end]), _time_scale(view, trak), codec, length)


def _head_of(boxes: list[Box]) -> int:
    """Return how many bytes the init segment has at the beginning of a file."""
    if [box.kind for box in boxes[:2]] != [b"ftyp", b"moov"]:
        raise BrokenSegment("it does not begin with an init segment")
    return boxes[1].end


def read_time_scale(track: bytes) -> int:
    """Return how many ticks a second has in a trak box.

    Raises:
        BrokenSegment: it is not a trak box.
    """
    view = memoryview(track)
    [trak] = _boxes(view, 0, len(view))
    return _time_scale(view, trak)


def read_sound(init: bytes) -> tuple[int, int] | None:
    """Return the audio object type and the channel configuration of an init segment with AAC; None of any other.

    Raises:
        BrokenSegment: it is not an init segment.
    """
    view = memoryview(init)
    _, trak = _init(view, list(_boxes(view, 0, len(view))))
    config = _aac_config(view, trak)
    return None if config is None else (config >> 11, config >> 3 & 0xF)


def same_sound(track: bytes, other: bytes) -> bool:
    """Whether two trak boxes are of AAC that one decoder plays: of one type, one rate and as many channels."""
    try:
        sounds = {
            (_time_scale(view, trak), _aac_config(view, trak))
            for view in (memoryview(track), memoryview(other))
            for trak in _boxes(view, 0, len(view))
        }
    except BrokenSegment:
        return False
    return len(sounds) == 1 and None not in sounds.pop()


_LENGTH = rb"[\x80-\xff]{0,3}[\x02-\x7f]"
_AAC_CONFIG = re.compile(rb"\x04" + _LENGTH + rb"\x40.{12}\x05" + _LENGTH + rb"(..)", re.DOTALL)
"""A DecoderConfigDescriptor of AAC, and in it a DecoderSpecificInfo (ISO/IEC 14496-1, 7.2.6.6): its first two bytes."""


def read_codec(track: bytes) -> str:
    """Return the RFC 6381 name of a trak box's codec: of H.264, its profile, constraints and level; else its kind.

    Raises:
        BrokenSegment: it is not a trak box.
    """
    view = memoryview(track)
    [trak] = _boxes(view, 0, len(view))
    entry = _sample_entry(view, trak)
    kind = entry.kind.decode("latin-1")
    return (
        f"{kind}.{_number('>I', view, _child(view, entry, b'avcC', skip=78), 0) & 0xFFFFFF:06x}"
        if kind == "avc1"
        else kind
    )


def same_form(track: bytes, other: bytes) -> bool:
    """Whether two trak boxes differ in nothing that segments with parameter sets of their own depend on."""
    return _form(track) == _form(other)


def same_codec(track: bytes, other: bytes) -> bool:
    """Whether two trak boxes set a decoder up alike, for samples that bring no parameters of their own."""
    return _setup(track) == _setup(other)


class _Form(NamedTuple):
    """What a player takes from the init segment, whatever the pictures themselves say."""

    scale: int
    codec: bytes
    """The sample entry's four characters."""
    configuration: bytes
    """The whole sample entry, where it is not H.264; else its picture's size."""
    nal_length: int
    """Bytes of the length before each NAL unit; zero where it is not H.264."""


class _Sample(NamedTuple):
    time: int
    duration: int
    size: int
    keyframe: bool


def _init(view: memoryview, top: list[Box]) -> tuple[Box, Box]:
    """Return the moov box of a file that begins with an init segment, and its trak box."""
    _head_of(top)
    return top[1], _child(view, top[1], b"trak")


def _boxes(view: memoryview, start: int, end: int) -> Iterator[Box]:
    while start < end:
        if end - start < 8:  # noqa: PLR2004 - a box header
            raise BrokenSegment("a box is cut short")
        size, kind = struct.unpack_from(">I4s", view, start)
        payload = start + 8
        if size == 1 and end - start >= 16:  # noqa: PLR2004 - a 64-bit size follows
            (size,) = struct.unpack_from(">Q", view, payload)
            payload += 8
        if size < payload - start or start + size > end:
            raise BrokenSegment(f"its {kind.decode('latin-1')} box is cut short")
        yield Box(kind, start, payload, start + size)
        start += size


def _child(view: memoryview, parent: Box, kind: bytes, skip: int = 0) -> Box:
    for box in _boxes(view, parent.payload + skip, parent.end):
        if box.kind == kind:
            return box
    raise BrokenSegment(f"its {kind.decode()} box is missing")


def _number(layout: str, view: memoryview, box: Box, at: int) -> int:
    """Read one number so many bytes into a box's payload."""
    start = box.payload + at
    if start + struct.calcsize(layout) > box.end:
        raise BrokenSegment(f"its {box.kind.decode()} box is too short")
    return int(struct.unpack_from(layout, view, start)[0])


def _time_scale(view: memoryview, trak: Box) -> int:
    mdhd = _child(view, _child(view, trak, b"mdia"), b"mdhd")
    scale = _number(">I", view, mdhd, 20 if _number("B", view, mdhd, 0) else 12)
    if scale == 0:
        raise BrokenSegment("its time scale is zero")
    return scale


def _aac_config(view: memoryview, trak: Box) -> int | None:
    """Return what an AudioSpecificConfig begins with: object type, rate, channels (ISO/IEC 14496-3, 1.6.2.1).

    It is in the esds box (ISO/IEC 14496-14, 3.1.2). None for what is not AAC.
    """
    entry = _sample_entry(view, trak)
    if entry.kind != b"mp4a":
        return None
    # It follows the fixed fields of a sound's entry (ISO/IEC 14496-12, 12.2.3).
    esds = _child(view, entry, b"esds", skip=28)
    config = _AAC_CONFIG.search(view[esds.payload : esds.end])
    return int.from_bytes(config[1]) if config else None


def _form(track: bytes) -> _Form:
    view = memoryview(track)
    [trak] = _boxes(view, 0, len(view))
    entry = _sample_entry(view, trak)
    if entry.kind != b"avc1":
        return _Form(_time_scale(view, trak), entry.kind, bytes(view[entry.payload : entry.end]), 0)
    size = bytes(view[entry.payload + 24 : entry.payload + 28])
    return _Form(_time_scale(view, trak), entry.kind, size, _nal_units(view, entry)[1])


def _setup(track: bytes) -> tuple[int, bytes, bytes]:
    """Return a track's time scale, its sample entry's four characters and, of H.264, its decoder configuration."""
    view = memoryview(track)
    [trak] = _boxes(view, 0, len(view))
    entry = _sample_entry(view, trak)
    record = _child(view, entry, b"avcC", skip=78) if entry.kind == b"avc1" else None
    return _time_scale(view, trak), entry.kind, b"" if record is None else bytes(view[record.payload : record.end])


def _sample_entry(view: memoryview, trak: Box) -> Box:
    """Return the one entry of the sample description box (8.5.2)."""
    box = trak
    for kind in (b"mdia", b"minf", b"stbl", b"stsd"):
        box = _child(view, box, kind)
    for entry in _boxes(view, box.payload + 8, box.end):
        return entry
    raise BrokenSegment("its sample entry is missing")


def _nal_units(view: memoryview, entry: Box) -> tuple[str, int]:
    """Return a sample entry's codec and how many bytes each NAL unit's length has; nothing where there are none."""
    if entry.kind not in _NAL_CODECS:
        return "", 0
    codec, box, at = _NAL_CODECS[entry.kind]
    return codec, (_number("B", view, _child(view, entry, box, skip=78), at) & 3) + 1


def _fragments(boxes: list[Box]) -> Iterator[tuple[Box, Box]]:
    rest = iter(box for box in boxes if box.kind in {b"moof", b"mdat"})
    for moof in rest:
        mdat = next(rest, None)
        if moof.kind != b"moof" or mdat is None or mdat.kind != b"mdat":
            raise BrokenSegment("a fragment is not whole")
        yield moof, mdat


def _samples(view: memoryview, moof: Box, room: int) -> Iterator[_Sample]:
    """Yield the samples of a fragment in decoding order (tfhd 8.8.7, trun 8.8.8, tfdt 8.8.12).

    ``room`` is the size of its media data in bytes: more samples than that are refused before they are made.
    """
    traf = _child(view, moof, b"traf")
    defaults = _defaults(view, _child(view, traf, b"tfhd"))
    tfdt = _child(view, traf, b"tfdt")
    time = _number(">Q" if _number("B", view, tfdt, 0) else ">I", view, tfdt, 4)
    for trun in (box for box in _boxes(view, traf.payload, traf.end) if box.kind == b"trun"):
        durations, sizes, flags, shifts = _columns(view, trun, room, defaults)
        room -= len(sizes)
        for lasts, size, own, shift in zip(durations, sizes, flags, shifts, strict=True):
            yield _Sample(time + shift, lasts, size, not own & _NON_SYNC)
            time += lasts


_FIELDS: Final = {0x100: "I", 0x200: "I", 0x400: "I", 0x800: "i"}
"""What a trun box may say of each sample, in this order: duration, size, flags and the time until it is shown."""


def _columns(view: memoryview, trun: Box, room: int, defaults: tuple[int, int, int]) -> list[Sequence[int]]:
    """Return the durations, sizes, flags and composition offsets of a trun box's samples."""
    has = _number(">I", view, trun, 0) & 0xFFFFFF
    count = _number(">I", view, trun, 4)
    if count > room:
        raise BrokenSegment("it claims more samples than its media data has bytes")
    at = 8 + (4 if has & 0x1 else 0)
    first_flags = _number(">I", view, trun, at) if has & 0x4 else None
    at += trun.payload + (4 if has & 0x4 else 0)
    row = struct.Struct(">" + "".join(kind for bit, kind in _FIELDS.items() if has & bit))
    if at + count * row.size > trun.end:
        raise BrokenSegment("its trun box is too short")
    said = iter(zip(*row.iter_unpack(view[at : at + count * row.size]), strict=True) if row.size and count else ())
    columns: list[Sequence[int]] = [
        next(said) if has & bit and count else (default,) * count
        for bit, default in zip(_FIELDS, (*defaults, 0), strict=True)
    ]
    if first_flags is not None and count and not has & 0x400:
        columns[2] = (first_flags, *columns[2][1:])
    return columns


def _defaults(view: memoryview, tfhd: Box) -> tuple[int, int, int]:
    """Return the default sample duration, size and flags of a track fragment header."""
    has = _number(">I", view, tfhd, 0)
    at = 8 + (8 if has & 0x1 else 0) + (4 if has & 0x2 else 0)
    values = []
    for bit in (0x8, 0x10, 0x20):
        present = bool(has & bit)
        values.append(_number(">I", view, tfhd, at) if present else 0)
        at += 4 if present else 0
    return values[0], values[1], values[2]
