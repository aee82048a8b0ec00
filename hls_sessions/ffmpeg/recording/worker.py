"""The worker that makes the segments of one part of a recording while it arrives.

The first message says what is to be made:

- ``path``, ``confined_to``: the part on disk, and the only folder it may write to; null for no confinement.
- ``demuxer``: which to open it with; null to find out.
- ``length``: the wanted length of a segment in seconds, as a rational.
- ``part_length``: the longest that a part of one may be, in the same way; null to make segments whole.
- ``start``: null for the beginning; else ``number``, ``origin`` and ``begins`` of the first segment to make, as they
  were told, and ``kinds``, the renditions that there are.
- ``copies``: whether video may be copied.
- ``folder``: where segments are written, each as ``<kind>-<number>.m4s``, and its parts as
  ``<kind>-<number>.<part>.m4s``.

Whenever it has read all that it knows of, it says how much that is, ``{"read": bytes}``. It is answered as soon as
there is more, ``{"size": bytes}``, or when no more will come, ``{"ended": true}``.

It says ``{"opened": {…}}``, with the name of the demuxer and of the codecs; ``{"cut": {…}}``, with the init segments as
its payload, for each segment, or for each part of one; and at last ``{"ended": null}``, or ``{"ended": why}`` where it
could not go on, with ``"encode": true`` where it could if video were not copied.
"""

from __future__ import annotations

from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import av
import av.logging

from hls_sessions.ffmpeg.demuxers import MEDIA
from hls_sessions.ffmpeg.input import open_input
from hls_sessions.ffmpeg.packaging.segment_writer import write_segment
from hls_sessions.ffmpeg.packaging.worker import bound_memory
from hls_sessions.ffmpeg.recording.feed import Feed
from hls_sessions.ffmpeg.recording.segmenter import Content, Cut, KeyframesTooFarApart, NotMedia, Segmenter, Start
from hls_sessions.ffmpeg.recording.tracks import CopiedVideo
from hls_sessions.ffmpeg.sandbox import confine_worker
from hls_sessions.media import OFFSET

if TYPE_CHECKING:
    from hls_sessions.ffmpeg.workers import Channel

PROBED: Final = {"mpegts": (20_000_000, 10_000_000)}
"""Bytes, and microseconds of media, that are read before anything is known, where the header does not tell all: in
MPEG-TS there is none. Everything that is read more is shown later by as much."""

MEMORY: Final = 1024**3
"""Bytes of address space beyond those the process begins with: for what has arrived since the last segment."""

FORMAT_PROBED: Final = 64 * 1024
"""Bytes after which what is of no known format is no media."""

LEAST_PROBED: Final = (2048, 0)


def serve(channel: Channel) -> None:
    """Make segments until the recording ends or the daemon closes the channel."""
    bound_memory(MEMORY)
    av.logging.set_level(av.logging.PANIC)
    which: dict[str, Any] = channel.receive().body
    if which["confined_to"] is not None:
        confine_worker(which["path"], folder=which["confined_to"])
    why, encode = None, False
    try:
        _make(channel, which)
    except av.error.EOFError:
        why = "it has ended before anything could be shown"
    except KeyframesTooFarApart as error:
        why, encode = str(error), True
    except (av.error.FFmpegError, NotMedia, OSError, ValueError, MemoryError) as error:
        why = getattr(error, "strerror", None) or str(error) or type(error).__name__
    channel.send({"ended": why, "encode": encode})
    channel.receive()  # the daemon closes the channel


def _make(channel: Channel, which: dict[str, Any]) -> None:
    folder = Path(which["folder"])

    def ask(read: int) -> dict[str, Any]:
        channel.send({"read": read})
        answer: dict[str, Any] = channel.receive().body
        return answer

    feed = Feed(which["path"], ask)
    size, duration = PROBED.get(which["demuxer"] or "", LEAST_PROBED)
    options = {
        "formatprobesize": str(FORMAT_PROBED),
        "probesize": str(size),
        "analyzeduration": str(duration),
        "format_whitelist": MEDIA,
    }
    container = open_input(feed, format=which["demuxer"], options=options)
    start = None
    if (begun := which["start"]) is not None:
        origin, begins = Fraction(begun["origin"]), Fraction(begun["begins"])
        start = Start(begun["number"], origin, begins, tuple(begun["kinds"]))

    part_length = which["part_length"] and Fraction(which["part_length"])

    def publish(cut: Cut, contents: dict[str, Content]) -> None:
        inits, made, sizes = [], {}, {}
        for kind, content in contents.items():
            # A segment is its parts one after another, so that players may take either.
            with (folder / f"{kind}-{cut.number}.m4s").open("ab" if cut.part else "wb") as file:
                if not content.pieces:
                    sizes[kind] = file.tell()
                    continue
                offset = f"{float(OFFSET + content.track.clock - cut.origin):.6f}"
                packets, part = [piece.packet for piece in content.pieces], BytesIO()
                init, written = write_segment(content.track.stream, packets, offset, None, part)
                if part_length is not None:
                    (folder / f"{kind}-{cut.number}.{cut.part}.m4s").write_bytes(part.getbuffer())
                file.write(part.getbuffer())
                sizes[kind] = file.tell()
            inits.append(init)
            made[kind] = {
                "size": written,
                "init": len(init),
                "frames": len(packets),
                "opens": content.pieces[0].opens,
            }
        picture: Any = contents["video"].track.stream if "video" in contents else None
        size = None if picture is None else (picture.width, picture.height)
        is_copied = any(isinstance(content.track, CopiedVideo) for content in contents.values())
        times = {name: str(getattr(cut, name)) for name in ("origin", "begins", "ends")}
        said = {"number": cut.number, "part": cut.part, "closes": cut.closes, "sizes": sizes, **times}
        channel.send({"cut": {**said, "made": made, "picture": size, "copied": is_copied}}, *inits)

    length, copies = Fraction(which["length"]), which["copies"]
    segmenter = Segmenter(container, length, start, part_length=part_length, copies=copies, publish=publish)
    codecs = {stream.type: stream.codec_context.name for stream in segmenter.streams}
    channel.send({"opened": {"demuxer": container.format.name, "codecs": codecs}})
    segmenter.run()
