"""Writes one segment, an fMP4 fragment or more without the header that is its init segment. For the packager alone."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import av

from hls_sessions.ffmpeg.commands import FORMAT_OPTIONS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from av.packet import Packet
    from av.stream import Stream

TAGS: Final = {"hevc": "hvc1"}
"""Sample entries that differ from libavformat's choice. hvc1 says that no parameter sets are in the video; Apple's
players take nothing else."""

HEADER_BOXES: Final = 2
"""ftyp and moov."""


def write_segment(
    stream: Stream, packets: Iterable[Packet[Any]], offset: str, scale: int | None, file: BinaryIO | None
) -> tuple[bytes, int]:
    """Write a segment, and return its init segment and how many bytes the segment has.

    Each segment has a muxer of its own, so no segment depends on the ones before it.

    Args:
        stream: the track as it is in the film.
        packets: the content of the segment, with decoding times.
        offset: seconds that are added to every time.
        scale: ticks per second to write video times in; None for libavformat's choice.
        file: where to write; None for the init segment alone.

    Raises:
        av.error.FFmpegError, OSError: it cannot be written.
    """
    sink = _Sink(file)
    options = FORMAT_OPTIONS | {"fflags": "bitexact", "output_ts_offset": offset}
    if scale is not None and stream.type == "video":
        options["video_track_timescale"] = str(scale)
    with av.open(sink, "w", format="mp4", options=options) as muxer:
        track = muxer.add_stream_from_template(stream, opaque=True)
        if (tag := TAGS.get(stream.codec_context.name)) is not None:
            track.codec_context.codec_tag = tag
        muxer.start_encoding()
        for packet in packets:
            packet.stream = track
            muxer.mux(packet)
    return bytes(sink.header), sink.size


class _Sink:
    """A file for a muxer to write to, which keeps the header and passes the rest on to another file."""

    def __init__(self, file: BinaryIO | None) -> None:
        self.header = bytearray()
        self.size = 0
        self._file = file
        self._is_whole = False

    def write(self, data: bytes) -> int:
        rest = memoryview(data)
        if not self._is_whole:
            self.header += data
            end = self._end_of_header()
            if end is None:
                return len(data)
            self._is_whole = True
            rest = rest[len(rest) - (len(self.header) - end) :]
            del self.header[end:]
        if self._file is not None:
            while rest:
                written = self._file.write(rest)
                rest, self.size = rest[written:], self.size + written
        return len(data)

    def _end_of_header(self) -> int | None:
        """Return where the media begins; None while the header is not whole."""
        end = 0
        for _ in range(HEADER_BOXES):
            if len(self.header) < end + 8:
                return None
            end += struct.unpack_from(">I", self.header, end)[0]
        return end if len(self.header) >= end else None
