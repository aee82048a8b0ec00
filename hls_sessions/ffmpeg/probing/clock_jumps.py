"""Where the clock of a recording jumps. For the probing process alone, because it opens files that may be hostile."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import av

if TYPE_CHECKING:
    from collections.abc import Iterator

    from av.container import InputContainer
    from av.packet import Packet
    from av.stream import Stream

LOOKS = 16
"""Places at which the clock of a container without an index is read."""

NEAR = 1 << 17
"""Bytes to which a jump of the clock is narrowed down before packets are compared."""

JUMP = 10
"""Seconds by which a clock must go on between two neighbouring packets to have jumped."""


class Part(NamedTuple):
    """Some bytes of a file."""

    start: int
    end: int


def longest_part(container: InputContainer) -> tuple[Part | None, int]:
    """Return the longest part, in bytes, of an MPEG-TS or -PS whose clock jumps, and how many parts there are.

    Recordings that were joined byte by byte each have a clock of their own. ffmpeg seeks by searching for a time, and
    counts a film's length from its first and last time, so only a part within which the clock does not jump can be
    played. The part is None if the clock never jumps, or for another container, whose index knows its times.
    """
    streams = [*container.streams.video, *container.streams.audio]
    if container.format.name not in {"mpegts", "mpeg"} or not streams or container.size < 2 * NEAR:
        return None, 1
    looks = []
    for place in range(0, container.size, container.size // LOOKS):
        if (time := _time_at(container, streams[0], place)) is not None:
            looks.append((place, time))  # noqa: PERF401 - a time is looked up once
    steps = sorted(abs(after - before) for (_, before), (_, after) in pairwise(looks))
    usual = steps[len(steps) // 2] if steps else 0.0
    boundaries = [0]
    for before, after in pairwise(looks):
        if not 0 <= after[1] - before[1] <= JUMP + 4 * usual:
            boundary = _find_jump(container, streams[0], before, after, usual * LOOKS / container.size)
            boundaries += [boundary] if boundary else []
    container.seek(0, unsupported_byte_offset=True)
    parts = [Part(start, end) for start, end in pairwise([*boundaries, container.size])]
    return (max(parts, key=lambda part: part.end - part.start) if len(parts) > 1 else None), len(parts)


def _time_at(container: InputContainer, stream: Stream, place: int) -> float | None:
    """Return the first time in seconds, of decoding, that a stream has at or after a place in the file."""
    for packet in _packets_from(container, stream, place):
        if packet.dts is not None:
            return float(packet.dts * (packet.stream.time_base or 1))
    return None


def _find_jump(
    container: InputContainer,
    stream: Stream,
    before: tuple[int, float],
    after: tuple[int, float],
    pace: float,
) -> int | None:
    """Return the place between two looks at which the clock jumps; None when it only goes fast there.

    Args:
        container: the file.
        stream: the track whose packets tell the time.
        before: a place and its time.
        after: a later place and its time.
        pace: how many seconds a byte usually lasts.
    """
    while after[0] - before[0] > NEAR:
        place = (before[0] + after[0]) // 2
        time = _time_at(container, stream, place)
        if time is None:
            return None
        first, second = time - before[1], after[1] - time
        is_in_first = first < 0 or 0 <= second < first
        before, after = (before, (place, time)) if is_in_first else ((place, time), after)
    last = before[1]
    for packet in _packets_from(container, stream, before[0]):
        if packet.dts is None or packet.pos is None:
            continue
        time = float(packet.dts * (packet.stream.time_base or 1))
        if not -1 <= time - last <= JUMP + 4 * NEAR * pace:
            return packet.pos
        if packet.pos > after[0]:
            break
        last = time
    return None


def _packets_from(container: InputContainer, stream: Stream, place: int) -> Iterator[Packet[Any]]:
    """Yield a stream's packets from a place in the file on, as far as they can be read."""
    try:
        container.seek(place, unsupported_byte_offset=True)
        yield from container.demux(stream)
    except av.error.FFmpegError:
        return
