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


class Edit(NamedTuple):
    """What an edit list makes of the times of its media: one stretch is shown, after as much of nothing."""

    shift: int
    """Ticks that are added to every time."""
    begins: int
    """When it begins to show."""
    ends: int | None
    """When it ends to show; None where it shows all."""


@dataclass(frozen=True, slots=True)
class Samples:
    """The samples of one track in decoding order. Times in ticks of its time scale, on the presentation's clock."""

    scale: int
    """Ticks per second."""
    edit: Edit
    sizes: array[int]
    """Bytes of each."""
    sync: array[int]
    """Which of them are sync samples: their numbers, counted from zero."""
    _steps: _Runs
    _delays: _Runs | None

    @property
    def steps(self) -> set[int]:
        """All distances between the times of decoding of two samples that follow each other."""
        counts, values = self._steps
        # How long the last sample lasts is no distance to another.
        return set(values[:-1] if counts[-1] == 1 else values)

    @property
    def first(self) -> int:
        """When the first is shown."""
        return self.edit.shift + (self._delays.values[0] if self._delays else 0)

    @property
    def ahead(self) -> int:
        """How long before the edit list begins to show, the first is decoded."""
        return self.edit.begins - self.edit.shift

    def shown(self) -> array[int]:
        """Return when each is shown."""
        decoded = accumulate(self._steps.spread(), initial=self.edit.shift)
        times = array("q", map(add, decoded, self._delays.spread()) if self._delays else decoded)
        del times[len(self.sizes) :]
        return times

    def shows(self, tick: int) -> bool:
        """Whether what is at a time is shown."""
        return self.edit.begins <= tick and (self.edit.ends is None or tick < self.edit.ends)


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
    delays, sync = _find(table, b"ctts"), _find(table, b"stss")
    return Samples(
        scale=scale,
        edit=_edit(_find(trak, b"edts"), scale, scale_of_movie),
        sizes=sizes,
        sync=array("q", range(len(sizes))) if sync is None else _sync(sync, len(sizes)),
        _steps=_runs(_child(table, b"stts"), "I", len(sizes)),
        # Version 0 has no sign by the letter, but encoders write negative delays with it as well.
        _delays=None if delays is None else _runs(delays, "i", len(sizes)),
    )


class _Runs(NamedTuple):
    counts: array[int]
    values: array[int]

    def spread(self) -> Iterator[int]:
        return chain.from_iterable(map(repeat, self.values, self.counts))


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


def _edit(box: memoryview | None, scale: int, scale_of_movie: int) -> Edit:
    """Return what an edit list adds to the times of its media, and when it begins and ends to show them.

    Any number of empty edits may come first, then one stretch of the media (8.6.6).
    """
    table = None if box is None else _find(box, b"elst")
    if table is None:
        return Edit(0, 0, None)
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
        return Edit(0, 0, None)
    if len(edits) > 1 or edits[0][1] < 0:
        raise Unusable("its edit list shows more than one stretch")
    # Rounded as libavformat does.
    begins = (delay * scale + scale_of_movie // 2) // scale_of_movie
    lasts, start = edits[0]
    length = (lasts * scale + scale_of_movie // 2) // scale_of_movie
    return Edit(begins - start, begins, begins + length if lasts else None)
