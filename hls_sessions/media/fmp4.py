"""The parts of an fMP4 segment that the check before publishing reads (ISO/IEC 14496-12). Bytes in, values out."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

from hls_sessions.media.isobmff import read_boxes
from hls_sessions.media.nal import brings_parameters, refreshes

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from hls_sessions.media.isobmff import Box

_NON_SYNC = 0x00010000
"""sample_is_non_sync_sample, of the sample flags (8.8.3.1)."""

_NAL_CODECS = {b"avc1": ("h264", b"avcC", 4), b"hvc1": ("hevc", b"hvcC", 21)}
"""Sample entries whose samples are NAL units: the codec, its configuration box, and the offset in that of the length of
a NAL unit's length (ISO/IEC 14496-15, 5.3.3 and 8.3.3)."""


class BrokenSegment(ValueError):
    """The bytes are not a whole segment; the message names the fault."""


@dataclass(frozen=True, slots=True)
class Segment:
    """The content of a segment file."""

    head: int
    """Bytes of ftyp and moov at the file's beginning, which are the init segment; zero where that is another file."""
    track: bytes
    """The trak box: codec configuration and time scale."""
    first: Fraction
    """The earliest presentation time in seconds, as written (with the constant offset)."""
    end: Fraction
    """When the last sample ends, in seconds."""
    samples: int
    starts_with_keyframe: bool
    in_band: bool = False
    """Whether its first frame has its own parameter sets, so that another init segment of the same form serves."""


def read_segment(data: bytes | memoryview, init: bytes | None = None) -> Segment:
    """Read whole fragments of one track: their boxes, and the beginning of the first sample.

    Args:
        data: the fragments.
        init: their init segment; None if it comes before them, as in a file of the segment muxer.

    Raises:
        BrokenSegment: a box is cut short, missing, or in the wrong place.
    """
    boxes = list(read_boxes(data, BrokenSegment))
    if init is None:
        head = _head_of(boxes)
        init, boxes = bytes(data[:head]), boxes[2:]
    else:
        head = 0
    track = _read_init(init)
    samples: list[Sample] = []
    opening = memoryview(b"")
    for moof, mdat in _fragments(boxes):
        found = list(_samples(moof, mdat.end - mdat.payload))
        if found and not samples:
            opening = mdat.content[: found[0].size]
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


def read_samples(data: bytes) -> tuple[list[Sample], list[memoryview]]:
    """Return the samples of a published segment, and its media data, which they fill one after the other.

    Raises:
        BrokenSegment: a box is cut short, missing, or in the wrong place.
    """
    samples: list[Sample] = []
    content: list[memoryview] = []
    for moof, mdat in _fragments(list(read_boxes(data, BrokenSegment))):
        samples += _samples(moof, mdat.end - mdat.payload)
        content.append(mdat.content)
    return samples, content


def read_track(init: bytes) -> bytes:
    """Return the trak box of an init segment, which is the same in every segment file that belongs to it.

    Raises:
        BrokenSegment: it is not an init segment.
    """
    return _read_init(init).box


class _Track(NamedTuple):
    """The one track of an init segment."""

    box: bytes
    """The trak box."""
    scale: int
    codec: str
    """As ffmpeg spells it, if its samples are NAL units; else empty."""
    nal_length: int


@lru_cache(maxsize=256)
def _read_init(init: bytes) -> _Track:
    """Read an init segment. All segments of a rendition have the same one."""
    trak = _trak(init)
    codec, length = _nal_units(_sample_entry(trak))
    return _Track(init[trak.start : trak.end], _time_scale(trak), codec, length)


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
    [trak] = read_boxes(track, BrokenSegment)
    return _time_scale(trak)


def read_aac_config(init: bytes) -> tuple[int, int] | None:
    """Return the audio object type and the channel configuration of an init segment with AAC; None of any other.

    Raises:
        BrokenSegment: it is not an init segment.
    """
    config = _aac_config(_trak(init))
    return None if config is None else (config >> 11, config >> 3 & 0xF)


def same_audio(track: bytes, other: bytes) -> bool:
    """Whether two trak boxes are of AAC that one decoder plays: of the same type, rate and channels."""
    try:
        configurations = {
            (_time_scale(trak), _aac_config(trak))
            for each in (track, other)
            for trak in read_boxes(each, BrokenSegment)
        }
    except BrokenSegment:
        return False
    return len(configurations) == 1 and None not in configurations.pop()


_LENGTH = rb"[\x80-\xff]{0,3}[\x02-\x7f]"
_AAC_CONFIG = re.compile(rb"\x04" + _LENGTH + rb"\x40.{12}\x05" + _LENGTH + rb"(..)", re.DOTALL)
"""A DecoderConfigDescriptor of AAC, and in it a DecoderSpecificInfo (ISO/IEC 14496-1, 7.2.6.6): its first two bytes."""


def read_codec(track: bytes) -> str:
    """Return the RFC 6381 name of a trak box's codec: of H.264, its profile, constraints and level; else its kind.

    Raises:
        BrokenSegment: it is not a trak box.
    """
    [trak] = read_boxes(track, BrokenSegment)
    entry = _sample_entry(trak)
    kind = entry.kind.decode("latin-1")
    return f"{kind}.{entry.child(b'avcC', skip=78).number('>I', 0) & 0xFFFFFF:06x}" if kind == "avc1" else kind


def same_form(track: bytes, other: bytes) -> bool:
    """Whether segments with their own parameter sets play with either of two trak boxes."""
    return _form(track) == _form(other)


def same_codec(track: bytes, other: bytes) -> bool:
    """Whether two trak boxes set a decoder up alike, for samples without parameter sets of their own."""
    return _setup(track) == _setup(other)


class _Form(NamedTuple):
    """The part of an init segment that a player uses even if the samples have their own parameter sets."""

    scale: int
    codec: bytes
    """The sample entry's four characters."""
    configuration: bytes
    """The width and height of H.264; the whole sample entry of any other codec."""
    nal_length: int
    """Bytes of the length before each NAL unit of H.264; zero for any other codec."""


class Sample(NamedTuple):
    """A frame or packet. Times are in ticks of the track, as written (with the constant offset)."""

    decoded: int
    """When it is decoded."""
    shift: int
    """How much later than that it is shown."""
    duration: int
    size: int
    """Bytes."""
    keyframe: bool

    @property
    def time(self) -> int:
        """When it is shown."""
        return self.decoded + self.shift


def _trak(init: bytes) -> Box:
    """Return the trak box of an init segment."""
    top = list(read_boxes(init, BrokenSegment))
    _head_of(top)
    return top[1].child(b"trak")


def _time_scale(trak: Box) -> int:
    mdhd = trak.child(b"mdia").child(b"mdhd")
    scale = mdhd.number(">I", 20 if mdhd.number("B", 0) else 12)
    if scale == 0:
        raise BrokenSegment("its time scale is zero")
    return scale


def _aac_config(trak: Box) -> int | None:
    """Return the first fields of an AudioSpecificConfig: object type, rate, channels (ISO/IEC 14496-3, 1.6.2.1).

    It is in the esds box (ISO/IEC 14496-14, 3.1.2). None for another codec.
    """
    entry = _sample_entry(trak)
    if entry.kind != b"mp4a":
        return None
    # It follows the fixed fields of an audio sample entry (ISO/IEC 14496-12, 12.2.3).
    config = _AAC_CONFIG.search(entry.child(b"esds", skip=28).content)
    return int.from_bytes(config[1]) if config else None


def _form(track: bytes) -> _Form:
    [trak] = read_boxes(track, BrokenSegment)
    entry = _sample_entry(trak)
    if entry.kind != b"avc1":
        return _Form(_time_scale(trak), entry.kind, bytes(entry.content), 0)
    return _Form(_time_scale(trak), entry.kind, bytes(entry.content[24:28]), _nal_units(entry)[1])


def _setup(track: bytes) -> tuple[int, bytes, bytes]:
    """Return a track's time scale, its sample entry's four characters and, of H.264, its decoder configuration."""
    [trak] = read_boxes(track, BrokenSegment)
    entry = _sample_entry(trak)
    record = bytes(entry.child(b"avcC", skip=78).content) if entry.kind == b"avc1" else b""
    return _time_scale(trak), entry.kind, record


def _sample_entry(trak: Box) -> Box:
    """Return the one entry of the sample description box (8.5.2)."""
    box = trak
    for kind in (b"mdia", b"minf", b"stbl", b"stsd"):
        box = box.child(kind)
    for entry in box.boxes(skip=8):
        return entry
    raise BrokenSegment("its sample entry is missing")


def _nal_units(entry: Box) -> tuple[str, int]:
    """Return a sample entry's codec, and the bytes of each NAL unit's length; empty and zero for other codecs."""
    if entry.kind not in _NAL_CODECS:
        return "", 0
    codec, box, at = _NAL_CODECS[entry.kind]
    return codec, (entry.child(box, skip=78).number("B", at) & 3) + 1


def _fragments(boxes: list[Box]) -> Iterator[tuple[Box, Box]]:
    rest = iter(box for box in boxes if box.kind in {b"moof", b"mdat"})
    for moof in rest:
        mdat = next(rest, None)
        if moof.kind != b"moof" or mdat is None or mdat.kind != b"mdat":
            raise BrokenSegment("a fragment is not whole")
        yield moof, mdat


def _samples(moof: Box, room: int) -> Iterator[Sample]:
    """Yield the samples of a fragment in decoding order (tfhd 8.8.7, trun 8.8.8, tfdt 8.8.12).

    ``room`` is the size of its media data in bytes. A claim of more samples than bytes is refused at once.
    """
    traf = moof.child(b"traf")
    defaults = _defaults(traf.child(b"tfhd"))
    tfdt = traf.child(b"tfdt")
    time = tfdt.number(">Q" if tfdt.number("B", 0) else ">I", 4)
    for trun in (box for box in traf.boxes() if box.kind == b"trun"):
        durations, sizes, flags, shifts = _columns(trun, room, defaults)
        room -= len(sizes)
        for lasts, size, own, shift in zip(durations, sizes, flags, shifts, strict=True):
            yield Sample(time, shift, lasts, size, not own & _NON_SYNC)
            time += lasts


_FIELDS: Final = {0x100: "I", 0x200: "I", 0x400: "I", 0x800: "i"}
"""The fields that a trun box may have of each sample, in this order: duration, size, flags, composition offset."""


def _columns(trun: Box, room: int, defaults: tuple[int, int, int]) -> list[Sequence[int]]:
    """Return the durations, sizes, flags and composition offsets of a trun box's samples."""
    has = trun.number(">I", 0) & 0xFFFFFF
    count = trun.number(">I", 4)
    if count > room:
        raise BrokenSegment("it claims more samples than its media data has bytes")
    at = 8 + (4 if has & 0x1 else 0)
    first_flags = trun.number(">I", at) if has & 0x4 else None
    at += 4 if has & 0x4 else 0
    row = struct.Struct(">" + "".join(kind for bit, kind in _FIELDS.items() if has & bit))
    content, end = trun.content, at + count * row.size
    if end > len(content):
        raise BrokenSegment("its trun box is too short")
    present = iter(zip(*row.iter_unpack(content[at:end]), strict=True) if row.size and count else ())
    columns: list[Sequence[int]] = [
        next(present) if has & bit and count else (default,) * count
        for bit, default in zip(_FIELDS, (*defaults, 0), strict=True)
    ]
    if first_flags is not None and count and not has & 0x400:
        columns[2] = (first_flags, *columns[2][1:])
    return columns


def _defaults(tfhd: Box) -> tuple[int, int, int]:
    """Return the default sample duration, size and flags of a track fragment header."""
    has = tfhd.number(">I", 0)
    at = 8 + (8 if has & 0x1 else 0) + (4 if has & 0x2 else 0)
    values = []
    for bit in (0x8, 0x10, 0x20):
        present = bool(has & bit)
        values.append(tfhd.number(">I", at) if present else 0)
        at += 4 if present else 0
    return values[0], values[1], values[2]
