"""What is offered of a file: the ladder of video renditions, and one audio rendition per sound track."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import count
from typing import TYPE_CHECKING, TypeAlias

from hls_sessions.media.levels import Level, level_for
from hls_sessions.media.timeline import Cuts, Timeline, timeline

if TYPE_CHECKING:
    from hls_sessions.media.facts import AudioTrack, Media, VideoTrack

LADDER = (1080, 720, 480, 360)
"""Heights offered below the source's own."""

AUDIO_BIT_RATE = 128_000
"""Bits per second of encoded stereo."""

LEAST_BIT_RATE = 200_000
"""Bits per second below which even a tiny picture is not squeezed."""

BITS_PER_PIXEL = 0.11
"""What a moving picture may cost at most: 3 Mbit/s at 720p30."""


@dataclass(frozen=True, slots=True)
class VideoRendition:
    """One size of the picture, encoded to H.264."""

    id: str
    track: VideoTrack
    width: int
    height: int
    level: Level
    max_rate: int
    """Bits per second the encoder may not exceed for longer than its buffer holds."""

    kind = "video"

    @property
    def buffer(self) -> int:
        """Bits in the encoder's rate buffer: half a second."""
        return self.max_rate // 2

    @property
    def codecs(self) -> str:
        """The RFC 6381 name: High profile without constraints, and the level."""
        return f"avc1.6400{self.level.idc:02x}"

    @property
    def peak(self) -> int:
        """Bits per second of the densest segment: a full buffer spent within one second, and the boxes."""
        return int((self.max_rate + self.buffer) * 1.02)

    @property
    def average(self) -> int:
        """Bits per second that all segments together do not exceed, with their boxes."""
        return int(self.max_rate * 1.02)


@dataclass(frozen=True, slots=True)
class AudioRendition:
    """One sound track, encoded to stereo AAC."""

    id: str
    track: AudioTrack
    name: str
    default: bool
    channels: int = 2
    bit_rate: int = AUDIO_BIT_RATE

    kind = "audio"
    codecs = "mp4a.40.2"

    @property
    def peak(self) -> int:
        """Bits per second of the densest segment, with its boxes."""
        return int(self.bit_rate * 1.15)

    @property
    def average(self) -> int:
        """Bits per second that all segments together do not exceed, with their boxes."""
        return int(self.bit_rate * 1.1)


Rendition: TypeAlias = VideoRendition | AudioRendition


@dataclass(frozen=True)
class Presentation:
    """A file as it is offered: its timeline and its renditions. Made once per file, shared by all its sessions."""

    media: Media
    timeline: Timeline
    video: tuple[VideoRendition, ...]
    audio: tuple[AudioRendition, ...]

    @classmethod
    def of(cls, media: Media, segment_length: float = 2.0) -> Presentation:
        """Compute what is offered of a file; the segment length is in seconds."""
        return cls(
            media,
            timeline(media, Fraction(segment_length).limit_denominator(1000)),
            ladder(media.video) if media.video else (),
            _audio_renditions(media.audio),
        )

    @cached_property
    def renditions(self) -> dict[str, Rendition]:
        """All renditions by id, video first, in the master playlist's order."""
        offered: tuple[Rendition, ...] = (*self.video, *self.audio)
        return {rendition.id: rendition for rendition in offered}

    @cached_property
    def _audio_cuts(self) -> dict[str, Cuts]:
        return {r.id: cuts for r, cuts in zip(self.audio, self.timeline.audio, strict=True)}

    def cuts(self, rendition: str) -> Cuts:
        """Return where a rendition is cut. Raises KeyError for one that is not offered."""
        if rendition in self._audio_cuts:
            return self._audio_cuts[rendition]
        if rendition not in self.renditions or self.timeline.video is None:
            raise KeyError(rendition)
        return self.timeline.video

    @property
    def target_duration(self) -> int:
        """EXT-X-TARGETDURATION in seconds: every EXTINF, as written and rounded, fits (RFC 8216, 4.3.3.1)."""
        return max(1, int(round(self.timeline.longest, 6) + Fraction(1, 2)))


def ladder(track: VideoTrack) -> tuple[VideoRendition, ...]:
    """Offer the source's own height and the steps below it; nothing is ever enlarged."""
    heights = [track.height, *(height for height in LADDER if height < track.height)]
    offered: dict[tuple[int, int], VideoRendition] = {}
    for rendition in (_video_rendition(track, height) for height in heights):
        # A source of 361 lines is offered without its odd one, which is what the next step would be.
        offered.setdefault((rendition.width, rendition.height), rendition)
    return tuple(offered.values())


def _video_rendition(track: VideoTrack, height: int) -> VideoRendition:
    # 4:2:0 halves both sides, so both are even.
    width = _even(Fraction(track.width * height, track.height))
    even_height = _even(Fraction(height))
    frames = float(min(track.frame_rate, Fraction(60)))
    max_rate = max(LEAST_BIT_RATE, int(width * even_height * frames * BITS_PER_PIXEL))
    level = level_for(width, even_height, track.frame_rate, max_rate * 3 // 2)
    return VideoRendition(f"video-{height}p", track, width, even_height, level, max_rate)


def _even(length: Fraction) -> int:
    return max(2, int(length / 2 + Fraction(1, 2)) * 2 if length % 2 != 1 else int(length) - 1)


def _audio_renditions(tracks: tuple[AudioTrack, ...]) -> tuple[AudioRendition, ...]:
    default = next((i for i, track in enumerate(tracks) if track.default), 0)
    taken: set[str] = set()
    offered = []
    for number, track in enumerate(tracks):
        name = _written(track.title) or _written(track.language) or f"Sound {number + 1}"
        # NAME is unique within its group (RFC 8216, 4.3.4.1.1).
        numbered = (f"{name} ({again})" for again in count(2))
        unique = name if name not in taken else next(other for other in numbered if other not in taken)
        taken.add(unique)
        offered.append(AudioRendition(f"audio-{number}", track, unique, number == default))
    return tuple(offered)


def _written(text: str | None) -> str:
    """Return a file's text as a quoted-string holds it: no line breaks, no double quotes (RFC 8216, 4.2)."""
    return "".join("'" if c == '"' else c for c in text or "" if c.isprintable()).strip()
