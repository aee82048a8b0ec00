"""The process that opens files nobody has vouched for. Run as a script; imports PyAV and nothing of this package.

Reads a path per line on standard input (as JSON) and answers each with one line of JSON, followed by the frame
times as raw 64-bit integers where the container has a whole index. A hostile file can crash or hang this process
and nothing else: its owner kills it after a time limit and starts another.
"""

from __future__ import annotations

import json
import resource
import sys
from array import array
from fractions import Fraction
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

import av
import av.logging

if TYPE_CHECKING:
    from collections.abc import Iterable

    from av.container import InputContainer
    from av.packet import Packet
    from av.stream import Stream
    from av.video.stream import VideoStream

MEMORY_LIMIT = 4 * 1024**3
"""Bytes of address space: room for any real index, not for a header that claims a billion entries."""

NOT_MEDIA = {"hls", "dash", "concat", "ffmetadata", "sdp", "tty", "imf", "webm_dash_manifest"}
"""Demuxers of text, and of lists that point at other files or hosts: a media file names nothing but itself."""

HDR = {16: "smpte2084", 18: "arib-std-b67"}
"""Transfer functions of high dynamic range (ITU-T H.273, table 3), as ffmpeg spells them."""

TAIL = 12
"""Seconds before the announced end that are read to find the true ends."""

PACKETS = 64
"""How many of the first and of the last packets the frame times taken from the index are compared with."""

REORDER = 17
"""The most frames a decoder may hold back (H.264 allows 16): the last of the compared packets may be incomplete."""


class Unplayable(Exception):
    """The file holds nothing to play; the message says why."""


class Span(NamedTuple):
    """When a stream, or one of its packets, begins and ends, in its ticks."""

    start: int
    end: int


class Frames(NamedTuple):
    """What a container's index tells of a picture, in its ticks."""

    times: array[int]
    """When each frame is shown, in order; empty where that is not certain."""
    end: int
    """When the last one stops being shown."""


NO_INDEX = Frames(array("q"), 0)


def main() -> None:
    """Answer one path after another until standard input closes."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT, MEMORY_LIMIT))
    av.logging.set_level(av.logging.PANIC)
    for line in sys.stdin.buffer:
        times = array("q")
        try:
            answer, times = probe(json.loads(line))
        except Unplayable as reason:
            answer = {"error": str(reason)}
        except (av.error.FFmpegError, OSError, MemoryError) as error:
            answer = {"error": getattr(error, "strerror", None) or str(error) or type(error).__name__}
        answer["frame_times"] = len(times)
        sys.stdout.buffer.write(json.dumps(answer).encode() + b"\n")
        times.tofile(sys.stdout.buffer)
        sys.stdout.buffer.flush()


def probe(path: str) -> tuple[dict[str, Any], array[int]]:
    """Read the facts of one file. Times in the answer are rationals written as strings, in seconds."""
    # The prefix keeps a name from being read as a protocol, the whitelist keeps a file from naming another.
    with av.open(f"file:{path}", options={"protocol_whitelist": "file"}, metadata_errors="replace") as container:
        if set(container.format.name.split(",")) & NOT_MEDIA:
            raise Unplayable(f"it is text or a list of other files ({container.format.name}), not media")
        if container.format.name.endswith("_pipe") or container.format.name == "image2":
            raise Unplayable("it is a still picture")
        notes: list[str] = []
        picture = _picture(container)
        sounds = [s for s in container.streams.audio if s.codec_context.sample_rate and s.codec_context.channels]
        if picture is None and not sounds:
            raise Unplayable("it holds neither picture nor sound")
        look = _look(container, picture, notes) if picture is not None else None
        if look is None:
            picture = None
        frames = _frames(container, picture) if picture is not None else NO_INDEX
        streams = [*([picture] if picture is not None else []), *sounds]
        spans = _spans(container, streams, frames)
        video = None
        if picture is not None and look is not None and picture.index in spans:
            video = _timed(picture, spans) | {
                "time_base": str(picture.time_base),
                "frame_rate": str(_frame_rate(picture)),
                "opening": str(_opening(container, picture)),
                **look,
            }
        audio = [_sound(stream, spans) for stream in sounds if stream.index in spans]
        if video is None and not audio:
            raise Unplayable("; ".join(notes) or "nothing in it has a length")
        answer = {
            "container": container.format.name,
            "container_start": str(Fraction(container.start_time or 0, av.time_base)),
            "video": video,
            "audio": audio,
            "notes": notes,
        }
        return answer, frames.times if video else array("q")


def _picture(container: InputContainer) -> VideoStream | None:
    """Choose the picture that plays: the default one, else the first. Cover art is none."""
    pictures = [
        stream
        for stream in container.streams.video
        if not stream.disposition & stream.disposition.attached_pic and stream.codec_context.width
    ]
    return next((s for s in pictures if s.disposition & s.disposition.default), pictures[0] if pictures else None)


def _look(container: InputContainer, stream: VideoStream, notes: list[str]) -> dict[str, Any] | None:
    """Decode one picture, and tell how it is to be shown. None when none can be decoded."""
    try:
        frame = next(iter(container.decode(stream)), None)
    except av.error.FFmpegError as error:
        frame = None
        notes.append(f"the picture ({stream.codec_context.name}) cannot be decoded: {error.strerror}")
    if frame is None:
        notes.append("no picture can be decoded")
        return None
    hdr = HDR.get(int(frame.color_trc))
    if hdr is not None:
        notes.append(f"the picture is HDR ({hdr}) and is shown as SDR")
    if frame.interlaced_frame:
        notes.append("the picture is interlaced and is shown deinterlaced")
    # Square pixels, upright.
    aspect = stream.sample_aspect_ratio or Fraction(1)
    width = max(1, round(frame.width * aspect)) if aspect > 0 else frame.width
    width, height = (frame.height, width) if frame.rotation % 180 else (width, frame.height)
    return {"width": width, "height": height, "interlaced": bool(frame.interlaced_frame), "hdr": hdr}


def _frame_rate(stream: VideoStream) -> Fraction:
    for rate in (stream.guessed_rate, stream.average_rate, stream.base_rate):
        if rate and 0 < rate <= 1000:  # noqa: PLR2004 - beyond that it is a time base, not a rate
            return rate
    return Fraction(25)


def _opening(container: InputContainer, stream: VideoStream) -> Fraction:
    """Return how long the first two frames are shown, in seconds: what an encoder with B-frames decodes ahead."""
    assert stream.time_base is not None  # noqa: S101 - every demuxed stream has one
    start = stream.start_time or 0
    container.seek(start, stream=stream)
    first = _presented(islice(container.demux(stream), REORDER), start)
    two = first[2].start - first[0].start if len(first) > 2 else 0  # noqa: PLR2004 - the first two, and the next
    return two * stream.time_base or 2 / _frame_rate(stream)


def _frames(container: InputContainer, stream: VideoStream) -> Frames:
    """Return every frame's presentation time from the container's index; nothing where that is not certain.

    An MP4's index holds decode times. Encoders decode on the same ticks they present on, only some frames
    earlier, so the times from the first presentation on are presentation times, but for the last few, which
    only the last packets tell. They are read, and the first, and compared: nothing obliges an encoder to do so.
    """
    if "mp4" not in container.format.name or not stream.frames or stream.start_time is None:
        return NO_INDEX
    entries = [entry.timestamp for entry in stream.index_entries if not entry.is_discard]
    times = array("q", (tick for tick in entries if tick >= stream.start_time))
    if len(times) < 2:  # noqa: PLR2004 - a distance needs two
        return NO_INDEX
    container.seek(entries[-PACKETS:][0], stream=stream, any_frame=True)
    last = _presented(container.demux(stream), stream.start_time)
    if not last:
        return NO_INDEX  # the file ends before its index does
    # Of the packets before these, some may be presented among the first of them.
    ticks = [span.start for span in (last if len(entries) <= PACKETS else last[REORDER:])]
    known = len(entries) - len(ticks)
    if known < 0 or list(times[known:]) != ticks[: len(times) - known]:
        return NO_INDEX
    times[known:] = array("q", ticks)
    if any(after <= before for before, after in zip(times, times[1:])):  # noqa: B905, RUF007
        return NO_INDEX
    container.seek(stream.start_time, stream=stream)
    first = [span.start for span in _presented(islice(container.demux(stream), PACKETS), stream.start_time)]
    sure = first if len(first) >= len(times) else first[:-REORDER]
    return Frames(times, last[-1].end) if sure == list(times[: len(sure)]) else NO_INDEX


def _presented(packets: Iterable[Packet[Any]], start: int) -> list[Span]:
    """Return when the frames of these packets are shown, in order; none that an edit list leaves out."""
    return sorted(
        Span(packet.pts, _end(packet, packet.pts))
        for packet in packets
        if packet.pts is not None and packet.pts >= start and not packet.is_discard and not packet.is_corrupt
    )


def _spans(container: InputContainer, streams: list[Stream], frames: Frames) -> dict[int, Span]:
    """Return when each stream begins and ends, as ticks by stream index."""
    spans: dict[int, Span] = {}
    # A fragmented MP4 counts no frames in its header, and its lengths are those of its first fragments.
    whole_index = "mp4" in container.format.name and all(stream.frames for stream in streams)
    # Its lengths are those of decoding, too: right for a sound, but a picture may be shown for longer.
    known = whole_index and (frames.times or all(stream.type == "audio" for stream in streams))
    read = {} if known else _read_ends(container, streams)
    for stream in streams:
        assert stream.time_base is not None  # noqa: S101 - every demuxed stream has one
        start = stream.start_time if stream.start_time is not None else 0
        if stream.type == "video" and frames.times:
            end = frames.end
        elif stream.index in read:
            end = read[stream.index]
        elif whole_index and stream.duration:
            end = start + stream.duration
        else:
            end = _announced_end(container, stream)
        if end > start:
            spans[stream.index] = Span(start, end)
    return spans


def _read_ends(container: InputContainer, streams: list[Stream]) -> dict[int, int]:
    """Read the last seconds of the file, all of it where no length is announced, for where each stream ends."""
    begins = container.start_time or 0
    target = max(begins, begins + (container.duration or 0) - TAIL * av.time_base)
    try:
        container.seek(target)
    except av.error.FFmpegError:
        # A Matroska that was cut off has no index, and finds nothing before its first keyframe.
        container.seek(target, backward=False)
    last: dict[int, Span] = {}
    try:
        for packet in container.demux(*streams):
            # One that an edit list leaves out is read to decode others, and not shown.
            if packet.pts is not None and not packet.is_discard:
                span = Span(packet.pts, _end(packet, packet.pts))
                last[packet.stream.index] = max(span, last.get(packet.stream.index, span))
    except av.error.FFmpegError:
        pass  # a damaged end: what could be read is what can be played
    return {index: span.end for index, span in last.items()}


def _end(packet: Packet[Any], pts: int) -> int:
    """Return when a packet ends, in ticks; one that does not say how long it lasts does as long as is usual."""
    rate = getattr(packet.stream, "guessed_rate", None)
    usual = round(1 / rate / packet.stream.time_base) if rate and packet.stream.time_base else 0
    return pts + (packet.duration or usual)


def _announced_end(container: InputContainer, stream: Stream) -> int:
    """Return a stream's end in ticks as its header, its DURATION tag (Matroska) or the container says."""
    assert stream.time_base is not None  # noqa: S101 - every demuxed stream has one
    if stream.duration:
        return (stream.start_time or 0) + stream.duration
    tag = stream.metadata.get("DURATION", "")
    try:
        hours, minutes, seconds = tag.split(":")
        end = int(hours) * 3600 + int(minutes) * 60 + Fraction(seconds)
    except ValueError:
        end = Fraction((container.start_time or 0) + (container.duration or 0), av.time_base)
    return round(end / stream.time_base)


def _timed(stream: Stream, spans: dict[int, Span]) -> dict[str, Any]:
    assert stream.time_base is not None  # noqa: S101 - every demuxed stream has one
    span = spans[stream.index]
    return {
        "index": stream.index,
        "codec": stream.codec_context.name,
        "start": str(span.start * stream.time_base),
        "end": str(span.end * stream.time_base),
    }


def _sound(stream: Any, spans: dict[int, Span]) -> dict[str, Any]:
    language = stream.metadata.get("language")
    return _timed(stream, spans) | {
        "channels": stream.codec_context.channels,
        "sample_rate": stream.codec_context.sample_rate,
        "language": None if language in {None, "und", ""} else language,
        "title": stream.metadata.get("title") or None,
        "default": bool(stream.disposition & stream.disposition.default),
    }


if __name__ == "__main__":
    main()
