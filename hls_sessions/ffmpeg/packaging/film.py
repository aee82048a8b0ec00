"""A film that is kept open, and the packets of its tracks between two boundaries. For the packager's process."""

from __future__ import annotations

import os
from contextlib import suppress
from fractions import Fraction
from heapq import heapify, heappushpop, nlargest
from math import floor
from typing import TYPE_CHECKING, Any, Final

import av
from av.stream import Discard
from cachetools import LRUCache

from hls_sessions.ffmpeg.commands import file_url
from hls_sessions.ffmpeg.input import open_input
from hls_sessions.media import AAC_FRAME

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from av.stream import Stream

BACK: Final = (1, 10, None)
"""Seconds before a wanted time at which reading begins when a seek lands too late, because an index names only some
places and a container may be interleaved coarsely. None is the beginning of the file."""

FIRST: Final = 60
"""Seconds by which the first packet may begin before the first time that is shown, because of an edit list."""

LOOKED_AT: Final = {"vp9"}
"""Codecs of which a frame is decoded for the init segment, because no header tells how deep their colours are."""

REMEMBERED: Final = 64
"""Boundaries of which the frames before them are remembered."""


class Unopened(Exception):
    """The film cannot be opened, or is not the one that was probed; the message says so."""


class Film:
    """One film, opened once."""

    def __init__(self, path: str, container: str, codec: str | None, size: int, modified: int) -> None:
        """Open a file that was probed.

        Args:
            path: where it is.
            container: its demuxer's name, as the prober found it.
            codec: that of its video.
            size: bytes it had then.
            modified: when it had been written to, in nanoseconds since the epoch.

        Raises:
            Unopened: it cannot be opened, or is another file by now.
        """
        try:
            status = os.stat(path)  # noqa: PTH116 - the path came as a string
            # Of a file that grows, what was there when it was probed.
            url = file_url(path, size)
            self._container = open_input(url, options=_options(container, codec))
        except OSError as error:
            raise Unopened(f"it cannot be opened ({error.strerror})") from error
        has_grown = status.st_size > size
        is_probed = has_grown or (status.st_size, status.st_mtime_ns) == (size, modified)
        if not is_probed or self._container.format.name != container:
            raise Unopened("it is not the file that was opened any more")
        self._has_decode_times = "matroska" not in container
        self._shown_before: LRUCache[tuple[int, int], list[int]] = LRUCache(REMEMBERED)
        """When the frames were shown that are decoded last before a boundary, by stream and boundary."""

    def stream(self, index: int) -> Stream:
        """Return a track by its index."""
        return self._container.streams[index]

    def video(self, stream: Stream, begins: int, ends: int | None, delay: int, shown: int | None) -> Iterator[Any]:
        """Yield the packets between two keyframes, in decoding order, each with its decoding time and duration.

        Times and durations depend on the file alone, not on earlier reads: they are those of a reading from the
        beginning, and the last packet lasts until the first of the next segment is decoded.

        Args:
            stream: a video track.
            begins: when the first keyframe is shown, in ticks.
            ends: when the keyframe is shown that begins the next segment; None for the end of the file.
            delay: how many frames a decoder holds back to bring them into the order of showing.
            shown: when the first frame of the film is shown, if it would be shown later; it lasts until the second.
                None for every other segment than the first.
        """
        packets = _between(self._from(stream, begins), begins, ends)
        if not self._has_decode_times:
            packets = self._reordered(packets, stream, begins, ends, delay)
        if shown is not None:
            packets = _begun_at(packets, shown)
        previous: Any = None
        for packet in packets:
            if previous is not None:
                previous.duration = packet.dts - previous.dts
                yield previous
            previous = packet
        if previous is not None and (ends is None or previous.pts < ends):
            previous.duration = previous.duration or _usual_duration(stream)
            yield previous

    def audio(self, stream: Stream, begins: int, ends: int | None) -> Iterator[Any]:
        """Yield the packets of audio that begin between two times, in ticks; None for the end of the file.

        Where recordings were joined, two packets may begin at once. The second is then made to begin a tick later.
        """
        previous = begins - 1
        for packet in self._from(stream, begins):
            if packet.pts < begins:
                continue
            if ends is not None and packet.pts >= ends:
                return
            packet.pts = previous = max(packet.pts, previous + 1)
            packet.dts = packet.pts
            packet.duration = packet.duration or _usual_duration(stream)
            yield packet

    # ---- within

    def _reordered(
        self, packets: Iterator[Any], stream: Stream, begins: int, ends: int | None, delay: int
    ) -> Iterator[Any]:
        """Give packets that have none their decoding times, as libavformat does that reads from the beginning.

        If a decoder holds ``delay`` frames back, a frame is decoded when the frame ``delay`` places before it, in the
        order of showing, is shown. So the frames shown last before the boundary are needed, too. After a seek
        libavformat does not know them, and its guess depends on where the seek has landed.
        """
        shown = list(self._shown_before.get((stream.index, begins)) or self._read_before(stream, begins, delay))
        heapify(shown)
        for packet in packets:
            if ends is not None and packet.pts >= ends:
                self._shown_before[stream.index, ends] = list(shown)
            packet.dts = heappushpop(shown, packet.pts)
            yield packet

    def _read_before(self, stream: Stream, boundary: int, delay: int) -> list[int]:
        """Return when the frames are shown that are shown last before a boundary, as many as a decoder holds back.

        Before the first frame of the film they are reckoned from its frame rate.
        """
        before: list[int] = []
        for back in (0, *BACK) if delay else ():
            before = []
            for packet in self._from(stream, boundary - 1, back):
                if packet.pts >= boundary:
                    break
                before = nlargest(delay, [*before, packet.pts])
            if len(before) == delay:
                break
        earliest, step = min(before, default=boundary), _usual_duration(stream)
        before += [earliest - step * number for number in range(1, delay - len(before) + 1)]
        self._shown_before[stream.index, boundary] = before
        return before

    def _from(self, stream: Stream, tick: int, back: int | None = 0) -> Iterator[Any]:
        """Yield a track's packets in decoding order, from one at or before a tick on.

        Args:
            stream: the track.
            tick: where.
            back: seconds before that at which to begin; None for the beginning of the file. A seek that lands too
                late is made again from farther back.
        """
        for other in self._container.streams:
            other.discard = Discard.default if other is stream else Discard.all
        farther = (more for more in BACK if more is not None and back is not None and more > back)
        for seconds in () if back is None else (back, *farther):
            self._seek(stream, tick, seconds)
            packets = _with_times(self._container.demux(stream))
            first = next(packets, None)
            if first is not None and first.pts <= max(tick, stream.start_time or tick):
                yield first
                yield from packets
                return
        self._rewind()
        yield from _with_times(self._container.demux(stream))

    def _seek(self, stream: Stream, tick: int, back: int) -> None:
        """Seek to so many seconds before a tick, or to a place before that."""
        guide = stream
        if stream.type == "audio" and not self._has_decode_times:
            # The index of a Matroska names the keyframes of the video. Audio may come a little earlier than they do.
            back = max(back, 1)
            guide = next((other for other in self._container.streams.video if other.index_entries), stream)
        base = stream.time_base or 1
        target = (tick - back / base) * base / (guide.time_base or 1)
        try:
            self._container.seek(floor(target), stream=guide)
        except av.error.FFmpegError:
            self._rewind()  # before the first place that its index names

    def _rewind(self) -> None:
        """Go back to the beginning of the file, which may lie before zero."""
        start = min(0, self._container.start_time or 0)
        with suppress(av.error.FFmpegError):  # it has no index at all, and is read on
            self._container.seek(start - FIRST * av.time_base)


def _options(container: str, codec: str | None) -> dict[str, str]:
    """Return how a file is opened: it may name no other file, and its container is the one that the prober found.

    Where the header tells all that an init segment is made of, nothing is decoded, which would take most of the time.
    """
    return {
        "protocol_whitelist": "file,subfile",
        "format_whitelist": container,
        "codec_whitelist": codec if codec in LOOKED_AT else "none",
    }


def _between(packets: Iterator[Any], begins: int, ends: int | None) -> Iterator[Any]:
    """Yield packets from the first keyframe at or after a boundary to the first packet after another, included."""
    begun = False
    for packet in packets:
        begun = begun or (packet.is_keyframe and packet.pts >= begins)
        if ends is not None and packet.pts >= ends:
            if begun:
                yield packet
            return
        if begun:
            yield packet


def _begun_at(packets: Iterator[Any], shown: int) -> Iterator[Any]:
    """Show the first frame at a time, if it would be shown later, and decode the first frames just before that.

    hls.js takes the first decode time of all for the beginning, and would show everything later by as much.
    """
    ahead: list[Any] = []
    for packet in packets:
        if ahead and packet.dts >= ahead[0].pts:
            break
        ahead.append(packet)
    else:
        packet = None
    for number, early in enumerate(ahead):
        early.dts = ahead[0].pts - len(ahead) + number
    for early in ahead[:1]:
        early.pts = min(shown, early.pts)
        early.dts = min(early.pts, early.dts)
    yield from ahead
    if packet is not None:
        yield packet
        yield from packets


def _with_times(packets: Iterable[Any]) -> Iterator[Any]:
    """Leave out packets without a time, which are of no use, and the empty one that marks the end."""
    return (packet for packet in packets if packet.pts is not None and packet.size)


def _usual_duration(stream: Any) -> int:
    """Return how many ticks a packet without a duration lasts."""
    if stream.type == "audio":
        seconds = Fraction(stream.codec_context.frame_size or AAC_FRAME, stream.codec_context.sample_rate)
    else:
        seconds = 1 / Fraction(stream.guessed_rate or stream.average_rate or 25)
    ticks: Fraction = seconds / stream.time_base
    return max(1, round(ticks))
