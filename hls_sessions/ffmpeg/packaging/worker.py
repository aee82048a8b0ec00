"""The packager: the worker that makes the copied segments of one session. It keeps the film open.

The first message says which film. The film is opened by the first request, so that a film that cannot be opened, or
that hangs, is a failure of that request. Each further message asks for one segment, or for an init segment alone:

- ``stream``: the track's index in the file.
- ``delay``: how many frames of video a decoder holds back.
- ``begins``, ``ends``: its boundaries in seconds on the file's clock, as rationals; ``ends`` is null for the last.
- ``shown``: when the first frame of video is to be shown, if that may be earlier than in the film; else null.
- ``offset``: seconds that are added to every time.
- ``scale``: ticks per second of an init segment that players have already; or null.
- ``file``: where to write the segment; null for the init segment alone.

The answer is ``{"size": bytes}`` with the init segment as its payload; or ``{"error": why, "errno": …}`` with the
system's number, which is null unless the segment could not be written.
"""

from __future__ import annotations

import resource
from fractions import Fraction
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import av
import av.logging

from hls_sessions.ffmpeg.packaging.film import Film, Unopened
from hls_sessions.ffmpeg.packaging.segment_writer import write_segment
from hls_sessions.ffmpeg.sandbox import confine_worker

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from av.packet import Packet
    from av.stream import Stream

    from hls_sessions.ffmpeg.workers import Channel

MEMORY: Final = 1024**3
"""Bytes of address space beyond those the process begins with: for the index of any real film, and for a segment of
twelve seconds at 200 Mbit/s three times over."""


class Damaged(Exception):
    """The film holds nothing there that can be copied; the message says why."""


def serve(channel: Channel) -> None:
    """Answer one request after another until the daemon closes the channel."""
    bound_memory(MEMORY)
    av.logging.set_level(av.logging.PANIC)
    which: dict[str, Any] = channel.receive().body
    if (folder := which.pop("confined_to")) is not None:
        confine_worker(which["path"], folder=folder)
    film: Film | None = None
    while True:
        request = channel.receive().body
        init = b""
        try:
            film = film or Film(**which)
            answer: dict[str, Any]
            init, answer = _made(film, **request)
        except (av.error.FFmpegError, OSError, MemoryError, ValueError, IndexError, Unopened, Damaged) as error:
            if request["file"] is not None:
                Path(request["file"]).unlink(missing_ok=True)
            why = getattr(error, "strerror", None) or str(error) or type(error).__name__
            of_libav = isinstance(error, av.error.FFmpegError)
            answer = {"error": why, "errno": None if of_libav else getattr(error, "errno", None)}
        channel.send(answer, init)


def bound_memory(more: int) -> None:
    """Let this process take so many bytes of address space beyond those that it has, and leave no core dump."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + more
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


def _made(
    film: Film,
    stream: int,
    delay: int,
    begins: str,
    ends: str | None,
    shown: str | None,
    offset: str,
    scale: int | None,
    file: str | None,
) -> tuple[bytes, dict[str, Any]]:
    """Carry out one request: return the init segment and the answer."""
    track = film.stream(stream)
    if file is None:
        init, _ = write_segment(track, (), offset, scale, None)
        return init, {"size": 0}
    first, after = _tick(begins, track), None if ends is None else _tick(ends, track)
    if track.type == "video":
        moved_to = None if shown is None else _tick(shown, track)
        packets: Iterable[Packet[Any]] = film.video(track, first, after, delay, moved_to)
    else:
        packets = _checked(track, film.audio(track, first, after))
    with Path(file).open("wb", buffering=0) as written:
        init, size = write_segment(track, packets, offset, scale, written)
    if size == 0:
        raise Damaged("the file holds nothing of it")
    return init, {"size": size}


def _checked(stream: Stream, packets: Iterator[Packet[Any]]) -> Iterator[Packet[Any]]:
    """Decode packets of audio as they pass.

    A browser ends playback at one damaged packet of audio; an encoder puts silence in its place.

    Raises:
        Damaged: one cannot be decoded.
    """
    decoder: Any = av.CodecContext.create(stream.codec_context.name, "r")
    decoder.extradata = stream.codec_context.extradata
    for packet in packets:
        try:
            damaged = any(frame.is_corrupt for frame in decoder.decode(packet))
        except av.error.FFmpegError as error:
            raise Damaged(f"a packet of it cannot be decoded ({error.strerror})") from error
        if damaged:
            raise Damaged("a packet of it is damaged")
        yield packet


def _tick(time: str, stream: Stream) -> int:
    """Return the first tick at or after a time."""
    return ceil(Fraction(time) / (stream.time_base or 1))
