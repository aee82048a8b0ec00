"""The worker that reads and decodes media which others have made.

The first message says which file the process may read; null for none. It is answered with null, once that holds. Each
further message asks for one reading:

- ``media``: null for the bytes that follow the message, or the path of that file.
- ``decode``: whether the frames are decoded too.

The answer is ``{"tracks": […]}`` with the kind, the codec, the ticks per second, and the number of packets and of
frames of each track. The packets follow as raw 64-bit integers, three each: time and duration in ticks, and whether it
is a keyframe. Or it is ``{"error": why}``.
"""

from __future__ import annotations

import resource
from array import array
from math import lcm
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import av.logging

from hls_sessions.ffmpeg.judging.packets import Unreadable, count_frames, read_tracks
from hls_sessions.ffmpeg.sandbox import confine_worker

if TYPE_CHECKING:
    from hls_sessions.ffmpeg.judging.packets import Track
    from hls_sessions.ffmpeg.workers.channel import Channel

MEMORY_LIMIT: Final = 4 * 1024**3
"""Bytes of address space: room for any real segment, not for a header that claims a billion pixels."""


def serve(channel: Channel) -> None:
    """Answer one request after another until the channel is closed."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT, MEMORY_LIMIT))
    av.logging.set_level(av.logging.PANIC)
    first = channel.receive().body
    if first["confined"]:
        confine_worker(*([first["file"]] if first["file"] else []))
    channel.send(None)
    while True:
        request, data = channel.receive()
        media = data if request["media"] is None else Path(request["media"])
        packets = array("q")
        answer: dict[str, Any]
        try:
            tracks = read_tracks(media)
            frames = [count_frames(media, track.kind) if request["decode"] else 0 for track in tracks]
            answer = {"tracks": [_packed(*each, packets) for each in zip(tracks, frames, strict=True)]}
        except (Unreadable, MemoryError, OverflowError) as error:
            answer = {"error": str(error) or "it takes too much memory"}
        channel.send(answer, memoryview(packets).cast("B"))


def _packed(track: Track, frames: int, packets: array[int]) -> list[Any]:
    """Append the packets of a track, and return the facts about it."""
    ticks = lcm(*(each.denominator for packet in track.packets for each in (packet.time, packet.duration)))
    for packet in track.packets:
        packets.extend((int(packet.time * ticks), int(packet.duration * ticks), packet.keyframe))
    return [track.kind, track.codec, ticks, len(track.packets), frames]
