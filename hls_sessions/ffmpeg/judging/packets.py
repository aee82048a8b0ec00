"""The packets of a piece of media, and whether they decode: for judging, never for serving."""

from __future__ import annotations

import io
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import av

from hls_sessions.ffmpeg.demuxers import MEDIA, SEGMENTS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from av.container import InputContainer


class Unreadable(ValueError):
    """The bytes or the file cannot be read as media; the message says why."""


@dataclass(frozen=True, slots=True)
class Packet:
    """One packet. Times in seconds."""

    time: Fraction
    """Presentation time."""
    duration: Fraction
    keyframe: bool


@dataclass(frozen=True, slots=True)
class Track:
    """The packets of one track, in decoding order."""

    kind: str
    """``video`` or ``audio``."""
    codec: str
    packets: tuple[Packet, ...]

    @property
    def times(self) -> list[Fraction]:
        """Presentation times of its packets, in order."""
        return sorted(packet.time for packet in self.packets)


def read_tracks(media: bytes | Path) -> list[Track]:
    """Read the packets of every video and audio track of a file, or of an init segment and the segments after it.

    Raises:
        Unreadable: it is not media, or it is cut off.
    """
    with _opened(media) as container:
        streams = [*container.streams.video, *container.streams.audio]
        found: dict[int, list[Packet]] = {stream.index: [] for stream in streams}
        for packet in container.demux(*streams):
            if packet.pts is not None and not packet.is_discard:
                base = packet.stream.time_base or Fraction(1)
                found[packet.stream.index].append(
                    Packet(packet.pts * base, (packet.duration or 0) * base, packet.is_keyframe)
                )
        return [Track(s.type, s.codec_context.name, tuple(found[s.index])) for s in streams if found[s.index]]


def count_frames(media: bytes | Path, kind: str) -> int:
    """Decode the first track of one kind, and return how many frames it has.

    Raises:
        Unreadable: the decoder finds a fault.
    """
    with _opened(media) as container:
        stream = next(stream for stream in container.streams if stream.type == kind)
        stream.codec_context.options = {"err_detect": "explode"}
        return sum(1 for _ in container.decode(stream))


@contextmanager
def _opened(media: bytes | Path) -> Iterator[InputContainer]:
    """Open bytes that another server has sent, or a file. Neither may name a file or a host that is opened then."""
    source: io.BytesIO | str
    if isinstance(media, bytes):
        source, options = io.BytesIO(media), {"protocol_whitelist": "none", "format_whitelist": SEGMENTS}
    else:
        source, options = f"file:{media}", {"protocol_whitelist": "file", "format_whitelist": MEDIA}
    try:
        with av.open(source, mode="r", options=options) as container:
            yield container
    except (av.error.FFmpegError, OSError) as error:
        raise Unreadable(getattr(error, "strerror", None) or str(error)) from error
