"""The facts of a media file that was probed. Values only; times are exact seconds on the file's clock."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from array import array
    from pathlib import Path


_FACTS_SIZE: Final = 16 * 1024
"""Bytes of memory that the facts of a file take beside its arrays, where it has dozens of tracks."""


@dataclass(frozen=True, slots=True)
class VideoCopy:
    """The facts that a copy of a video track needs."""

    codecs: str
    """Its name in CODECS (RFC 6381)."""
    sync_points: array[int] = field(repr=False)
    """Presentation times of the keyframes at which it can be cut cleanly, in ticks, in order: all frames that are shown
    after such a keyframe are decoded after it, and no frame that is shown before needs one that comes after."""
    sizes: array[int] = field(repr=False)
    """Bytes from each sync point to the next, or a few more."""
    open_gops: bool = False
    """Whether it has other keyframes, at which it cannot be cut because frames that are shown before them need them."""
    delay: int = 0
    """How many frames a decoder holds back to bring them into the order of showing."""


@dataclass(frozen=True, slots=True)
class AudioCopy:
    """The facts that a copy of an audio track needs."""

    codecs: str
    """Its name in CODECS (RFC 6381)."""
    grid: Fraction
    """When one of its packets begins; all others begin a whole number of packets before or after it."""
    steady: bool
    """Whether the grid is known of every packet, rather than expected."""
    bit_rate: int
    """Bits in its densest second; 0 where the sizes of its packets are not known."""


@dataclass(frozen=True, slots=True)
class VideoTrack:
    """One video track."""

    index: int
    """The stream's index in the file."""
    codec: str
    width: int
    """Shown width in square pixels, after rotation."""
    height: int
    """Shown height in pixels, after rotation."""
    time_base: Fraction
    """Seconds per tick."""
    start: Fraction
    """Presentation time of the first frame."""
    end: Fraction
    """When the last frame stops being shown."""
    frame_rate: Fraction
    """Frames per second, as the container announces or the first frames show."""
    opening: Fraction = Fraction(0)
    """How long the first two frames are shown, in seconds."""
    interlaced: bool = False
    """Whether each frame holds two fields, of two moments."""
    hdr: str | None = None
    """The transfer function of a high dynamic range, as ffmpeg spells it; None for a standard range."""
    captions: bool = False
    """Whether its frames carry closed captions (ATSC A/53), which decoders hand on to encoders."""
    frame_times: array[int] | None = field(default=None, repr=False)
    """Presentation times of all frames, in ticks, in order; None where the container has no whole index."""
    copy: VideoCopy | None = field(default=None, repr=False)
    """The facts that a copy needs; None where it cannot be copied."""
    uncopied: str | None = None
    """Why it cannot be copied."""
    unread: bool = False
    """Whether reading the whole file would tell more than its index does of where the frames are."""
    seek_margin: Fraction = Fraction(0)
    """Seconds before a frame at which a seek has to be asked for, so that the keyframe it lands on is shown before the
    frame and all frames from there on can be decoded."""


@dataclass(frozen=True, slots=True)
class AudioTrack:
    """One audio track."""

    index: int
    """The stream's index in the file."""
    codec: str
    channels: int
    sample_rate: int
    """Samples per second in the file."""
    start: Fraction
    end: Fraction
    language: str | None = None
    title: str | None = None
    default: bool = False
    copy: AudioCopy | None = None
    """The facts that a copy needs; None where it cannot be copied."""


@dataclass(frozen=True, slots=True)
class SubtitleTrack:
    """One subtitle track that is text."""

    index: int
    """The stream's index in the file."""
    codec: str
    language: str | None = None
    title: str | None = None
    default: bool = False
    forced: bool = False
    """Whether it is shown to all viewers of this language, because it translates other languages and signs."""
    hearing_impaired: bool = False
    """Whether it also describes sounds, for the hard of hearing."""


@dataclass(frozen=True, slots=True)
class Chapter:
    """A stretch of the file that its maker has named. Times are seconds on the file's clock."""

    start: Fraction
    end: Fraction
    title: str | None = None


@dataclass(frozen=True, slots=True)
class Media:
    """A file that can be played."""

    path: Path
    container: str
    """The demuxer's name, as ffmpeg spells it."""
    container_start: Fraction
    """The earliest time the container announces: ffmpeg counts ``-ss`` from here."""
    video: VideoTrack | None
    audio: tuple[AudioTrack, ...]
    notes: tuple[str, ...] = ()
    """Sentences on tracks that are left out and on changes of the video."""
    subtitles: tuple[SubtitleTrack, ...] = ()
    """The subtitle tracks that are text; those that are images are left out."""
    size: int = field(default=0, compare=False)
    """Bytes of the file when it was probed."""
    modified: int = field(default=0, compare=False)
    """When the file had last been written to, in nanoseconds since the epoch."""
    inode: int = field(default=0, compare=False)
    """The file's number on its disk then."""
    part: tuple[int, int] | None = None
    """The bytes of the file that play, if its clock jumps before or after them; None for all of it."""
    chapters: tuple[Chapter, ...] = ()
    """The chapters that are within the film, in order. They do not overlap."""

    @property
    def start(self) -> Fraction:
        """The time at which the first track begins."""
        return min(track.start for track in self.tracks)

    @property
    def end(self) -> Fraction:
        """The time at which the last track ends."""
        return max(track.end for track in self.tracks)

    @property
    def duration(self) -> Fraction:
        """Seconds from the beginning of the first track to the end of the last."""
        return self.end - self.start

    @property
    def tracks(self) -> tuple[VideoTrack | AudioTrack, ...]:
        """All tracks that play."""
        return (*((self.video,) if self.video else ()), *self.audio)

    @property
    def size_in_memory(self) -> int:
        """About how many bytes of memory these facts take: nearly all of them are in the arrays of the video."""
        arrays: list[array[int]] = []
        if self.video and self.video.frame_times:
            arrays.append(self.video.frame_times)
        if self.video and self.video.copy:
            arrays += [self.video.copy.sync_points, self.video.copy.sizes]
        return _FACTS_SIZE + sum(map(sys.getsizeof, arrays))
