"""The worker that fetches a stream from elsewhere, and passes its packets on as Matroska or MPEG-TS.

It alone of all workers has the network, and may read no file but those by which names of hosts are found. The address
comes in a message and stands in no command line, because it may hold credentials.

Of protocols that PyAV's libav does not have (SRT), ffmpeg fetches the stream, and this worker passes on what it writes.
ffmpeg reads the address from a list on its standard input.

The request says ``url``, ``protocols`` (those that libav may use for it), ``confined`` and ``program``: null or, to
fetch it with ffmpeg, its ``path`` and what it ``needs``. Then each message has some bytes of the stream as its payload.
The last one is ``{"ended": null}`` where the stream has ended, else ``{"ended": why}``, with ``"for_ever": true`` where
another try would end alike.
"""

from __future__ import annotations

import os
import select
import subprocess
from subprocess import PIPE
from typing import TYPE_CHECKING, Any, Final

import av
import av.logging

from hls_sessions.ffmpeg.demuxers import MEDIA
from hls_sessions.ffmpeg.input import open_input
from hls_sessions.ffmpeg.packaging.worker import bound_memory
from hls_sessions.ffmpeg.process import binder, bound_to_parent
from hls_sessions.ffmpeg.recording.segmenter import NotMedia
from hls_sessions.ffmpeg.recording.tracks import CopiedVideo
from hls_sessions.ffmpeg.sandbox import access_of, confine_puller

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hls_sessions.ffmpeg.workers import Channel

MEMORY: Final = 512 * 1024**2
"""Bytes of address space beyond those the process begins with."""

PATIENCE: Final = 10.0
"""Seconds without an answer, or without a packet, after which a source is lost."""

CHUNK: Final = 64 * 1024
"""Bytes that are passed on at once."""

REORDERED: Final = 3
"""Packets that may be decoded before one that is shown earlier."""

OPTIONS: Final = {
    "rtsp_transport": "tcp",  # of what UDP loses, frames would be missing
    "max_redirects": "0",  # or an allowed host could name any other
    "analyzeduration": "2000000",
}

LIVE: Final = {
    "matroska": {"live": "1", "flush_packets": "1", "cluster_time_limit": "500"},
    "mpegts": {"flush_packets": "1"},
}
"""The containers that a stream is passed on in: each packet at once, and a cluster of Matroska twice a second. What
comes as MPEG-TS has no header that Matroska could be made of."""


class _Out:
    """A file whose bytes go to the daemon."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    def write(self, data: bytes) -> int:
        self._channel.send({}, bytes(data))
        return len(data)


def serve(channel: Channel) -> None:
    """Pass a stream on until it ends or the daemon closes the channel."""
    bound_memory(MEMORY)
    av.logging.set_level(av.logging.PANIC)
    which: dict[str, Any] = channel.receive().body
    program = which["program"]
    binder()  # found out while programs can still be started
    if which["confined"]:
        confine_puller(None if program is None else access_of(program["needs"]))
    why, for_ever = None, False
    try:
        if program is None:
            _pull(channel, which)
        else:
            why, for_ever = _relay(channel, which["url"], which["protocols"], program["path"])
    except av.error.ProtocolNotFoundError:
        why, for_ever = "the libav of this machine does not know its protocol", True
    except (av.error.FFmpegError, NotMedia, OSError, ValueError, MemoryError) as error:
        why = getattr(error, "strerror", None) or str(error) or type(error).__name__
    channel.send({"ended": why, "for_ever": for_ever})
    channel.receive()  # the daemon closes the channel


def _pull(channel: Channel, which: dict[str, Any]) -> None:
    options = {**OPTIONS, "protocol_whitelist": which["protocols"], "format_whitelist": f"{MEDIA},rtsp"}
    with open_input(which["url"], options=options, timeout=(PATIENCE, PATIENCE)) as source:
        chosen = [*source.streams.video[:1], *source.streams.audio[:1]]
        if not chosen:
            raise NotMedia("there is neither video nor audio in it")
        _pass_on(channel, source, chosen, "mpegts" if source.format.name == "mpegts" else "matroska")


def _relay(channel: Channel, url: str, protocols: str, ffmpeg: str) -> tuple[str | None, bool]:
    """Pass on what ffmpeg fetches; return why it has ended, and whether it always would. It may say the address."""
    known = subprocess.run([ffmpeg, "-v", "quiet", "-protocols"], stdout=PIPE, check=False).stdout.decode().split()  # noqa: S603 - an argument list, no shell
    if not set(protocols.split(",")) <= set(known):
        return "the ffmpeg of this machine does not know its protocol", True
    quoted = url.replace("'", "'\\''")
    inputs = ("-protocol_whitelist", f"pipe,{protocols}", "-format_whitelist", "concat,mpegts", "-f", "concat")
    outputs = ("-map", "0:v:0?", "-map", "0:a:0?", "-c", "copy", "-copyts", "-f", "mpegts", "-flush_packets", "1")
    argv = bound_to_parent([ffmpeg, "-v", "quiet", "-safe", "0", *inputs, "-i", "pipe:0", *outputs, "pipe:1"])
    with subprocess.Popen(argv, stdin=PIPE, stdout=PIPE, stderr=subprocess.DEVNULL) as process:  # noqa: S603 - the same
        assert process.stdin and process.stdout  # noqa: S101, PT018 - they are pipes
        process.stdin.write(f"ffconcat version 1.0\nfile '{quoted}'\n".encode())
        process.stdin.close()
        while select.select([process.stdout], [], [], PATIENCE)[0]:
            if not (data := os.read(process.stdout.fileno(), CHUNK)):
                return ("it has ended" if process.wait() == 0 else "it could not be fetched"), False
            channel.send({}, data)
        process.kill()
    return f"nothing has come of it for {PATIENCE:g} seconds", False


def _timed(packets: Iterator[Any]) -> Iterator[Any]:
    """Yield packets that have a time. Of RTSP, the first may have none: it comes before the earliest of the next."""
    held: dict[int, list[Any]] = {}
    for packet in packets:
        if not packet.size:
            continue
        index = packet.stream.index
        waiting = held.get(index)
        if waiting is None and packet.pts is None:
            held[index] = waiting = []
        if not waiting and packet.pts is not None:
            yield packet
        elif waiting is not None:
            waiting.append(packet)
            if sum(each.pts is not None for each in waiting) > REORDERED:
                held[index] = []
                yield from _in_time(waiting)


def _in_time(packets: list[Any]) -> list[Any]:
    """Give a time to the first packets of a stream, which have none."""
    untimed = [packet for packet in packets if packet.pts is None]
    timed = [packet for packet in packets if packet.pts is not None]
    rate = getattr(packets[0].stream, "average_rate", None)
    step = timed[0].duration or (round(1 / rate / timed[0].time_base) if rate else 0)
    begins = min(packet.pts for packet in timed) - step * len(untimed)
    for number, packet in enumerate(untimed):
        packet.pts = packet.dts = begins + step * number
    return packets


def _pass_on(channel: Channel, source: Any, chosen: list[Any], form: str) -> None:
    with av.open(_Out(channel), "w", format=form, options=LIVE[form]) as muxer:
        tracks = {stream.index: muxer.add_stream_from_template(stream) for stream in chosen}
        copies = {stream.index: CopiedVideo(stream, None) for stream in chosen if stream.type == "video"}
        heard: int | None = None
        for packet in _timed(source.demux(chosen)):
            index = packet.stream.index
            if (copy := copies.get(index)) is not None:
                made = [piece.packet for piece in copy.take(packet)]
            elif heard is not None and packet.pts <= heard:
                continue
            else:
                heard, made = packet.pts, [packet]
            for each in made:
                each.stream = tracks[index]
                muxer.mux(each)
