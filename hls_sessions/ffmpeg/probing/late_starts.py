"""The starts of streams that begin late. For the probing process alone.

libavformat reads the first seconds of a file. It takes a stream without a packet in them to begin with the others, so
the playlist would promise segments before the first packet of the stream, which cannot be made.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

import av

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.stream import Stream

WINDOW = 2
"""Seconds that are read from a place on to see whether a stream has a packet there."""

MOST_PACKETS = 2000
"""Packets that are read for that at most."""


def late_starts(container: InputContainer, fresh: InputContainer, streams: list[Stream]) -> dict[int, int | None]:
    """Return, by index, the start in ticks of each stream that begins late; None for one that is empty.

    The search takes steps that double from the beginning, then halves the last one. So audio that is interrupted for a
    while is not taken to begin after the interruption.

    Args:
        container: the file, to seek in.
        fresh: the same file, opened again and not sought in, because a seek may pass over a stream without an index.
        streams: the streams of ``container``.
    """
    if not container.duration:
        return {}
    begins = container.start_time or 0
    indexes = [stream.index for stream in streams]
    found = _first_packets(fresh, indexes, begins)
    return {stream.index: _search(container, stream.index, begins) for stream in streams if stream.index not in found}


def _search(container: InputContainer, stream: int, begins: int) -> int | None:
    ends = begins + (container.duration or 0)
    without, place, first = begins, begins, None
    while first is None:
        if place >= ends:
            return None
        without, place = place, min(begins + 2 * max(place - begins, WINDOW * av.time_base), ends)
        first = _first_at(container, stream, place)
    while place - without > av.time_base:
        middle = (without + place) // 2
        earlier = _first_at(container, stream, middle)
        without, place, first = (middle, place, first) if earlier is None else (without, middle, earlier)
    return first


def _first_at(container: InputContainer, stream: int, time: int) -> int | None:
    try:
        container.seek(time)
        return _first_packets(container, [stream], time).get(stream)
    except av.error.FFmpegError:
        return None


def _first_packets(container: InputContainer, streams: list[int], time: int) -> dict[int, int]:
    """Return the first presentation time of each stream that has a packet before the end of the window after a time."""
    first: dict[int, int] = {}
    end = time + WINDOW * av.time_base
    for packet in islice(container.demux(*container.streams.video, *container.streams.audio), MOST_PACKETS):
        if packet.pts is None or packet.time_base is None:
            continue
        if packet.pts * packet.time_base * av.time_base > end:
            break
        first[packet.stream.index] = min(packet.pts, first.get(packet.stream.index, packet.pts))
        if all(stream in first for stream in streams):
            break
    return first
