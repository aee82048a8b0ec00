"""A film as one progressive MP4 file, written while it is made: media data as it comes, and the index at its end.

Nothing that was written is changed later, so that the file can be sent while it grows: ``ftyp``, an ``mdat`` for each
media segment, and ``moov`` last (ISO/IEC 14496-12; 8.1.1 allows any number of media data boxes in any order). The index
alone says which of the media data is played, so a part that is not what it was meant to be is just left out of it.

Every sample is shown exactly when its segment says. Where the tracks begin at different times, edit lists say so.
"""

from __future__ import annotations

import struct
from array import array
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate, groupby, pairwise
from math import lcm
from typing import TYPE_CHECKING, Final, NamedTuple

from hls_sessions.media.fmp4 import BrokenSegment, read_samples, read_time_scale, read_track
from hls_sessions.media.isobmff import read_boxes, write_box, write_full_box
from hls_sessions.media.languages import long_code
from hls_sessions.media.timeline import OFFSET
from hls_sessions.media.webvtt import shown_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from hls_sessions.media.isobmff import Box
    from hls_sessions.media.webvtt import Cue

HEADER: Final = 8
"""Bytes of a box before its payload."""

FINEST: Final = 10_000_000
"""Ticks per second of the whole file at most. More would overflow nothing, but some players read 32 bits."""

TEXT_SCALE: Final = 1000
"""Ticks per second of texts."""

MATRIX: Final = struct.pack(">9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
"""A picture that is shown as it is, and where it is (8.2.2)."""

SHARE: Final = 5
"""Subtitles are shown in the lowest fifth of the picture."""

_FTYP: Final = write_box(b"ftyp", b"isom", struct.pack(">I", 512), b"isomiso2avc1mp41")


class Line(NamedTuple):
    """A text, and when it is shown, in seconds from the beginning of the film."""

    start: Fraction
    end: Fraction
    text: str


@dataclass(frozen=True, slots=True)
class Text:
    """A track of texts: subtitles, or the titles of chapters."""

    lines: Sequence[Line]
    """In order, and without an overlap."""
    language: str | None = None
    is_chapters: bool = False
    is_shown: bool = False
    """Whether players show it unasked."""


@dataclass(slots=True)
class _Piece:
    """The samples of one segment, and where their media data lies."""

    track: int
    at: int
    """Offset of its box in the file."""
    size: int
    """Bytes of the box."""
    samples: array[int]
    """Five numbers for each: when it is decoded, the shift, the duration, the size, and whether it is a keyframe."""


class _Track:
    """A track of media segments."""

    def __init__(self, init: bytes, language: str) -> None:
        box = read_track(init)
        [self.trak] = read_boxes(box, BrokenSegment)
        self.scale = read_time_scale(box)
        self.language = language


class ProgressiveFile:
    """The layout of such a file, and its bytes but for the media data."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.size = 0
        """Bytes that it has so far."""
        self._tracks: dict[int, _Track] = {}
        self._pieces: list[_Piece] = []

    def begin(self) -> bytes:
        """Return the first bytes of the file."""
        return self._written(_FTYP)

    def describe(self, track: int, init: bytes, language: str | None) -> None:
        """Say what a track is, before the end of the file.

        Args:
            track: its number, from 0.
            init: the init segment of its rendition.
            language: its code, as in the file; None if it is not known.

        Raises:
            BrokenSegment: it is not an init segment.
        """
        self._tracks[track] = _Track(init, long_code(language))

    def is_described(self, track: int) -> bool:
        """Whether it was said what a track is."""
        return track in self._tracks

    def add(self, track: int, segment: bytes) -> None:
        """Add a published segment to a track; ``media_data`` returns the bytes that come next.

        Raises:
            BrokenSegment: it is not a whole segment.
        """
        samples, content = read_samples(segment)
        size = HEADER + sum(map(len, content))
        numbers = array("q", (number for sample in samples for number in sample))
        self._pieces.append(_Piece(track, self.size, size, numbers))
        self.size += size

    def forget(self, at: int, size: int) -> None:
        """Leave all segments from an offset on out of the index, and go on where the file has this size."""
        self._pieces = [piece for piece in self._pieces if piece.at < at]
        self.size = size

    def end(self, texts: Sequence[Text] = ()) -> bytes:
        """Return the last bytes of the file: the texts, and the index of everything."""
        texts = [text for text in texts if text.lines]
        content = [b"".join(_text_sample(text, line) for line in _filled(text)) for text in texts]
        starts = list(accumulate(map(len, content), initial=self.size + HEADER))
        media = write_box(b"mdat", *content) if texts else b""
        return self._written(media + self._index(texts, starts))

    # ---- the index

    def _index(self, texts: Sequence[Text], starts: Sequence[int]) -> bytes:
        tracks = [self._tracks[number] for number in sorted(self._tracks)]
        tables = [self._table_of(number) for number in sorted(self._tracks)]
        scale = min(lcm(*(track.scale for track in tracks)), FINEST)
        chapters = [number for number, text in enumerate(texts, len(tracks) + 1) if text.is_chapters]
        traks, longest, shown = [], 0, (0, 0)
        for number, (track, table) in enumerate(zip(tracks, tables, strict=True), 1):
            edits, lasts = table.edits(track.scale, scale)
            longest = max(longest, lasts)
            header = _Header(number, lasts, _picture(track.trak), is_audio=_handler(track.trak) == b"soun")
            shown = max(shown, header.picture.size)
            traks.append(_trak(track, table, header, edits, chapters))
        for number, (text, start) in enumerate(zip(texts, starts, strict=False), len(tracks) + 1):
            traks.append(_text_trak(number, text, start, shown, scale))
            longest = max(longest, int(max(line.end for line in text.lines) * scale))
        last = len(tracks) + len(texts) + 1
        times = struct.pack(">QQIQ", 0, 0, scale, longest)
        # Rate and volume as they are, and places that are reserved (8.2.2).
        mvhd = write_full_box(
            b"mvhd", 1, 0, times, struct.pack(">IH10x", 0x10000, 0x100), MATRIX, bytes(24), struct.pack(">I", last)
        )
        return write_box(b"moov", mvhd, *traks)

    def _table_of(self, track: int) -> _Table:
        table = _Table()
        for piece in self._pieces:
            if piece.track == track and piece.samples:
                table.add(piece)
        return table

    def _written(self, content: bytes) -> bytes:
        self.size += len(content)
        return content


def media_data(segment: bytes) -> bytes:
    """Return the bytes of a published segment in the file.

    Raises:
        BrokenSegment: it is not a whole segment.
    """
    return write_box(b"mdat", *read_samples(segment)[1])


def lines_of(cues: Iterable[Cue], origin: Fraction) -> list[Line]:
    """Return the cues of a track as lines: where several are shown at once, they are one.

    Args:
        cues: the cues, with times on the file's clock.
        origin: the file's time at which the film begins, in seconds.
    """
    timed = sorted((Fraction(cue.start, 10**6) - origin, Fraction(cue.end, 10**6) - origin, cue.text) for cue in cues)
    ends = sorted({max(Fraction(0), time) for start, end, _ in timed for time in (start, end)})
    lines: list[Line] = []
    shown: list[tuple[Fraction, Fraction, str]] = []
    coming = iter([*timed, (Fraction(10**9), Fraction(10**9), "")])
    following = next(coming)
    for start, end in pairwise(ends):
        while following[0] <= start:
            shown.append(following)
            following = next(coming)
        shown = [cue for cue in shown if cue[1] > start]
        text = "\n".join(shown_text(cue[2]) for cue in shown)
        if lines and text and lines[-1].text == text and lines[-1].end == start:
            lines[-1] = lines[-1]._replace(end=end)
        elif text:
            lines.append(Line(start, end, text))
    return lines


class _Edit(NamedTuple):
    """A stretch of an edit list (8.6.6)."""

    duration: int
    """In ticks of the file."""
    at: int
    """Where the track plays from, in its own ticks; -1 for nowhere."""


class _Table:
    """The samples of one track."""

    def __init__(self) -> None:
        self.deltas = array("I")
        """From each to the next, in ticks."""
        self.shifts = array("i")
        self.sizes = array("I")
        self.keyframes = array("I")
        """Their numbers, from 1."""
        self.chunks: list[tuple[int, int]] = []
        """Where each piece's data begins in the file, and how many samples it has."""
        self._begin = self._last = 0
        self._first: int | None = None
        self._end = 0

    def add(self, piece: _Piece) -> None:
        """Add the samples of a piece. Times may jump ahead, where something is missing, but they never go back."""
        numbers = iter(piece.samples)
        self.chunks.append((piece.at + HEADER, len(piece.samples) // 5))
        for decoded, shift, duration, size, keyframe in zip(*[numbers] * 5, strict=True):
            shown, at = decoded + shift, decoded
            if self._first is None:
                self._begin, self._first = decoded, shown
            else:
                at = max(decoded, self._last + 1)
                self.deltas[-1] = at - self._last
            self._first = min(self._first, shown)
            self._end = max(self._end, shown + duration)
            self._last = at
            self.deltas.append(duration)
            self.shifts.append(shown - at)
            self.sizes.append(size)
            if keyframe:
                self.keyframes.append(len(self.sizes))

    def edits(self, scale: int, of_file: int) -> tuple[list[_Edit], int]:
        """Return the edit list, and how long the track is shown, in ticks of the file.

        The film begins at ``OFFSET``. A track that begins later is preceded by nothing, and what is before that of one
        that begins earlier is not shown.
        """
        assert self._first is not None  # noqa: S101 - a track without samples is left out
        begins = Fraction(self._first, scale) - OFFSET
        at = self._first if begins >= 0 else int(OFFSET * scale)
        lasts = int(Fraction(self._end - at, scale) * of_file)
        empty = round(max(begins, Fraction(0)) * of_file)
        edits = [_Edit(empty, -1)] if empty else []
        return [*edits, _Edit(lasts, at - self._begin)], empty + lasts

    @property
    def duration(self) -> int:
        """In ticks of the track."""
        return sum(self.deltas)

    def boxes(self) -> Iterator[bytes]:
        """Yield the boxes of the sample table (8.6, 8.7)."""
        yield write_full_box(b"stts", 0, 0, *_counted(_runs(self.deltas), ">II"))
        if any(self.shifts):
            yield write_full_box(b"ctts", 1, 0, *_counted(_runs(self.shifts), ">Ii"))
        if len(self.keyframes) != len(self.sizes):
            yield write_full_box(b"stss", 0, 0, *_counted(((number,) for number in self.keyframes), ">I"))
        counts = [count for _, count in self.chunks]
        changes = [(at + 1, n, 1) for at, n in enumerate(counts) if not at or counts[at - 1] != n]
        yield write_full_box(b"stsc", 0, 0, *_counted(changes, ">III"))
        sizes = struct.pack(f">{len(self.sizes)}I", *self.sizes)
        yield write_full_box(b"stsz", 0, 0, struct.pack(">II", 0, len(self.sizes)), sizes)
        yield write_full_box(b"co64", 0, 0, *_counted(((at,) for at, _ in self.chunks), ">Q"))


def _runs(values: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Yield how often each value comes one after the other, and the value."""
    for value, same in groupby(values):
        yield sum(1 for _ in same), value


def _counted(rows: Iterable[tuple[int, ...]], layout: str) -> tuple[bytes, bytes]:
    row = struct.Struct(layout)
    packed = [row.pack(*numbers) for numbers in rows]
    return struct.pack(">I", len(packed)), b"".join(packed)


# ---- tracks of media segments


class _Picture(NamedTuple):
    """How a track's picture is placed: the last fields of its header (8.3.2)."""

    matrix: bytes
    size: tuple[int, int]
    """Width and height as 16.16 numbers; zeros of audio."""


@dataclass(frozen=True, slots=True)
class _Header:
    number: int
    duration: int
    """In ticks of the file."""
    picture: _Picture
    is_audio: bool = False
    is_enabled: bool = True
    group: int = 0
    """Tracks of one group are alternatives."""

    def box(self) -> bytes:
        """Return the track header box (8.3.2)."""
        times = struct.pack(">QQIIQ8x", 0, 0, self.number, 0, self.duration)
        places = struct.pack(">hhHH", 0, self.group, 0x100 if self.is_audio else 0, 0)
        size = struct.pack(">II", *self.picture.size)
        # Enabled, and in the presentation and its preview.
        return write_full_box(b"tkhd", 1, 7 if self.is_enabled else 6, times, places, self.picture.matrix, size)


def _trak(track: _Track, table: _Table, header: _Header, edits: list[_Edit], chapters: list[int]) -> bytes:
    mdia = track.trak.child(b"mdia")
    minf = mdia.child(b"minf")
    stsd = _whole(minf.child(b"stbl").child(b"stsd"))
    stbl = write_box(b"stbl", stsd, *table.boxes())
    rest = [stbl if box.kind == b"stbl" else _whole(box) for box in minf.boxes()]
    media = write_box(
        b"mdia",
        _mdhd(track.scale, table.duration, track.language),
        _whole(mdia.child(b"hdlr")),
        write_box(b"minf", *rest),
    )
    return write_box(b"trak", header.box(), _edts(edits), _references(chapters), media)


def _references(chapters: list[int]) -> bytes:
    """Return the box that names the tracks with the chapters of this one (QuickTime File Format, chapter lists)."""
    return write_box(b"tref", write_box(b"chap", struct.pack(f">{len(chapters)}I", *chapters))) if chapters else b""


def _edts(edits: list[_Edit]) -> bytes:
    rows = _counted(((edit.duration, edit.at, 1, 0) for edit in edits), ">QqHH")
    return write_box(b"edts", write_full_box(b"elst", 1, 0, *rows))


def _mdhd(scale: int, duration: int, language: str) -> bytes:
    packed = 0
    for letter in language:
        packed = packed << 5 | ord(letter) - 0x60
    return write_full_box(b"mdhd", 1, 0, struct.pack(">QQIQHH", 0, 0, scale, duration, packed, 0))


def _whole(box: Box) -> bytes:
    return bytes(box.data[box.start : box.end])


def _picture(trak: Box) -> _Picture:
    tkhd = trak.child(b"tkhd").content
    width, height = struct.unpack(">II", tkhd[-8:])
    return _Picture(bytes(tkhd[-44:-8]), (width, height))


def _handler(trak: Box) -> bytes:
    return bytes(trak.child(b"mdia").child(b"hdlr").content[8:12])


# ---- texts

_FONTS: Final = write_box(b"ftab", struct.pack(">HHB", 1, 1, 5), b"Serif")

_STYLE: Final = struct.pack(">HHHBBI", 0, 0, 1, 0, 18, 0xFFFFFFFF)
"""White text of the first font in its usual size (3GPP TS 26.245, 5.16)."""


def _text_trak(number: int, text: Text, start: int, shown: tuple[int, int], scale: int) -> bytes:
    lines = list(_filled(text))
    width, height = shown[0], shown[1] // SHARE
    matrix = MATRIX[:28] + struct.pack(">I", shown[1] - height) + MATRIX[32:]
    ends = lines[-1].end
    picture = _Picture(matrix if not text.is_chapters else MATRIX, (0, 0) if text.is_chapters else (width, height))
    header = _Header(
        number,
        int(ends * scale),
        picture,
        is_enabled=text.is_shown,
        group=0 if text.is_chapters else 2,
    )
    table = _Table()
    ticks = [round(line.start * TEXT_SCALE) for line in lines] + [round(ends * TEXT_SCALE)]
    numbers = array("q")
    for line, begins, lasts in zip(lines, ticks, ticks[1:], strict=False):
        numbers.extend((begins, 0, lasts - begins, len(_text_sample(text, line)), 1))
    table.add(_Piece(number, start - HEADER, 0, numbers))
    entry, handler, media = _CHAPTERS if text.is_chapters else _subtitles(width >> 16, height >> 16)
    described = write_full_box(b"stsd", 0, 0, struct.pack(">I", 1), entry)
    here = write_full_box(b"dref", 0, 0, struct.pack(">I", 1), write_full_box(b"url ", 0, 1))
    minf = write_box(b"minf", media, write_box(b"dinf", here), write_box(b"stbl", described, *table.boxes()))
    named = write_full_box(b"hdlr", 0, 0, bytes(4), handler, bytes(12), b"\0")
    mdia = write_box(b"mdia", _mdhd(TEXT_SCALE, table.duration, long_code(text.language)), named, minf)
    return write_box(b"trak", header.box(), _edts([_Edit(int(ends * scale), 0)]), mdia)


def _filled(text: Text) -> Iterator[Line]:
    """Yield the lines of a text, and an empty one wherever nothing is shown, because a track has no holes."""
    at = Fraction(0)
    for line in text.lines:
        if line.start > at:
            yield Line(at, line.start, "")
        yield line
        at = line.end


def _text_sample(text: Text, line: Line) -> bytes:
    """Write a line (3GPP TS 26.245, 5.17), at most the 65,535 bytes that its length can say."""
    content = line.text.encode()[:0xFFFF].decode(errors="ignore").encode()
    return struct.pack(">H", len(content)) + content + (_UTF_8 if text.is_chapters else b"")


_UTF_8: Final = write_box(b"encd", struct.pack(">I", 0x100))
"""Says so of a text, because QuickTime takes it for Mac Roman otherwise."""


def _subtitles(width: int, height: int) -> tuple[bytes, bytes, bytes]:
    """Return the sample entry, the handler and the media header of subtitles."""
    # In the middle of the lowest line, on nothing.
    places = struct.pack(">IbbI4h", 0, 1, -1, 0, 0, 0, min(height, 0x7FFF), min(width, 0x7FFF))
    entry = write_box(b"tx3g", struct.pack(">6xH", 1), places, _STYLE, _FONTS)
    return entry, b"sbtl", write_full_box(b"nmhd", 0, 0)


_CHAPTERS: Final = (
    # A QuickTime text sample description: nothing of how it looks matters, because it is not shown.
    write_box(b"text", struct.pack(">6xH", 1), struct.pack(">II22xHHBH6xB", 1, 1, 0, 0, 0, 0, 0)),
    b"text",
    write_box(
        b"gmhd",
        write_full_box(b"gmin", 0, 0, struct.pack(">HHHHHH", 0x40, 0x8000, 0x8000, 0x8000, 0, 0)),
        write_box(b"text", MATRIX),
    ),
)
