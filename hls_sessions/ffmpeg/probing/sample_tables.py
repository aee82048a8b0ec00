"""The sample tables of an MP4 (ISO/IEC 14496-12, 8.6 and 8.7): when each frame is shown, without reading a frame.

libavformat's index holds decoding times. With B-frames a frame is shown later than it is decoded, by as much as
``ctts`` says. So only the tables tell where video can be cut, and whether it can be cut cleanly.
"""

from __future__ import annotations

import struct
import sys
from array import array
from bisect import bisect_right
from dataclasses import dataclass
from itertools import accumulate, chain, repeat
from operator import add
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from hls_sessions.media.isobmff import read_box

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from hls_sessions.media.isobmff import Box

MOST_BYTES = 256 * 1024**2
"""The largest moov box that is read: a day of film at 60 frames a second has half of it."""

MOST_SAMPLES = 50_000_000
"""Samples a track may claim: a day of audio in packets of 2 ms."""


class Unusable(ValueError):
    """The tables are damaged, missing, or too complicated to follow; the message says why."""


class Edit(NamedTuple):
    """The effect of an edit list on the times of its media: one stretch is shown, after a delay."""

    shift: int
    """Ticks that are added to every time."""
    begins: int
    """When the stretch begins."""
    ends: int | None
    """When the stretch ends; None where it is all of the media."""


@dataclass(frozen=True, slots=True)
class Samples:
    """The samples of one track in decoding order. Times in ticks of its time scale, on the presentation's clock."""

    scale: int
    """Ticks per second."""
    edit: Edit
    sizes: array[int]
    """Bytes of each."""
    sync: array[int]
    """The numbers of the sync samples, counted from zero."""
    _steps: _Runs
    _delays: _Runs | None

    @property
    def steps(self) -> set[int]:
        """All distances between the decoding times of two neighbouring samples."""
        counts, values = self._steps
        # How long the last sample lasts is no distance to another.
        return set(values[:-1] if counts[-1] == 1 else values)

    @property
    def first(self) -> int:
        """When the first sample is shown."""
        return self.edit.shift + (self._delays.values[0] if self._delays else 0)

    @property
    def ahead(self) -> int:
        """How long the first sample is decoded before the stretch of the edit list begins."""
        return self.edit.begins - self.edit.shift

    @property
    def sync_reordering(self) -> int:
        """How much longer any sync sample waits for its showing than the sample that waits least.

        libavformat seeks by decoding times, to which it adds a delay that is that of the first samples. A sync sample
        of an open GOP waits longer, because frames are shown before it that are decoded after it.
        """
        if self._delays is None:
            return 0
        counts, values = self._delays
        ends = list(accumulate(counts))
        return max((values[bisect_right(ends, number)] for number in self.sync), default=0) - min(values)

    def shown(self) -> array[int]:
        """Return when each sample is shown."""
        decoded = accumulate(self._steps.spread(), initial=self.edit.shift)
        times = array("q", map(add, decoded, self._delays.spread()) if self._delays else decoded)
        del times[len(self.sizes) :]
        return times

    def shows(self, tick: int) -> bool:
        """Whether the edit list shows the frame at a time."""
        return self.edit.begins <= tick and (self.edit.ends is None or tick < self.edit.ends)


def read_samples(file: BinaryIO, track: int) -> Samples:
    """Read the tables of the track with this id.

    Raises:
        Unusable: there are none (a fragmented file), they are damaged, or the edit list is more than one stretch.
        OSError: the file cannot be read.
    """
    moov = read_box(file, b"moov", MOST_BYTES, Unusable)
    scale_of_movie = _scale(moov.child(b"mvhd"))
    trak = next((box for box in moov.boxes() if box.kind == b"trak" and _id(box) == track), None)
    if trak is None:
        raise Unusable("it has no such track")
    media = trak.child(b"mdia")
    scale = _scale(media.child(b"mdhd"))
    table = media.child(b"minf").child(b"stbl")
    sizes = _sizes(table.child(b"stsz"))
    if not sizes:
        raise Unusable("it has no sample tables")
    if 0 in sizes:
        raise Unusable("some of its samples are empty, so its tables count frames that nobody can see")
    delays, sync = table.find(b"ctts"), table.find(b"stss")
    return Samples(
        scale=scale,
        edit=_edit(trak.find(b"edts"), scale, scale_of_movie),
        sizes=sizes,
        sync=array("q", range(len(sizes))) if sync is None else _sync(sync, len(sizes)),
        _steps=_runs(table.child(b"stts"), "I", len(sizes)),
        # Version 0 has no sign by the letter, but encoders write negative delays with it as well.
        _delays=None if delays is None else _runs(delays, "i", len(sizes)),
    )


class _Runs(NamedTuple):
    counts: array[int]
    values: array[int]

    def spread(self) -> Iterator[int]:
        return chain.from_iterable(map(repeat, self.values, self.counts))


def _scale(header: Box) -> int:
    """Return the time scale that an mvhd or mdhd box names."""
    scale = header.number(">I", 20 if header.number("B", 0) else 12)
    if scale == 0:
        raise Unusable("its time scale is zero")
    return scale


def _id(trak: Box) -> int:
    header = trak.child(b"tkhd")
    return header.number(">I", 20 if header.number("B", 0) else 12)


def _numbers(box: Box, code: str, at: int, count: int) -> array[int]:
    """Read so many big-endian 32-bit numbers."""
    content, end = box.content, at + 4 * count
    if end > len(content):
        raise Unusable("a table is cut short")
    found = array(code)
    found.frombytes(content[at:end])
    if sys.byteorder == "little":
        found.byteswap()
    return found


def _runs(box: Box, code: str, samples: int) -> _Runs:
    """Read a table of (how many samples, which value), for all samples of the track."""
    entries = _numbers(box, code, 8, 2 * box.number(">I", 4))
    counts, values = entries[::2], entries[1::2]
    if any(count < 0 for count in counts) or sum(counts) != samples:
        raise Unusable("its tables speak of different numbers of samples")
    return _Runs(counts, values)


def _sizes(box: Box) -> array[int]:
    same, count = box.number(">I", 4), box.number(">I", 8)
    if count > MOST_SAMPLES:
        raise Unusable("it claims too many samples")
    return array("I", [same]) * count if same else _numbers(box, "I", 12, count)


def _sync(box: Box, samples: int) -> array[int]:
    numbers = _numbers(box, "I", 8, box.number(">I", 4))
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


def _edit(box: Box | None, scale: int, scale_of_movie: int) -> Edit:
    """Read an edit list: the ticks that it adds to the times of its media, and the stretch that it shows.

    Any number of empty edits may come first, then one stretch of the media (8.6.6).
    """
    table = None if box is None else box.find(b"elst")
    if table is None:
        return Edit(0, 0, None)
    long = table.number("B", 0) == 1
    row = struct.Struct(">QqI" if long else ">IiI")
    count = table.number(">I", 4)
    rows = table.content[8:]
    if count * row.size > len(rows):
        raise Unusable("its edit list is cut short")
    edits = [row.unpack_from(rows, number * row.size)[:2] for number in range(min(count, 64))]
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
