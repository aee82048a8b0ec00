"""The tracks of a recording: packets that arrive go in, packets of a rendition come out, at the same times."""

from __future__ import annotations

from bisect import insort
from contextlib import suppress
from fractions import Fraction
from math import ceil
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

import av
from av.filter import Graph
from av.video.frame import PictureType

from hls_sessions.media import AAC_FRAME, AUDIO_RATE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from av.audio.stream import AudioStream
    from av.stream import Stream
    from av.video.stream import VideoStream

COPIED: Final = {"h264"}
"""Codecs of video that every player takes, and that are passed on as they are."""

COPIED_PIXELS: Final = {None, "yuv420p", "yuvj420p"}
"""Formats of pixels that every player takes in them. One that is not known yet is taken for one of these."""

BITS_PER_PIXEL: Final = 0.12
"""Of encoded video, at most, on the average of a second."""

MOST_FRAMES: Final = Fraction(60)
"""Frames per second that bits are reckoned for."""

AUDIO_BIT_RATE: Final = 128_000
"""Bits per second of audio."""

PRE_ROLL: Final = 2
"""AAC frames encoded before the first that is kept, so that the encoder's state has settled."""

EARLIER: Final = Fraction(1, 4)
"""Seconds of audio that are decoded before the first wanted sample."""

STILL: Final = Fraction(1)
"""Seconds after which an encoded frame is repeated where no other comes, as of a screen on which nothing happens."""

BEFORE: Final = Fraction(1, 5)
"""Seconds before a stream's first frame in which frames may be decoded: players get times from OFFSET on."""

UNTOLD: Final = {"matroska,webm", "rtsp"}
"""The demuxers of streams that do not tell when a packet is decoded. What libav guesses is wrong where it has not seen
enough of the video to know how many frames are reordered."""

SOON: Final = Fraction(1, 10)
"""Seconds after a beginning within which its own first frame may come."""

TICK: Final = 32
"""Samples of silence that end a hole in audio: what is before them becomes silence."""


class Piece(NamedTuple):
    """A packet of a rendition."""

    packet: Any
    """A packet of libav that has its times."""
    begins: Fraction
    """When it is shown or heard, in seconds on the recording's clock."""
    opens: bool
    """Whether a segment may begin with it."""


class Track(Protocol):
    """One track of a recording."""

    stream: Stream
    """A stream like that of its rendition."""
    clock: Fraction
    """When tick zero of its rendition's packets is, in seconds on the recording's clock."""

    @property
    def reorders(self) -> bool:
        """Whether packets may be decoded before others that are shown earlier."""

    def take(self, packet: Any) -> Iterator[Piece]:
        """Take the next packet of the recording, and yield what comes out of it."""

    def fill(self, until: Fraction) -> Iterator[Piece]:
        """Yield what takes the place of packets that do not come, up to a time in seconds on the recording's clock."""

    def finish(self) -> Iterator[Piece]:
        """Yield what was held back, because no packet follows."""


def is_copied(codec: Any) -> bool:
    """Whether video of a codec is passed on as it is."""
    return codec.name in COPIED and codec.pix_fmt in COPIED_PIXELS


class CopiedVideo:
    """Video that is passed on as it is. Every keyframe may begin a segment."""

    clock = Fraction(0)

    @property
    def reorders(self) -> bool:
        """Whether frames are decoded before others that are shown earlier."""
        return self._depth > 0

    def __init__(self, stream: VideoStream, begins: Fraction | None) -> None:
        """Begin with the first keyframe that is shown at a time or later; None for the first of all."""
        self.stream: Stream = stream
        self._base = stream.time_base or Fraction(1, 1000)
        self._begins = begins
        self._has_begun = False
        self._decoded: int | None = None
        """When the last packet was decoded."""
        self._depth = 0
        """How many frames are decoded before others that are shown earlier."""
        self._latest: list[int] | None = [] if stream.container.format.name in UNTOLD else None
        """Where it is not told when packets are decoded, when the latest are shown: one more than are reordered."""

    def take(self, packet: Any) -> Iterator[Piece]:
        """Pass a packet on, once there was a keyframe to begin with."""
        shown = packet.pts * self._base
        if not self._has_begun and packet.is_keyframe and (self._begins is None or shown >= self._begins):
            self._has_begun = True
            decoder: Any = self.stream.codec_context
            with suppress(av.error.FFmpegError):
                decoder.thread_count = 1
                decoder.decode(packet)  # which tells how many frames are reordered
            self._depth = decoder.reorder_depth
        if self._has_begun:
            packet.dts = self._decoded = self._decode_time(packet)
            # Of two frames at one time, as browsers send them, the second is shown a tick later.
            packet.pts = max(packet.pts, packet.dts)
            yield Piece(packet, shown, packet.is_keyframe)

    def fill(self, until: Fraction) -> Iterator[Piece]:  # noqa: ARG002 - as of every track
        """Nothing is there that could be copied."""
        yield from ()

    def finish(self) -> Iterator[Piece]:
        """Nothing is held back."""
        yield from ()

    def _decode_time(self, packet: Any) -> int:
        """Return when a packet is decoded. Where that is not told, it is when the earliest of the latest is shown."""
        # Before the first frame there is not much time to decode in.
        longest = int(BEFORE / self._base / max(1, self._depth))
        step, told = min(packet.duration or 1, longest), packet.dts
        if self._latest is not None:
            insort(self._latest, packet.pts)
            del self._latest[: -self._depth - 1]
            told = self._latest[0] if len(self._latest) > self._depth else None
        if self._decoded is None:
            return int(packet.pts) - self._depth * step if told is None else int(told)
        return max(self._decoded + 1, self._decoded + step if told is None else int(told))


class EncodedVideo:
    """Video that is decoded and encoded, each frame at its own time. Each frame may begin a segment, if it is due."""

    clock = Fraction(0)
    reorders: Final = False

    def __init__(self, stream: VideoStream, begins: Fraction | None, is_due: Callable[[Fraction], bool]) -> None:
        """Begin with the first frame that is shown at a time or later.

        Args:
            stream: the video.
            begins: the time, in seconds on the recording's clock; None for the first frame of all.
            is_due: says whether a segment is to begin with a frame that is shown at a time.
        """
        self._base = stream.time_base or Fraction(1, 1000)
        self._begins = begins
        self._is_due = is_due
        self._decoder: Any = stream.codec_context
        self._waiting: list[Any] | None = None if begins is None else []
        """The packets since the last keyframe before the beginning; None when that was passed."""
        self._last: int | None = None
        """When the last frame is shown that was encoded."""
        self._shown: Any = None
        """The last frame that was decoded, as the encoder takes it."""
        width, height = self._decoder.width & ~1, self._decoder.height & ~1
        rate = min(Fraction(stream.guessed_rate or stream.average_rate or 30), MOST_FRAMES)
        most = int(width * height * float(rate) * BITS_PER_PIXEL)
        options = {
            "preset": "veryfast",
            "tune": "zerolatency",
            "crf": "23",
            "maxrate": str(most),
            "bufsize": str(most // 2),
            "profile": "high",
            "sc_threshold": "0",
            "g": str(1 << 20),
            "forced-idr": "1",
        }
        self.stream: Any = _muxer().add_stream("libx264", rate=rate, options=options)
        self.stream.width, self.stream.height, self.stream.pix_fmt = width, height, "yuv420p"
        self.stream.sample_aspect_ratio = stream.sample_aspect_ratio or 1
        self.stream.codec_context.time_base = self._base
        self.stream.container.start_encoding()

    def take(self, packet: Any) -> Iterator[Piece]:
        """Encode the frames of a packet."""
        if self._waiting is None:
            yield from self._encoded(self._decoder.decode(packet))
            return
        self._waiting = [packet] if packet.is_keyframe else [*self._waiting, packet]
        if packet.pts * self._base >= (self._begins or 0):
            yield from self._begin()

    def fill(self, until: Fraction) -> Iterator[Piece]:
        """Repeat the last frame, for as long as a frame may stand still."""
        if self._waiting and until > (self._begins or 0):
            yield from self._begin()
        yield from self._repeated(until)

    def finish(self) -> Iterator[Piece]:
        """Encode the frames that the decoder has held back, and yield those that the encoder has."""
        if self._waiting is None:
            yield from self._encoded(self._decoder.decode(None))
            yield from self._pieces(self.stream.codec_context.encode(None))

    def _begin(self) -> Iterator[Piece]:
        """Decode what leads to the beginning."""
        packets, self._waiting = self._waiting or [], None
        for packet in packets:
            yield from self._encoded(self._decoder.decode(packet))

    def _encoded(self, frames: list[Any]) -> Iterator[Piece]:
        for frame in frames:
            if frame.pts is None or (self._last is not None and frame.pts < self._last):
                continue
            if frame.pts == self._last:
                frame.pts += 1  # of two frames at one time, the second is shown a tick later
            yield from self._repeated(frame.pts * self._base)
            pts, encoder = frame.pts, self.stream.codec_context
            self._shown = frame.reformat(encoder.width, encoder.height, format="yuv420p", dst_color_range="MPEG")
            if self._begins is None or pts * self._base >= self._begins:
                yield from self._frame(pts)

    def _repeated(self, until: Fraction) -> Iterator[Piece]:
        """Show the last frame again at the beginning, and whenever it has stood still for long, before a time."""
        begins = self._begins
        if self._last is None and self._shown is not None and begins is not None and begins + SOON < until:
            yield from self._frame(ceil(begins / self._base))
        while self._last is not None and (time := self._last * self._base + STILL) < until:
            yield from self._frame(int(time / self._base))

    def _frame(self, pts: int) -> Iterator[Piece]:
        """Encode the last frame, to be shown at a time."""
        frame, self._last = self._shown, pts
        frame.pts, frame.time_base = pts, self._base
        frame.pict_type = PictureType.I if self._is_due(pts * self._base) else PictureType.NONE
        yield from self._pieces(self.stream.codec_context.encode(frame))

    def _pieces(self, packets: list[Any]) -> Iterator[Piece]:
        return (Piece(packet, packet.pts * self._base, packet.is_keyframe) for packet in packets)


class EncodedAudio:
    """Audio that becomes AAC, on a grid of frames that counts from the beginning of the recording."""

    reorders: Final = False

    def __init__(self, stream: AudioStream, origin: Fraction, begins: Fraction | None) -> None:
        """Begin at a time.

        Args:
            stream: the audio.
            origin: the beginning of the recording, in seconds on its clock. A hole before the audio becomes silence.
            begins: the time from which on packets are kept; None for all of them.
        """
        self._base = stream.time_base or Fraction(1, AUDIO_RATE)
        self.clock = origin
        self._decoder: Any = stream.codec_context
        # The encoder's first packet is its priming, one frame before the first sample.
        self._kept = -AAC_FRAME if begins is None else ceil((begins - origin) * AUDIO_RATE / AAC_FRAME) * AAC_FRAME
        self._from = 0 if begins is None else self._kept + AAC_FRAME - PRE_ROLL * AAC_FRAME
        self._graph: Any = None
        self._shape: tuple[int, str, str] | None = None
        """The sample rate, format and layout that the graph takes."""
        self.stream: Any = _muxer().add_stream("aac", rate=AUDIO_RATE, layout="stereo", bit_rate=AUDIO_BIT_RATE)
        self.stream.codec_context.time_base = Fraction(1, AUDIO_RATE)
        self.stream.container.start_encoding()

    def take(self, packet: Any) -> Iterator[Piece]:
        """Encode the samples of a packet. Silence takes the place of those that cannot be decoded."""
        if packet.pts * self._base - self.clock < Fraction(self._from, AUDIO_RATE) - EARLIER:
            return
        with suppress(av.error.FFmpegError):
            for frame in self._decoder.decode(packet):
                if frame.pts is not None:
                    yield from self._encoded(frame)

    def fill(self, until: Fraction) -> Iterator[Piece]:
        """Encode silence."""
        decoder = self._decoder
        if until - self.clock > Fraction(self._from, AUDIO_RATE) and decoder.rate and decoder.format and decoder.layout:
            silence = av.AudioFrame(decoder.format.name, decoder.layout.name, TICK)
            for plane in silence.planes:
                plane.update(bytes(plane.buffer_size))
            silence.sample_rate, silence.time_base = decoder.rate, Fraction(1, decoder.rate)
            silence.pts = int((until - Fraction(TICK, decoder.rate)) * decoder.rate)
            yield from self._encoded(silence)

    def finish(self) -> Iterator[Piece]:
        """Encode the samples that were held back."""
        if self._graph is not None:
            self._graph.push(None)
            yield from self._drained()
            yield from self._pieces(self.stream.codec_context.encode(None))

    def _encoded(self, frame: Any) -> Iterator[Piece]:
        shape = frame.sample_rate, frame.format.name, frame.layout.name
        if self._graph is None or shape != self._shape:
            self._graph, self._shape = _resampler(*shape, self._from), shape
        frame.pts = round((frame.pts * frame.time_base - self.clock) * frame.sample_rate)
        frame.time_base = Fraction(1, frame.sample_rate)
        self._graph.push(frame)
        yield from self._drained()

    def _drained(self) -> Iterator[Piece]:
        with suppress(av.error.BlockingIOError, av.error.EOFError):
            while True:
                frame = self._graph.pull()
                self._from = frame.pts + frame.samples
                yield from self._pieces(self.stream.codec_context.encode(frame))

    def _pieces(self, packets: list[Any]) -> Iterator[Piece]:
        for packet in packets:
            if packet.pts >= self._kept:
                packet.duration = AAC_FRAME
                yield Piece(packet, self.clock + Fraction(packet.pts, AUDIO_RATE), opens=True)


def _resampler(rate: int, sample_format: str, layout: str, first: int) -> Graph:
    """Return a graph that makes whole AAC frames of audio, from a sample on, with silence in its holes."""
    graph = Graph()
    last = graph.add_abuffer(sample_rate=rate, format=sample_format, layout=layout, time_base=Fraction(1, rate))
    for name, options in (
        ("aresample", str(AUDIO_RATE)),
        # Its first_pts counts samples at the rate of its input.
        ("aresample", f"{AUDIO_RATE}:async=1:first_pts={first}"),
        ("atrim", f"start_pts={first}"),
        ("aformat", "sample_fmts=fltp:channel_layouts=stereo"),
        ("asetnsamples", f"n={AAC_FRAME}:p=0"),
    ):
        following = graph.add(name, options)
        last.link_to(following)
        last = following
    last.link_to(graph.add("abuffersink"))
    graph.configure()
    return graph


class _Nowhere:
    """A file that holds nothing."""

    def write(self, data: bytes) -> int:
        return len(data)


def _muxer() -> Any:
    """Return a muxer that lends an encoder a stream, and is never written."""
    return av.open(_Nowhere(), "w", format="mp4", options={"movflags": "+empty_moov"})
