"""The times at which a file is cut, known before a byte is encoded.

Everything else rests on this: segment *i* of a rendition is a pure function of (file, rendition, *i*), because
its boundaries are. Boundaries are exact rationals on the file's own clock, and every one is the time of a real
frame (video) or of an AAC frame on an absolute grid (audio), so any two encoder runs cut at the same place.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import islice, pairwise
from math import ceil
from operator import sub
from typing import TYPE_CHECKING

from hls_sessions.media.codecs import NotCopied

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from hls_sessions.media.facts import AudioCopy, AudioTrack, Media, VideoCopy, VideoTrack

OFFSET = Fraction(1, 4)
"""Seconds added to every written time, so that packets before the first shown one (B-frames, AAC priming) stay above
zero. It must exceed the two frames that x264 decodes ahead: a film that opens slower than that gets no B-frames."""

AUDIO_RATE = 48_000
"""Samples per second of all encoded audio."""
AAC_FRAME = 1024
"""Samples in one AAC frame."""
_AAC_SECONDS = Fraction(AAC_FRAME, AUDIO_RATE)
RAMP = (Fraction(1, 2), Fraction(1, 2), Fraction(1))
"""The lengths of the first encoded segments, short so that playback starts early. hls.js begins with the first one, and
Chromium's own player with the second."""
LONGEST_COPIED = Fraction(12)
"""Seconds; a video that cannot be cut for longer than that is not copied, because every player would have to load that
much to show anything."""
LARGEST_COPIED = 32 * 1024**2
"""Bytes; a larger segment of video is encoded, not copied. A player must hold the segment that it shows, the next one
and what it keeps of the last: Firefox holds 100 MiB of video (media.mediasource.eviction_threshold.video), Chromium
150 MiB (media/base/demuxer_memory_limit.h)."""
SHORTEST_LAST = Fraction(2, 5)
"""Seconds; a last segment shorter than this joins the one before it. It would not be worth a request, and a
container's end is not exact to the frame."""
LATE = Fraction(1, 20)
"""Seconds by which copied audio may begin after the presentation without silence before it. Players pass such a hole,
and two AAC frames fit in."""


@dataclass(frozen=True, slots=True)
class Cuts:
    """Where one track is cut: segment *i* holds the frames that begin in ``[times[i], times[i + 1])``."""

    times: tuple[Fraction, ...]
    """Boundaries in seconds on the file's clock; one more than there are segments."""
    first: Fraction
    """When the track's first frame begins: at ``times[0]``, or later for audio that starts late."""
    slack: Fraction
    """How long before a boundary a cut may be asked for and still fall on it: less than half a frame."""
    counts: tuple[int, ...] | None
    """How many frames each segment holds (0: not certain); None where the boundaries themselves are only expected."""
    leading: int = 0
    """How many segments come before the track begins, and hold nothing of it; the next begins with its first frame."""
    trailing: int = 0
    """How many segments come after the track has ended, and hold nothing of it."""
    held: int = 0
    """How many segments come after the video has ended, and show its last frame: one long frame each."""

    @property
    def exact(self) -> bool:
        """Whether every boundary is known to be the time of a real frame, rather than expected to be."""
        return self.counts is not None

    def __len__(self) -> int:
        return len(self.times) - 1

    def start(self, segment: int) -> Fraction:
        """When the first frame of a segment begins."""
        return self.first if segment == self.leading else self.times[segment]

    def end(self, segment: int) -> Fraction:
        """When a segment ends."""
        return self.times[segment + 1]

    def is_last(self, segment: int) -> bool:
        """Whether no segment follows."""
        return segment == len(self) - 1

    @property
    def made(self) -> range:
        """The segments that are made from the track. The others hold nothing of it, and are filled."""
        return range(self.leading, len(self) - self.trailing)

    @property
    def last_of_track(self) -> int:
        """The segment in which the track ends. Later ones are filled, or show the last frame."""
        return len(self) - self.trailing - self.held - 1

    def lengths(self) -> Iterator[Fraction]:
        """The length of each segment in seconds, as a playlist announces it."""
        return (after - before for before, after in pairwise(self.times))

    def longest(self) -> Fraction:
        """The length of the longest segment in seconds."""
        return max(self.lengths())

    def at(self, seconds: float) -> int:
        """Return the segment that is shown so many seconds after the beginning; the last one after the end."""
        return max(0, bisect_right(self.times, self.times[0] + Fraction(seconds), hi=len(self)) - 1)

    def reaching(self, segment: int, seconds: float) -> int:
        """Return the last segment that begins within so many seconds after the start of this one."""
        return bisect_left(self.times, self.times[segment] + Fraction(seconds), hi=len(self)) - 1


@dataclass(frozen=True, slots=True)
class Timeline:
    """The cuts of all tracks of one file."""

    origin: Fraction
    """The file's time at which the presentation begins."""
    video: Cuts | None
    """Where the encoded video is cut."""
    audio: tuple[Cuts, ...]
    """Where each encoded audio track is cut."""
    copied: Cuts | None = None
    """Where the copied video is cut, at keyframes of the file; None if it is not copied. The encoded video is cut there
    too, so that a player can change between them at each of these boundaries."""
    copied_audio: tuple[Cuts | None, ...] = ()
    """Where each copied audio track is cut; None for one that is not copied."""
    uncopied: str | None = None
    """Why the video is not copied."""

    @property
    def all_cuts(self) -> list[Cuts]:
        """The cuts of every track, encoded and copied."""
        return [cuts for cuts in (self.video, self.copied, *self.audio, *self.copied_audio) if cuts is not None]

    @property
    def longest(self) -> Fraction:
        """The longest segment of any track in seconds: all playlists announce one target duration (RFC 8216, 6.2.4)."""
        return max(cuts.longest() for cuts in self.all_cuts)


def timeline(media: Media, segment_length: Fraction = Fraction(2)) -> Timeline:
    """Compute where every track of a file is cut.

    Args:
        media: a probed file.
        segment_length: the wanted length of a segment in seconds.
    """
    origin, end = media.start, media.end
    grid = tuple(_grid(origin, end, segment_length))
    video, copied, uncopied = None, None, None
    if media.video:
        try:
            copied = _copied_cuts(media.video, origin, end, segment_length)
            wanted: Iterable[Fraction] = _between(copied, segment_length)
        except NotCopied as reason:
            wanted, uncopied = grid, str(reason)
        video = _held(_video_cuts(media.video, origin, wanted, copied), media.video, end, segment_length)
        copied = copied and _held(copied, media.video, end, segment_length)
    # Audio is cut where the video is, so that a player that seeks asks for both at the same place.
    boundaries = grid
    if video and media.video:
        before = (time for time in grid if time <= media.video.start - SHORTEST_LAST)
        boundaries = (*before, *video.times[1:-1], *(time for time in grid if time > video.times[-1]))
    copies = (
        _copied_audio_cuts(track, track.copy, origin, end, boundaries) if track.copy else None for track in media.audio
    )
    return Timeline(
        origin,
        video,
        tuple(_led(_audio_cuts(track, origin, end, boundaries), grid, priming=1) for track in media.audio),
        copied,
        tuple(cuts and _led(cuts, grid) for cuts in copies),
        uncopied,
    )


def _led(cuts: Cuts, grid: Iterable[Fraction], priming: int = 0) -> Cuts:
    """Cut the time before a late audio track into segments of its own, so that none is long; then the audio begins one.

    The encoder's priming is then not in the first segment with audio, which is begun like any other. Late video is not
    cut like this: its first frame is shown from the beginning on.
    """
    before = [time for time in grid if time <= cuts.first - SHORTEST_LAST]
    if cuts.first - cuts.times[0] <= LATE:
        return cuts
    times = (cuts.times[0], *before, cuts.first, *cuts.times[1:])
    leading = len(before) + 1
    counts = None if cuts.counts is None else ((0,) * leading + (max(0, cuts.counts[0] - priming), *cuts.counts[1:]))
    return replace(cuts, times=times, counts=counts, leading=leading)


def _held(cuts: Cuts, track: VideoTrack, end: Fraction, segment_length: Fraction) -> Cuts:
    """Cut the time after video that ends early into even segments, in which its last frame is shown.

    A player without video waits for it, forever. The last segment lasts until the end, and may be shorter.
    """
    if end - track.end < SHORTEST_LAST:
        return cuts
    base, first = track.time_base, ceil(track.end / track.time_base)
    pieces = max(1, round((end - track.end) / segment_length))
    step = ceil((end - track.end) / pieces / base)
    begins = [(first + step * piece) * base for piece in range(pieces)]
    times = (*cuts.times[:-1], *(time for time in begins if time < end), end)
    held = len(times) - len(cuts.times)
    counts = None if cuts.counts is None else (*cuts.counts, *(1,) * held)
    return replace(cuts, times=times, counts=counts, held=held)


def _grid(start: Fraction, end: Fraction, segment_length: Fraction) -> Iterator[Fraction]:
    """Yield the wanted boundaries strictly between start and end: the ramp, then even steps."""
    time = start
    for step in RAMP:
        time += min(step, segment_length)
        if time < end:
            yield time
    time += segment_length
    while time < end:
        yield time
        time += segment_length


def _between(copied: Cuts, segment_length: Fraction) -> Iterator[Fraction]:
    """Yield wanted boundaries within copied segments: the wait after a seek grows with the length of an encoded one."""
    yield from _grid(copied.times[0], copied.times[1], segment_length)
    for before, after in pairwise(copied.times[1:]):
        pieces = round((after - before) / segment_length)
        yield from (before + (after - before) * piece / pieces for piece in range(1, pieces))


def _copied_cuts(track: VideoTrack, origin: Fraction, end: Fraction, segment_length: Fraction) -> Cuts:
    """Cut at keyframes, merged until a segment has the wanted length.

    Raises:
        NotCopied: the video cannot be copied, or cannot be cut for too long.
    """
    if track.copy is None:
        raise NotCopied(track.uncopied or "it was not asked for")
    if track.codec != "h264" and end - track.end >= SHORTEST_LAST:
        # What shows its last frame is encoded to H.264, and no player changes between codecs within a variant.
        raise NotCopied("it ends before the audio does")
    base = track.time_base
    wanted, latest = ceil(segment_length / base), (track.end - SHORTEST_LAST) // base
    last = ceil(track.start / base)
    inner: list[Fraction] = []
    for point in track.copy.sync_points:
        if last + wanted <= point <= latest:
            inner.append(point * base)
            last = point
    times = (origin, *inner, track.end)
    longest = max(after - before for before, after in pairwise((track.start, *times[1:])))
    if longest > LONGEST_COPIED:
        why = ": its GOPs are open" if track.copy.open_gops else ""
        raise NotCopied(f"it cannot be cut for {float(longest):.1f} seconds{why}")
    sizes = list(copied_sizes(track, track.copy, times))
    too_large = sum(size > LARGEST_COPIED for size in sizes)
    # H.264 can be encoded in place of a copy. Of another codec, one segment that cannot be held ends playback.
    if too_large > (len(sizes) // 2 if track.codec == "h264" else 0):
        raise NotCopied(f"a segment of it has {max(sizes) >> 20} MiB, which is more than players hold")
    slack = _slack(track, _shortest_frame(track))
    counts = (0,) * (len(times) - 1) if track.frame_times is None else _frames_between(track, times)
    return Cuts(times, _shown_from(track, origin), slack, counts)


def _shown_from(track: VideoTrack, origin: Fraction) -> Fraction:
    """Return when the first frame is shown: from the beginning on.

    Players take the time of the first frame of video for the beginning. If it were later, every position would be moved
    by as much, and the audio before it would not be heard.
    """
    return ceil(origin / track.time_base) * track.time_base


def copied_sizes(track: VideoTrack, copy: VideoCopy, times: tuple[Fraction, ...]) -> Iterator[int]:
    """Yield the bytes of each copied segment, from the boundaries of all."""
    boundaries = [bisect_left(copy.sync_points, int(time / track.time_base)) for time in times[1:-1]]
    return (sum(copy.sizes[a:b]) for a, b in pairwise((0, *boundaries, len(copy.sizes))))


def _video_cuts(track: VideoTrack, origin: Fraction, wanted: Iterable[Fraction], shared: Cuts | None) -> Cuts:
    """Cut at the frames nearest to the wanted times, and at all shared boundaries."""
    boundaries = list(shared.times[1:-1] if shared else ())
    fixed = iter((*boundaries, track.end))
    floor, ceiling = track.start, next(fixed)
    # Where audio outlasts the video, the grid goes on. The frame nearest to all of that would be the last one.
    for time in (_nearest_frame(track, near) for near in wanted if near < track.end):
        while time > ceiling - SHORTEST_LAST and ceiling < track.end:
            floor, ceiling = ceiling, next(fixed)
        if floor < time <= ceiling - SHORTEST_LAST:
            boundaries.append(time)
            floor = time
    times = (origin, *sorted(boundaries), track.end)
    first = _shown_from(track, origin)
    if track.frame_times is None:
        return Cuts(times, first, _slack(track, 1 / track.frame_rate), counts=None)
    return Cuts(times, first, _slack(track, _shortest_frame(track)), _frames_between(track, times))


def _slack(track: VideoTrack, frame: Fraction) -> Fraction:
    """Return how early a cut is asked for: less than half a frame, and a quarter of a tick before a tick.

    ffmpeg rounds a time to a tick in some places (the start of a run, up to 5.1 a keyframe) and not in others (the end
    of a file). This near to a tick, all of them find the same frame.
    """
    return (int(frame * Fraction(2, 5) / track.time_base) + Fraction(1, 4)) * track.time_base


def _frames_between(track: VideoTrack, boundaries: Iterable[Fraction]) -> tuple[int, ...]:
    """Return how many frames begin between each boundary and the next."""
    times = track.frame_times or ()
    places = [bisect_left(times, ceil(boundary / track.time_base)) for boundary in boundaries]
    return tuple(after - before for before, after in pairwise(places))


def _nearest_frame(track: VideoTrack, time: Fraction) -> Fraction:
    """Return the presentation time of the frame nearest to a time: looked up, or reckoned from the frame rate."""
    if track.frame_times is None:
        frames = round((time - track.start) * track.frame_rate)
        ticks = round(frames / track.frame_rate / track.time_base)
        return track.start + ticks * track.time_base
    times = track.frame_times
    after = bisect_left(times, ceil(time / track.time_base))
    around = times[max(0, after - 1) : after + 1]
    return min((tick * track.time_base for tick in around), key=lambda t: abs(t - time))


def _shortest_frame(track: VideoTrack) -> Fraction:
    """Return the shortest distance between two frames in seconds, which bounds how early a cut may be asked for."""
    times = track.frame_times
    if times is None or len(times) < 2:  # noqa: PLR2004 - a distance needs two
        return 1 / track.frame_rate
    shortest: int = min(map(sub, islice(times, 1, None), times))
    return max(shortest, 1) * track.time_base


def _audio_cuts(track: AudioTrack, origin: Fraction, end: Fraction, boundaries: Iterable[Fraction]) -> Cuts:
    # Audio that is a little late begins with silence. Its own time before it gets audio that is later.
    begins = track.start if track.start - origin > RAMP[0] else origin
    first = Fraction(round(begins * AUDIO_RATE), AUDIO_RATE)
    inner: list[Fraction] = []
    for boundary in boundaries:
        time = aac_frame_at(boundary, first, AUDIO_RATE)
        if time > (inner[-1] if inner else first) and time <= end - SHORTEST_LAST:
            inner.append(time)
    # The first piece also holds the encoder's priming; how many frames the last one holds is the encoder's to say.
    starts = (first - _AAC_SECONDS, *inner)
    counts = (*(int((after - before) / _AAC_SECONDS) for before, after in pairwise(starts)), 0)
    trailing = sum(1 for time in inner if time >= track.end)
    return Cuts((origin, *inner, end), first, _AAC_SECONDS / 2, counts, trailing=trailing)


def _copied_audio_cuts(
    track: AudioTrack, copy: AudioCopy, origin: Fraction, end: Fraction, boundaries: Iterable[Fraction]
) -> Cuts:
    frame = Fraction(AAC_FRAME, track.sample_rate)
    inner: list[Fraction] = []
    for boundary in boundaries:
        time = aac_frame_at(boundary, copy.grid, track.sample_rate)
        if time > (inner[-1] if inner else track.start) and time <= track.end - SHORTEST_LAST:
            inner.append(time)
    # How many packets come before the first that is heard, and which is the last, is the file's to say.
    counts = (0, *(int((after - before) / frame) for before, after in pairwise(inner)), 0)[: len(inner) + 1]
    after: list[Fraction] = []
    if end - track.end >= SHORTEST_LAST:
        silent = aac_frame_at(track.end, copy.grid, track.sample_rate)
        later = (aac_frame_at(boundary, copy.grid, track.sample_rate) for boundary in boundaries if boundary > silent)
        after = [silent, *(time for time in later if silent + SHORTEST_LAST <= time <= end - SHORTEST_LAST)]
    times = (origin, *inner, *(after or [track.end]), *([end] if after else []))
    return Cuts(
        times,
        track.start,
        frame / 2,
        (*counts, *(0,) * len(after)) if copy.steady else None,
        trailing=len(after),
    )


def aac_frame_at(time: Fraction, first: Fraction, rate: int) -> Fraction:
    """Return when the first AAC frame at or after a time begins, on the grid of frames that holds ``first``."""
    frame = Fraction(AAC_FRAME, rate)
    return first + ceil((time - first) / frame) * frame
