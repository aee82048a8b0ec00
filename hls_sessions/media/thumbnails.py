"""Thumbnails of a film: at which times there are some, and how players are told of them. Pure.

There is one for every interval of the film: the picture of the keyframe before the middle of the interval. They are
offered twice: as an image playlist, for players that scrub by I-frames (RFC 8216, 4.3.4.3, with ``mjpg`` as in Apple's
HLS authoring specification), and in sheets of many with a WebVTT track that names the place of each.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from typing import TYPE_CHECKING, Final

from hls_sessions.media.webvtt import Cue, webvtt_file

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hls_sessions.media.facts import Media, VideoTrack

MANY: Final = 120
"""How many thumbnails a film has, unless they would be nearer than SHORTEST or farther apart than LONGEST."""

SHORTEST: Final = 1
LONGEST: Final = 10
"""Seconds between two thumbnails."""

BOX: Final = (320, 180)
"""Pixels that a thumbnail is fitted into: twice what players show while scrubbing, for dense screens."""

COLUMNS, ROWS = 4, 4
"""Thumbnails in a sheet. A sheet is made as a whole, so it must not take long."""

BANDWIDTH: Final = 8 * 24 * 1024
"""Bits of a thumbnail, announced as those of a second: what detailed ones have."""

FOLDER: Final = "thumbnails"
"""The part of all their addresses after the session's."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """Thumbnails to be made together: times on the file's clock, and how they are laid out."""

    times: tuple[Fraction, ...]
    columns: int
    width: int
    """Pixels of one thumbnail."""
    height: int


@dataclass(frozen=True, slots=True)
class Thumbnails:
    """The thumbnails of one film."""

    origin: Fraction
    """The film's beginning, in seconds on the file's clock."""
    duration: Fraction
    """Seconds."""
    width: int
    """Pixels."""
    height: int

    @property
    def interval(self) -> int:
        """Seconds from one to the next."""
        return max(SHORTEST, min(LONGEST, round(self.duration / MANY)))

    def __len__(self) -> int:
        return max(1, ceil(self.duration / self.interval))

    @property
    def sheets(self) -> int:
        """How many sheets there are."""
        return ceil(len(self) / (COLUMNS * ROWS))

    def at(self, position: float) -> Sheet:
        """Return the thumbnail of a position, in seconds from the beginning; of the last one for one after the end."""
        return self.one(min(len(self) - 1, int(max(0.0, position) / self.interval)))

    def one(self, number: int) -> Sheet:
        """Return one thumbnail. Raises IndexError if there is none of this number."""
        return self._sheet(self._range(number, number + 1), 1)

    def sheet(self, number: int) -> Sheet:
        """Return one sheet. Raises IndexError if there is none of this number."""
        each = COLUMNS * ROWS
        return self._sheet(self._range(number * each, (number + 1) * each), COLUMNS)

    def playlist(self) -> str:
        """Write the image playlist: an I-frame playlist whose segments are JPEG images."""
        lines = [
            "#EXTM3U",
            "#EXT-X-VERSION:7",
            f"#EXT-X-TARGETDURATION:{self.interval}",
            "#EXT-X-MEDIA-SEQUENCE:0",
            "#EXT-X-PLAYLIST-TYPE:VOD",
            "#EXT-X-I-FRAMES-ONLY",
        ]
        for number in range(len(self)):
            length = min(Fraction(self.interval), self.duration - number * self.interval)
            lines += [f"#EXTINF:{float(length):.6f},", f"{number}.jpg"]
        return "\n".join([*lines, "#EXT-X-ENDLIST", ""])

    def variant(self) -> str:
        """Return the line of a master playlist that names the image playlist."""
        return (
            f"#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH={BANDWIDTH // self.interval},RESOLUTION={self.width}x{self.height}"
            f',CODECS="mjpg",URI="{FOLDER}/index.m3u8"'
        )

    def track(self) -> str:
        """Write the WebVTT track: for each thumbnail its sheet, and its place there in pixels (W3C Media Fragments)."""
        return webvtt_file(self._cues())

    def _cues(self) -> Iterator[Cue]:
        for number in range(len(self)):
            sheet, place = divmod(number, COLUMNS * ROWS)
            row, column = divmod(place, COLUMNS)
            start, end = number * self.interval, min(Fraction((number + 1) * self.interval), self.duration)
            where = f"{column * self.width},{row * self.height},{self.width},{self.height}"
            yield Cue(start * 1_000_000, int(end * 1_000_000), f"sheet-{sheet}.jpg#xywh={where}")

    def _range(self, first: int, after: int) -> range:
        if not 0 <= first < len(self):
            raise IndexError(first)
        return range(first, min(after, len(self)))

    def _sheet(self, numbers: range, columns: int) -> Sheet:
        half = Fraction(self.interval, 2)
        last = self.origin + self.duration
        times = tuple(min(self.origin + number * self.interval + half, last) for number in numbers)
        return Sheet(times, columns, self.width, self.height)


def thumbnails_of(media: Media) -> Thumbnails | None:
    """Return the thumbnails of a film; None where it has no video."""
    if media.video is None:
        return None
    return Thumbnails(media.start, media.duration, *_fitted(media.video))


def _fitted(video: VideoTrack) -> tuple[int, int]:
    """Return the size of a thumbnail: as large as fits, of the shape of the video, with even sides."""
    scale = min(Fraction(BOX[0], video.width), Fraction(BOX[1], video.height))
    width, height = (max(2, 2 * round(side * scale / 2)) for side in (video.width, video.height))
    return width, height
