"""The worker that reads a file's subtitle tracks.

It takes one request, and sends a message for each thing it finds: a cue, how far it has read, the end, or an error. All
tracks are read in one pass. The rest of the file is read only where the layout of its container requires that.

This uses PyAV rather than the ffmpeg program, whose WebVTT cannot be relied on: it does not escape ``<``, ``&`` and
``-->``, keeps empty lines, writes drawings as text, and an unknown end as one in seven weeks (5.1, 9.0). Nor does
ffmpeg tell how far it has read while nobody speaks, and one track without a decoder fails all of them.
"""

from __future__ import annotations

import os
import resource
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import av
import av.logging
from av.stream import Discard

from hls_sessions.ffmpeg.commands import part_url
from hls_sessions.ffmpeg.input import open_input
from hls_sessions.ffmpeg.sandbox import confine_worker

if TYPE_CHECKING:
    from collections.abc import Iterator

    from av.container import InputContainer
    from av.packet import Packet
    from av.stream import Stream

    from hls_sessions.ffmpeg.workers import Channel

MEMORY_LIMIT = 4 * 1024**3
"""Bytes of address space: room for any real index, not for a header that claims a billion entries."""

NICE = 10
"""The priority is low, because viewers wait for the encoders that run at the same time."""

INTERLEAVE = 10
"""Seconds by which a subtitle may come later in a file than its audio. ffmpeg's own muxers allow as much."""

STEP = 1_000_000
"""Microseconds between two messages on how far it has read."""

LONGEST = 24 * 3600
"""Seconds; the end of a cue that would be shown for longer counts as unknown."""

LEGACY = {
    "ara": "cp1256",
    "bul": "cp1251",
    "cze": "cp1250",
    "ces": "cp1250",
    "ell": "cp1253",
    "gre": "cp1253",
    "heb": "cp1255",
    "hrv": "cp1250",
    "hun": "cp1250",
    "jpn": "cp932",
    "kor": "cp949",
    "pol": "cp1250",
    "rum": "cp1250",
    "ron": "cp1250",
    "rus": "cp1251",
    "tha": "cp874",
    "tur": "cp1254",
    "ukr": "cp1251",
    "vie": "cp1258",
    "chi": "gb18030",
    "zho": "gb18030",
}
"""Encodings of languages before UTF-8; all others were written as in Western Europe."""


def serve(channel: Channel) -> None:
    """Answer one request."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT, MEMORY_LIMIT))
    os.nice(NICE)
    av.logging.set_level(av.logging.PANIC)
    request = channel.receive().body
    if request["confined"]:
        confine_worker(request["path"])
    try:
        for message in read(request["path"], request["container"], request["tracks"], request.get("part")):
            channel.send(message)
    except (av.error.FFmpegError, OSError, MemoryError, IndexError) as error:
        channel.send(("error", getattr(error, "strerror", None) or str(error) or type(error).__name__))
    else:
        channel.send(("end",))


def read(
    path: str, container_name: str, indices: list[int], part: tuple[int, int] | None = None
) -> Iterator[tuple[Any, ...]]:
    """Read all cues of these streams: yield each cue, and how far it has read.

    Args:
        path: the file.
        container_name: its container, as ffmpeg spells it.
        indices: the streams.
        part: the first byte of the part that is played and the byte after it; None if all of the file is.
    """
    # The prefix keeps a name from being read as a protocol, the whitelist keeps a file from naming another.
    url, protocols = (f"file:{path}", "file") if part is None else (part_url(path, *part), "file,subfile")
    options = {"protocol_whitelist": protocols, "format_whitelist": container_name, "codec_whitelist": "none"}
    with open_input(url, options=options) as container:
        if container.format.name != container_name:
            raise OSError("it is not the file that was opened any more")
        tracks = [container.streams[index] for index in indices]
        for track in tracks:
            # Text that is not UTF-8 is no error here: ``_decoded`` reads it.
            track.codec_context.options = {"sub_charenc_mode": "ignore"}
        clock = _clock(container)
        wanted = {*indices, *([clock.index] if clock else [])}
        for stream in container.streams:
            if stream.index not in wanted:
                stream.discard = Discard.all
        yield from _all(container, tracks, clock)


def _clock(container: InputContainer) -> Stream | None:
    """Return a stream whose packets tell how far the file has been read, because it has packets all the time.

    A container that is read by its index (MP4) needs none: only the subtitles are read, which does not take long.
    """
    if "mp4" in container.format.name:
        return None
    streams: list[Stream] = [*container.streams.audio, *container.streams.video]
    return streams[0] if streams else None


def _all(container: InputContainer, tracks: list[Stream], clock: Stream | None) -> Iterator[tuple[Any, ...]]:
    latest = None
    try:
        for packet in container.demux(*tracks, *([clock] if clock else [])):
            if packet.pts is None or not packet.size:
                continue
            if clock is None or packet.stream.index != clock.index:
                yield from _cue(packet)
                continue
            now = _microseconds(packet, packet.dts if packet.dts is not None else packet.pts) - INTERLEAVE * 1_000_000
            if latest is None or now >= latest + STEP:
                latest = now
                yield "at", now
    except av.error.InvalidDataError:
        pass  # a damaged end: the cues before it are all there are


def _cue(packet: Packet[Any]) -> Iterator[tuple[Any, ...]]:
    stream = packet.stream
    try:
        decoded = stream.codec_context.decode2(packet)
    except av.error.FFmpegError:
        return  # a broken cue is not shown
    if decoded is None:
        return
    # "read order, layer, style, name, three margins, effect, text"
    events = [getattr(rect, "ass", b"").split(b",", 8) for rect in decoded.rects]
    text = b"\\N".join(event[8] for event in events if len(event) == 9)  # noqa: PLR2004 - the fields named above
    start = _microseconds(packet, packet.pts or 0) + decoded.start_display_time * 1000
    length = _microseconds(packet, packet.duration or 0) or decoded.end_display_time * 1000
    if length == 0 and stream.codec_context.codec.canonical_name == "ass":
        return  # in this format, an event without a length is a comment
    end = start + length if 0 < length < LONGEST * 1_000_000 else None
    yield "cue", stream.index, start, end, _decoded(text, stream.metadata.get("language"))


def _decoded(text: bytes, language: str | None) -> str:
    try:
        return text.decode()
    except UnicodeDecodeError:
        return text.decode(LEGACY.get(language or "", "cp1252"), errors="replace")


def _microseconds(packet: Packet[Any], ticks: int) -> int:
    return round(ticks * Fraction(packet.time_base) * 1_000_000)
