"""The worker that makes thumbnails of one film. It keeps the film open, and decodes keyframes alone.

The first message says which film. Each further message asks for one JPEG image: of one keyframe, or of many in rows.

- ``times``: seconds on the file's clock, as rationals. Each stands for the keyframe before it.
- ``columns``: how many there are in a row.
- ``width``, ``height``: pixels of each.

The answer is ``{}`` with the image as its payload, or ``{"error": why}``. In a sheet, a picture that cannot be decoded
is left black.
"""

from __future__ import annotations

import os
import signal
from fractions import Fraction
from itertools import islice
from math import ceil, floor
from typing import TYPE_CHECKING, Any, Final, cast

import av
import av.logging
from av.codec.context import Flags
from av.filter import Graph

from hls_sessions.ffmpeg.commands import MOST_PIXELS, file_url, part_url
from hls_sessions.ffmpeg.input import open_input
from hls_sessions.ffmpeg.packaging.worker import bound_memory
from hls_sessions.ffmpeg.sandbox import confine_worker

if TYPE_CHECKING:
    from collections.abc import Iterator

    from av.packet import Packet
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

    from hls_sessions.ffmpeg.workers import Channel

MEMORY: Final = 2 * 1024**3
"""Bytes of address space beyond those the process begins with: for a few pictures of the largest there may be."""

IDLE: Final = 10
"""Seconds without a request after which the process ends, by SIGALRM."""

NICE: Final = 15
"""The priority is low, because viewers wait for the encoders that run at the same time."""

TRIES: Final = 3
"""Keyframes that are tried for one picture: the first of a damaged place may not decode."""

FAR: Final = 20_000
"""Packets that are read in search of a keyframe."""

BACK: Final = (0, 3, 15)
"""Seconds before the wanted time at which reading begins, where a seek has landed too late."""

QUALITY: Final = {"qmin": "4", "qmax": "8"}
"""The quantizers of JPEG, of which 2 is the best."""

DECODERS: Final = {"av1": "libdav1d,libaom-av1,av1"}
"""The decoders of a codec, where they are called otherwise."""

TURNS: Final = {90: "transpose=cclock", 180: "hflip,vflip", 270: "transpose=clock"}
"""How a picture is turned that is shown turned by so many degrees, counter-clockwise."""


class NoPicture(Exception):
    """There is no picture; the message says why."""


def serve(channel: Channel) -> None:
    """Answer one request after another until the daemon closes the channel."""
    bound_memory(MEMORY)
    os.nice(NICE)
    av.logging.set_level(av.logging.PANIC)
    which: dict[str, Any] = channel.receive().body
    if which.pop("confined"):
        confine_worker(which["path"])
    film: Film | None = None
    while True:
        signal.alarm(IDLE)
        request = channel.receive().body
        signal.alarm(0)
        image = b""
        answer: dict[str, Any] = {}
        try:
            film = film or Film(**which)
            image = film.image(**request)
        except (av.error.FFmpegError, OSError, MemoryError, ValueError, IndexError, NoPicture) as error:
            answer = {"error": getattr(error, "strerror", None) or str(error) or type(error).__name__}
        channel.send(answer, image)


class Film:
    """One film, opened once."""

    def __init__(self, path: str, container: str, codec: str, stream: int, size: int, part: list[int] | None) -> None:
        """Open a film that was probed.

        Args:
            path: where it is.
            container: its demuxer's name, as the prober found it.
            codec: that of its video.
            stream: the index of its video.
            size: bytes it had then.
            part: the first byte of the part that is played and the byte after it; None if all of the file is.
        """
        options = {
            "protocol_whitelist": "file,subfile",
            "format_whitelist": container,
            "codec_whitelist": DECODERS.get(codec, codec),
            "max_pixels": str(MOST_PIXELS),
        }
        url = file_url(path, size) if part is None else part_url(path, *part)
        self._container = open_input(url, options=options)
        self._stream = cast("VideoStream", self._container.streams[stream])
        context = self._stream.codec_context
        context.thread_count = 1
        context.skip_frame = "NONKEY"
        context.flags |= Flags.output_corrupt
        for other in self._container.streams:
            if other.index != stream:
                other.discard = av.stream.Discard.all

    def image(self, times: list[str], columns: int, width: int, height: int) -> bytes:
        """Return a JPEG of the pictures at these times.

        Raises:
            NoPicture: none of them can be decoded.
        """
        rows = ceil(len(times) / columns)
        pictures = [self._picture(Fraction(time), width, height) for time in times]
        if not any(pictures):
            raise NoPicture("nothing there can be decoded")
        black = _black(width, height)
        pictures += [None] * (rows * columns - len(pictures))
        return _jpeg(_filtered([picture or black for picture in pictures], f"tile={columns}x{rows}"))

    def _picture(self, time: Fraction, width: int, height: int) -> VideoFrame | None:
        """Return the picture of the keyframe before a time, or of one after it where that cannot be decoded."""
        for frame in self._keyframes(time):
            turn = TURNS.get(frame.rotation % 360)
            scaled = f"scale={width}:{height}:out_range=full,format=yuvj420p,setsar=1"
            return _filtered([frame], f"{turn},{scaled}" if turn else scaled)
        return None

    def _keyframes(self, time: Fraction) -> Iterator[VideoFrame]:
        """Yield the keyframe before a time, then those after it."""
        stream, decoder = self._stream, self._stream.codec_context
        wanted = floor(time / (stream.time_base or 1))
        if (packet := self._before(wanted)) is not None:
            yield from self._decoded(packet, decoder)
        tries = 0
        for number, each in enumerate(self._container.demux(stream)):
            if number > FAR or tries == TRIES:
                return
            if each.is_keyframe and each.size:
                tries += 1
                yield from self._decoded(each, decoder)

    def _before(self, wanted: int) -> Packet[Any] | None:
        """Return the last keyframe before a tick, if a seek leads to it. Some containers are sought too late."""
        stream = self._stream
        for back in BACK:
            self._container.seek(wanted - floor(back / (stream.time_base or 1)), stream=stream)
            found = None
            for packet in islice(self._container.demux(stream), FAR):
                if packet.pts is not None and packet.pts > wanted:
                    break
                if packet.is_keyframe and packet.size:
                    found = packet
                    if back == 0:
                        break  # it is the one that the seek was for
            if found is not None:
                return found
        self._container.seek(stream.start_time or 0, stream=stream)
        return None

    @staticmethod
    def _decoded(packet: Packet[Any], decoder: Any) -> Iterator[VideoFrame]:
        """Yield the frame of one packet. The decoder is emptied, so that it does not wait for those that follow."""
        try:
            frames = [*decoder.decode(packet), *decoder.decode(None)]
        except av.error.FFmpegError:
            frames = []
        decoder.flush_buffers()
        yield from frames[:1]


def _filtered(frames: list[VideoFrame], filters: str) -> VideoFrame:
    graph = Graph()
    first = frames[0]
    source = graph.add_buffer(width=first.width, height=first.height, format=first.format, time_base=Fraction(1))
    last = source
    for each in filters.split(","):
        name, _, arguments = each.partition("=")
        added = graph.add(name, arguments) if arguments else graph.add(name)
        last.link_to(added)
        last = added
    sink = graph.add("buffersink")
    last.link_to(sink)
    graph.configure()
    for number, frame in enumerate(frames):
        frame.pts, frame.time_base = number, Fraction(1)
        graph.push(frame)
    graph.push(None)
    return cast("VideoFrame", graph.pull())


def _black(width: int, height: int) -> VideoFrame:
    frame = av.VideoFrame(width, height, "yuvj420p")
    for plane, value in zip(frame.planes, (b"\0", b"\x80", b"\x80"), strict=True):
        plane.update(value * plane.buffer_size)
    return frame


def _jpeg(frame: VideoFrame) -> bytes:
    encoder: Any = av.CodecContext.create("mjpeg", "w")
    encoder.width, encoder.height, encoder.pix_fmt = frame.width, frame.height, "yuvj420p"
    encoder.time_base = Fraction(1)
    encoder.options = QUALITY
    frame.pts = 0
    return b"".join(bytes(packet) for packet in [*encoder.encode(frame), *encoder.encode(None)])
