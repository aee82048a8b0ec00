"""The renditions that are offered of a file: a ladder of video, and one audio rendition per audio track."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from math import ceil
from typing import TYPE_CHECKING, TypeAlias

from hls_sessions.media.filler import PLAIN_AAC, SILENT_CHANNELS
from hls_sessions.media.levels import Level, level_for
from hls_sessions.media.names import names
from hls_sessions.media.subtitles import SubtitleRendition, subtitle_renditions
from hls_sessions.media.timeline import (
    AAC_FRAME,
    AUDIO_RATE,
    LARGEST_COPIED,
    LATE,
    SHORTEST_LAST,
    Cuts,
    Timeline,
    copied_sizes,
    timeline,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hls_sessions.media.compressed_text import CompressedText
    from hls_sessions.media.facts import AudioTrack, Media, VideoCopy, VideoTrack

LADDER = (1080, 720, 480, 360)
"""Heights offered below the source's own."""

AUDIO_BIT_RATE = 128_000
"""Bits per second of encoded stereo."""

LEAST_BIT_RATE = 200_000
"""Bits per second that even a tiny video is given."""

SURROUND_BIT_RATE = 384_000
"""Bits per second of encoded 5.1."""

SURROUND_CHANNELS = 6

BITS_PER_PIXEL = 0.11
"""Bits that a pixel of a frame may cost at most: 3 Mbit/s at 720p30."""

WORTH_ENCODING = 0.8
"""The largest share of the copy's bit rate at which an encoded video of the same size is offered beside it."""

BOXES_PER_FRAME = 24
"""Bytes that each frame of video costs in boxes."""

BOXES_PER_PACKET = 16
"""Bytes that each packet of audio costs in boxes."""

BOXES_PER_SEGMENT = 256
"""Bytes of a segment that are of no frame: the boxes of its fragment, and parameter sets. It lasts a second or more."""

AAC_MOST = 6144
"""Bits that a packet of AAC has at most for each channel (ISO/IEC 14496-3, 4.5.3.1)."""

BOUNDARY_SIZE = 96
"""Bytes of memory that a boundary takes on average: a fraction, which tracks may share, and places in tuples."""

PLAYLIST_SIZE = 12
"""Bytes of memory that a segment takes in the playlists that are kept of a rendition: three, compressed, in each."""

VIDEO_RANGES = {None: "SDR", "smpte2084": "PQ", "arib-std-b67": "HLG"}
"""Transfer functions as VIDEO-RANGE names them (RFC 8216bis, 4.4.6.2)."""


@dataclass(frozen=True, slots=True)
class VideoRendition:
    """One size of the video, encoded to H.264."""

    id: str
    track: VideoTrack
    width: int
    height: int
    level: Level
    max_rate: int
    """Bits per second the encoder may not exceed for longer than its buffer holds."""

    kind = "video"
    extension = "m4s"
    copied = False
    video_range = "SDR"

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
        return int((self.max_rate + self.buffer) * 1.02) + _boxes(self.track.frame_rate, BOXES_PER_FRAME)

    @property
    def average(self) -> int:
        """Bits per second that all segments together do not exceed: a full buffer is spent once, and the boxes."""
        seconds = max(Fraction(1), self.track.end - self.track.start)
        return int((self.max_rate + self.buffer / seconds) * 1.02) + _boxes(self.track.frame_rate, BOXES_PER_FRAME)


@dataclass(frozen=True, slots=True)
class CopiedVideo:
    """The video as it is in the file."""

    id: str
    track: VideoTrack
    width: int
    height: int
    codecs: str
    peak: int
    """Bits per second of its densest segment."""
    average: int
    """Bits per second of all its segments together."""
    instead: VideoRendition
    """The rendition that is encoded in place of segments that are not copied."""
    too_large: frozenset[int] = frozenset()
    """The segments that are not copied because players could not hold them."""

    kind = "video"
    extension = "m4s"
    copied = True

    @property
    def video_range(self) -> str:
        """VIDEO-RANGE: SDR, or the high dynamic range it is left in."""
        return VIDEO_RANGES[self.track.hdr]


@dataclass(frozen=True, slots=True)
class AudioRendition:
    """One audio track, encoded to AAC or as it is in the file."""

    id: str
    track: AudioTrack
    name: str
    default: bool
    channels: int = 2
    bit_rate: int = AUDIO_BIT_RATE
    copied: bool = False

    kind = "audio"
    extension = "m4s"
    codecs = "mp4a.40.2"

    @property
    def sample_rate(self) -> int:
        """Samples per second."""
        return self.track.sample_rate if self.copied else AUDIO_RATE

    @property
    def peak(self) -> int:
        """Bits per second of the densest segment, with its boxes."""
        return int(self.bit_rate * 1.1) + _boxes(Fraction(self.sample_rate, AAC_FRAME), BOXES_PER_PACKET)

    @property
    def average(self) -> int:
        """Bits per second that all segments together do not exceed, with their boxes."""
        return int(self.bit_rate * 1.05) + _boxes(Fraction(self.sample_rate, AAC_FRAME), BOXES_PER_PACKET)


Rendition: TypeAlias = VideoRendition | CopiedVideo | AudioRendition


@dataclass(frozen=True)
class Presentation:
    """A file as it is offered: its timeline and its renditions. Made once per file, shared by all its sessions."""

    media: Media
    timeline: Timeline
    video: tuple[VideoRendition | CopiedVideo, ...]
    audio: tuple[AudioRendition, ...]
    surround: tuple[AudioRendition, ...] = ()
    """The audio again, with tracks of 5.1 channels as such, for players that play these. Empty if there are none."""
    subtitles: tuple[SubtitleRendition, ...] = ()

    @classmethod
    def of(cls, media: Media, segment_length: float = 2.0, *, copy: bool = True) -> Presentation:
        """Compute the presentation of a file.

        Args:
            media: a probed file.
            segment_length: the wanted length of a segment in seconds.
            copy: whether tracks that players take may be offered as they are.
        """
        media = _filled(media) if copy else _to_be_encoded(media)
        cuts = timeline(media, Fraction(segment_length).limit_denominator(1000))
        stereo = _audio_renditions(media.audio)
        video = _offered_video(media.video, cuts) if media.video else ()
        return cls(media, cuts, video, stereo, _surround(stereo), subtitle_renditions(media.subtitles))

    @cached_property
    def renditions(self) -> dict[str, Rendition]:
        """All renditions of video and audio by id, video first, in the master playlist's order."""
        offered: tuple[Rendition, ...] = (*self.video, *self.audio, *self.surround)
        return {rendition.id: rendition for rendition in offered}

    @cached_property
    def offered(self) -> dict[str, Rendition | SubtitleRendition]:
        """All renditions by id, subtitles last."""
        return self.renditions | {rendition.id: rendition for rendition in self.subtitles}

    @property
    def has_captions(self) -> bool:
        """Whether the video carries closed captions, as it is in the file and encoded."""
        return self.media.video is not None and self.media.video.captions

    @cached_property
    def fingerprints(self) -> list[str]:
        """Its fingerprint, once that was computed; ``fingerprint`` fills it."""
        return []

    @cached_property
    def playlists(self) -> dict[tuple[str | None, float], CompressedText]:
        """The playlists that were written of it, by rendition (None: the master) and start; ``playlist`` fills it."""
        return {}

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences on tracks that are left out, on changes of the video, and on why it is not copied."""
        reason = self.timeline.uncopied
        if reason is None:
            return *self.media.notes, *self._notes_on_copies
        later = "; the file is read through, and may be copied when it is opened again"
        more = later if self.media.video and self.media.video.unread else ""
        return *self.media.notes, f"the video is encoded, not copied: {reason}{more}"

    @property
    def _notes_on_copies(self) -> Iterator[str]:
        for video in self.video:
            if isinstance(video, CopiedVideo) and video.too_large:
                many = len(video.too_large)
                yield f"of the copied video, {many} segments are encoded, because players could not hold them"

    @cached_property
    def _cuts(self) -> dict[str, Cuts]:
        """Where every rendition is cut."""
        cut: dict[str, Cuts | None] = {
            video.id: self.timeline.copied if video.copied else self.timeline.video for video in self.video
        }
        for group in filter(None, (self.audio, self.surround)):
            for audio, encoded, copied in zip(group, self.timeline.audio, self.timeline.copied_audio, strict=True):
                cut[audio.id] = copied if audio.copied else encoded
        # Subtitles have no frames: they are cut where the video is, or the audio if there is none.
        whole = cut[(self.video[-1] if self.video else self.audio[0]).id]
        cut |= {subtitles.id: whole for subtitles in self.subtitles}
        return {id_: cuts for id_, cuts in cut.items() if cuts is not None}

    def cuts(self, rendition: str) -> Cuts:
        """Return where a rendition is cut. Raises KeyError for one that is not offered."""
        return self._cuts[rendition]

    @property
    def size_in_memory(self) -> int:
        """About how many bytes of memory it takes: the file's facts, all tracks' boundaries, and the playlists."""
        boundaries = sum(len(cuts.times) for cuts in self.timeline.all_cuts)
        segments = sum(len(self.cuts(rendition)) for rendition in self.offered)
        return self.media.size_in_memory + BOUNDARY_SIZE * boundaries + PLAYLIST_SIZE * segments

    @cached_property
    def target_duration(self) -> int:
        """EXT-X-TARGETDURATION in seconds: every EXTINF, as written and rounded, fits (RFC 8216, 4.3.3.1)."""
        return max(1, int(round(self.timeline.longest, 6) + Fraction(1, 2)))


def ladder(track: VideoTrack) -> tuple[VideoRendition, ...]:
    """Offer the source's own height and the steps below it; nothing is ever enlarged."""
    heights = [track.height, *(height for height in LADDER if height < track.height)]
    offered: dict[tuple[int, int], VideoRendition] = {}
    for rendition in (_video_rendition(track, height) for height in heights):
        # A source of 361 lines is offered with 360, and so is the next step.
        offered.setdefault((rendition.width, rendition.height), rendition)
    return tuple(offered.values())


def _filled(media: Media) -> Media:
    """Have audio encoded that does not last as long as the film, if no filler can be in its format."""

    def lasts(track: AudioTrack) -> bool:
        return track.start - media.start <= LATE and media.end - track.end < SHORTEST_LAST

    def is_filled(track: AudioTrack) -> bool:
        return track.copy is not None and track.copy.codecs == PLAIN_AAC and track.channels in SILENT_CHANNELS

    audio = (track if lasts(track) or is_filled(track) else replace(track, copy=None) for track in media.audio)
    return replace(media, audio=tuple(audio))


def _to_be_encoded(media: Media) -> Media:
    video = media.video and replace(media.video, copy=None, uncopied="the settings do not allow it")
    return replace(media, video=video, audio=tuple(replace(track, copy=None) for track in media.audio))


def _offered_video(track: VideoTrack, cut: Timeline) -> tuple[VideoRendition | CopiedVideo, ...]:
    """Offer the video as it is, where that is possible, and encoded."""
    rungs = ladder(track)
    if cut.copied is None or track.copy is None:
        return rungs
    copied = _copied_video(track, track.copy, cut.copied, rungs[0])
    if track.codec != "h264":
        return copied, *rungs  # a player takes one or the other
    return copied, *_below(copied, rungs)


def _below(copied: CopiedVideo, rungs: tuple[VideoRendition, ...]) -> Iterator[VideoRendition]:
    """Yield the renditions that are worth encoding beside a copy that every player takes: those of less bandwidth.

    A player with bandwidth to spare chooses the variant with the highest BANDWIDTH, so a worse one must not have that.
    """
    same, *smaller = rungs
    if same.average <= copied.average * WORTH_ENCODING:
        yield same
    for rung in smaller:
        share = (rung.width * rung.height) / (copied.width * copied.height)
        thinner = replace(rung, max_rate=min(rung.max_rate, max(LEAST_BIT_RATE, int(copied.average * share**0.75))))
        if thinner.peak < copied.peak:
            yield thinner


def _copied_video(track: VideoTrack, copy: VideoCopy, cuts: Cuts, instead: VideoRendition) -> CopiedVideo:
    pieces = list(copied_sizes(track, copy, cuts.times))
    too_large = frozenset(number for number, size in enumerate(pieces) if size > LARGEST_COPIED)
    boxes = _boxes(track.frame_rate, BOXES_PER_FRAME)
    lengths = list(cuts.lengths())
    rates = {n: 8 * size / lengths[n] + boxes for n, size in enumerate(pieces) if n not in too_large}
    peak = ceil(max(rates.values(), default=0))
    # A segment that is encoded in place of one of the copy must not have more bits than the copy has announced.
    instead = replace(instead, max_rate=min(instead.max_rate, max(LEAST_BIT_RATE, int(peak / 1.6))))
    bits = sum(rates.get(number, instead.peak) * length for number, length in enumerate(lengths))
    average = ceil(bits / (cuts.times[-1] - cuts.times[0]))
    return CopiedVideo(
        *("video-copy", track, track.width, track.height, copy.codecs),
        *(max(peak, instead.peak), average, instead, too_large),
    )


def _boxes(frames: Fraction, each: int) -> int:
    """Return the bits per second of what is in segments beside so many frames per second."""
    return ceil(8 * (BOXES_PER_SEGMENT + each * frames))


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
    return tuple(
        _copied(AudioRendition(f"audio-{number}", track, name, number == default))
        for number, (track, name) in enumerate(zip(tracks, names(tracks, "Audio"), strict=True))
    )


def _surround(stereo: tuple[AudioRendition, ...]) -> tuple[AudioRendition, ...]:
    """Offer the audio once more, with the 5.1 channels of the tracks that have them; nothing where none has."""
    if all(audio.track.channels < SURROUND_CHANNELS for audio in stereo):
        return ()
    return tuple(
        audio
        if audio.track.channels < SURROUND_CHANNELS
        else _copied(replace(audio, id=f"{audio.id}-surround", channels=SURROUND_CHANNELS, bit_rate=SURROUND_BIT_RATE))
        for audio in stereo
    )


def _copied(audio: AudioRendition) -> AudioRendition:
    """Return an audio rendition as it is in the file where that is possible; else unchanged."""
    track = audio.track
    if track.copy is None or track.channels > audio.channels:
        return audio
    # Where the packets' sizes are not known, they are taken to be as large as they can be.
    most = AAC_MOST * track.channels * track.sample_rate // AAC_FRAME
    return replace(audio, channels=track.channels, bit_rate=track.copy.bit_rate or most, copied=True)
