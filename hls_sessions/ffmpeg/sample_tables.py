"""The sample tables of an MP4 (ISO/IEC 14496-12, 8.6 and 8.7): when each frame is shown, without reading a frame.

libavformat's index holds the times of decoding. With B-frames a frame is shown later than it is decoded, by what
``ctts`` says of it, so only the tables tell where a picture can be cut, and whether it can be cut cleanly.
"""

from __future__ import annotations

import struct
import sys
from array import array
from dataclasses import dataclass
from itertools import accumulate, chain, repeat
from operator import add
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MOST_BYTES = 256 * 1024**2
"""The largest moov box that is read: a day of film at 60 frames a second has half of it."""

MOST_SAMPLES = 50_000_000
"""Samples a track may claim: a day of sound in packets of 2 ms."""


class Unusable(ValueError):
    """The tables are damaged, missing, or say what cannot be followed; the message says why."""


@dataclass(frozen=True, slots=True)
class Samples:
    """The samples of one track in decoding order. Times in ticks of its time scale, on the presentation's clock."""

    scale: int
    """Ticks per second."""
    shown: array[int]
    """When each is shown."""
    steps: frozenset[int]
    """All distances between the times of decoding of two samples that follow each other."""
    sizes: array[int]
    """Bytes of each."""
    sync: array[int]
    """Which of them are sync samples: their numbers, counted from zero."""
    ahead: int
    """How long before the edit list begins to show, the first is decoded."""
    begins: int
    """When the edit list begins to show."""
    ends: int | None
    """When the edit list ends to show; None where it shows all."""


def read_samples(file: BinaryIO, track: int) -> Samples:
    """Read the tables of the track with this id.

    Raises:
        Unusable: there are none (a fragmented file), they are damaged, or the edit list is more than one stretch.
        OSError: the file cannot be read.
    """
    moov = _moov(file)
    scale_of_movie = _scale(_child(moov, b"mvhd"))
    trak = next((t for t in _children(moov, b"trak") if _id(t) == track), None)
    if trak is None:
        raise Unusable("it has no such track")
    media = _child(trak, b"mdia")
    scale = _scale(_child(media, b"mdhd"))
    table = _child(_child(media, b"minf"), b"stbl")
    sizes = _sizes(_child(table, b"stsz"))
    if not sizes:
        raise Unusable("it has no sample tables")
    steps = _runs(_child(table, b"stts"), "I", len(sizes))
    decoded = accumulate(chain.from_iterable(map(repeat, steps.values, steps.counts)), initial=0)
    offsets = _find(table, b"ctts")
    edit = _edit(_find(trak, b"edts"), scale, scale_of_movie)
    if offsets is None:
        shown = array("q", (time + edit.shift for time in decoded))
    else:
        # Version 0 has no sign by the letter, but encoders write negative offsets with it as well.
        late = _runs(offsets, "i", len(sizes))
        delays = chain.from_iterable(map(repeat, (v + edit.shift for v in late.values), late.counts))
        shown = array("q", map(add, decoded, delays))
    del shown[len(sizes) :]
    sync = _find(table, b"stss")
    return Samples(
        scale=scale,
        shown=shown,
        # How long the last sample lasts is no distance to another.
        steps=frozenset(steps.values[:-1] if steps.counts[-1] == 1 else steps.values),
        sizes=sizes,
        sync=array("q", range(len(sizes))) if sync is None else _sync(sync, len(sizes)),
        ahead=edit.begins - edit.shift,
        begins=edit.begins,
        ends=edit.ends,
    )


class _Runs(NamedTuple):
    counts: array[int]
    values: array[int]


class _Edit(NamedTuple):
    shift: int
    begins: int
    ends: int | None


def _moov(file: BinaryIO) -> memoryview:
    """Return the payload of the moov box, wherever in the file it is."""
    end = file.seek(0, 2)
    at = 0
    while at + 8 <= end:
        file.seek(at)
        header = file.read(16)
        size, kind = struct.unpack_from(">I4s", header)
        begins = at + 8
        if size == 1 and len(header) == 16:  # noqa: PLR2004 - a 64-bit size follows
            (size,) = struct.unpack_from(">Q", header, 8)
            begins += 8
        elif size == 0:
            size = end - at
        if size < begins - at or at + size > end:
            break
        if kind == b"moov":
            if size > MOST_BYTES:
                raise Unusable("its moov box is too large")
            file.seek(begins)
            return memoryview(file.read(at + size - begins))
        at += size
    raise Unusable("it has no moov box")


def _boxes(parent: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    at = 0
    while at + 8 <= len(parent):
        size, kind = struct.unpack_from(">I4s", parent, at)
        header = 8
        if size == 1 and at + 16 <= len(parent):
            (size,) = struct.unpack_from(">Q", parent, at + 8)
            header = 16
        elif size == 0:
            size = len(parent) - at
        if size < header or at + size > len(parent):
            raise Unusable(f"its {kind.decode('latin-1')} box is cut short")
        yield kind, parent[at + header : at + size]
        at += size


def _children(parent: memoryview, wanted: bytes) -> Iterator[memoryview]:
    return (payload for kind, payload in _boxes(parent) if kind == wanted)


def _find(parent: memoryview, kind: bytes) -> memoryview | None:
    return next(_children(parent, kind), None)


def _child(parent: memoryview, kind: bytes) -> memoryview:
    found = _find(parent, kind)
    if found is None:
        raise Unusable(f"its {kind.decode()} box is missing")
    return found


def _number(layout: str, box: memoryview, at: int) -> int:
    if at + struct.calcsize(layout) > len(box):
        raise Unusable("a box is too short")
    return int(struct.unpack_from(layout, box, at)[0])


def _scale(header: memoryview) -> int:
    """Return the time scale that an mvhd or mdhd box names."""
    scale = _number(">I", header, 20 if _number("B", header, 0) else 12)
    if scale == 0:
        raise Unusable("its time scale is zero")
    return scale


def _id(trak: memoryview) -> int:
    header = _child(trak, b"tkhd")
    return _number(">I", header, 20 if _number("B", header, 0) else 12)


def _numbers(box: memoryview, code: str, at: int, count: int) -> array[int]:
    """Read so many big-endian 32-bit numbers."""
    if at + 4 * count > len(box):
        raise Unusable("a table is cut short")
    found = array(code)
    found.frombytes(box[at : at + 4 * count])
    if sys.byteorder == "little":
        found.byteswap()
    return found


def _runs(box: memoryview, code: str, samples: int) -> _Runs:
    """Read a table of (how many samples, which value), for all samples of the track."""
    entries = _numbers(box, code, 8, 2 * _number(">I", box, 4))
    counts, values = entries[::2], entries[1::2]
    if any(count < 0 for count in counts) or sum(counts) != samples:
        raise Unusable("its tables speak of different numbers of samples")
    return _Runs(counts, values)


def _sizes(box: memoryview) -> array[int]:
    same, count = _number(">I", box, 4), _number(">I", box, 8)
    if count > MOST_SAMPLES:
        raise Unusable("it claims too many samples")
    return array("I", [same]) * count if same else _numbers(box, "I", 12, count)


def _sync(box: memoryview, samples: int) -> array[int]:
    numbers = _numbers(box, "I", 8, _number(">I", box, 4))
    if any(not 1 <= number <= samples for number in numbers) or not _is_rising(numbers):
        raise Unusable("its table of sync samples is damaged")
    return array("q", (number - 1 for number in numbers))


def _is_rising(numbers: Iterable[int]) -> bool:
    before = 0
    for number in numbers:
        if number <= before:
            return False
        before = number
    return True


def _edit(box: memoryview | None, scale: int, scale_of_movie: int) -> _Edit:
    """Return what an edit list adds to the times of its media, and when it begins and ends to show them.

    Any number of empty edits may come first, then one stretch of the media (8.6.6).
    """
    table = None if box is None else _find(box, b"elst")
    if table is None:
        return _Edit(0, 0, None)
    long = _number("B", table, 0) == 1
    row = struct.Struct(">QqI" if long else ">IiI")
    count = _number(">I", table, 4)
    if 8 + count * row.size > len(table):
        raise Unusable("its edit list is cut short")
    edits = [row.unpack_from(table, 8 + number * row.size)[:2] for number in range(min(count, 64))]
    delay = 0
    while edits and edits[0][1] == -1:
        delay += edits.pop(0)[0]
    if not edits:
        return _Edit(0, 0, None)
    if len(edits) > 1 or edits[0][1] < 0:
        raise Unusable("its edit list shows more than one stretch")
    # Rounded as libavformat does.
    begins = (delay * scale + scale_of_movie // 2) // scale_of_movie
    lasts, start = edits[0]
    length = (lasts * scale + scale_of_movie // 2) // scale_of_movie
    return _Edit(begins - start, begins, begins + length if lasts else None)
