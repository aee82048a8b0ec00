"""The worker that makes a file for others out of a part of a recording: the same packets, in a container with an index.

The request says ``path`` and ``confined_to`` (the part, and the only folder to write to; null for no confinement),
``to`` (the file to make) and ``kind``: ``video`` for all of it, ``audio`` for its sound alone, ``wav`` for its samples.
The answer is ``{"made": form}``, with the container's name, or ``{"error": why, "errno": number}``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import av
import av.logging

from hls_sessions.ffmpeg.demuxers import MEDIA
from hls_sessions.ffmpeg.packaging.worker import bound_memory
from hls_sessions.ffmpeg.recording.segmenter import NotMedia
from hls_sessions.ffmpeg.recording.tracks import CopiedVideo
from hls_sessions.ffmpeg.sandbox import confine_worker

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hls_sessions.ffmpeg.workers import Channel

IN_MP4: Final = {"h264", "hevc", "av1", "vp9", "aac", "opus", "mp3", "ac3", "eac3", "flac"}
"""Codecs that players take from MP4. Others are put into Matroska."""

MEMORY: Final = 1024**3
"""Bytes of address space beyond those the process begins with: for the index of a long recording."""

OPTIONS: Final = {
    "mp4": {"movflags": "+faststart"},
    # The index is written before the first frame: 1 % of the file is kept free for it at least.
    "matroska": {"reserve_index_space": "200000"},
}


def serve(channel: Channel) -> None:
    """Make one file."""
    bound_memory(MEMORY)
    av.logging.set_level(av.logging.PANIC)
    which: dict[str, Any] = channel.receive().body
    if which["confined_to"] is not None:
        confine_worker(which["path"], which["confined_to"])
    try:
        with av.open(which["path"], options={"format_whitelist": MEDIA}, metadata_errors="replace") as source:
            form = _samples(source, which["to"]) if which["kind"] == "wav" else _remuxed(source, **_plan(source, which))
        channel.send({"made": form})
    except (av.error.FFmpegError, NotMedia, OSError, ValueError, MemoryError) as error:
        why = getattr(error, "strerror", None) or str(error) or type(error).__name__
        channel.send({"error": why, "errno": getattr(error, "errno", None)})
    channel.receive()  # the daemon closes the channel


def _plan(source: Any, which: dict[str, Any]) -> dict[str, Any]:
    streams = source.streams
    chosen = [*streams.audio[:1]] if which["kind"] == "audio" else [*streams.video[:1], *streams.audio[:1]]
    if not chosen:
        raise NotMedia(f"there is no {which['kind']} in it")
    fits = all(stream.codec_context.name.partition("_")[0] in IN_MP4 for stream in chosen)
    return {"chosen": chosen, "to": which["to"], "form": "mp4" if fits else "matroska"}


def _remuxed(source: Any, chosen: list[Any], to: str, form: str) -> str:
    """Write the packets of streams into another container."""
    with av.open(to, "w", format=form, options=OPTIONS[form]) as muxer:
        tracks = {stream.index: muxer.add_stream_from_template(stream) for stream in chosen}
        copies = {stream.index: CopiedVideo(stream, None) for stream in chosen if stream.type == "video"}
        for packet in source.demux(chosen):
            if packet.pts is not None and packet.size:
                for each in _copied(packet, copies):
                    each.stream = tracks[packet.stream.index]
                    muxer.mux(each)
    return form


def _copied(packet: Any, copies: dict[int, CopiedVideo]) -> Iterator[Any]:
    copy = copies.get(packet.stream.index)
    if copy is None:
        yield packet
    else:
        yield from (piece.packet for piece in copy.take(packet))


def _samples(source: Any, to: str) -> str:
    """Write the samples of the first audio as WAV, with silence where there are none."""
    if not source.streams.audio:
        raise NotMedia("there is no audio in it")
    stream = source.streams.audio[0]
    with av.open(to, "w", format="wav") as muxer:
        track = muxer.add_stream("pcm_s16le", rate=stream.rate, layout=stream.layout.name)
        resampler = av.AudioResampler(format="s16", layout=stream.layout.name, rate=stream.rate)
        for frame in source.decode(stream):
            for made in resampler.resample(frame):
                made.pts = None
                muxer.mux(track.encode(made))
        muxer.mux(track.encode(None))
    return "wav"
