"""The worker that makes a file for others out of the parts of a recording: the same packets, with an index.

The request says ``paths`` and ``confined_to`` (the parts, and the only folder to write to; null for no confinement),
``to`` (the file to make) and ``kind``: ``video`` for all of it, ``audio`` for its sound alone, ``wav`` for the samples
of its sound, ``subtitles`` for its first texts. The answer is ``{"made": form}``, with the container's name, or
``{"error": why, "errno": number}``.

Parts follow one another without a hole. Packets of parts can be in one file only if their tracks are alike.
"""

from __future__ import annotations

import math
from contextlib import ExitStack, suppress
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import av
import av.logging

from hls_sessions.ffmpeg.demuxers import MEDIA
from hls_sessions.ffmpeg.input import open_input
from hls_sessions.ffmpeg.packaging.worker import bound_memory
from hls_sessions.ffmpeg.recording.clock import MendedClock
from hls_sessions.ffmpeg.recording.segmenter import NotMedia
from hls_sessions.ffmpeg.recording.tracks import CopiedVideo
from hls_sessions.ffmpeg.sandbox import confine_worker
from hls_sessions.ffmpeg.subtitles.worker import read
from hls_sessions.media import Cue, cue_text, webvtt_file

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hls_sessions.ffmpeg.workers import Channel

IN_MP4: Final = {"h264", "hevc", "av1", "vp9", "aac", "opus", "mp3", "ac3", "eac3", "flac"}
"""Codecs that players take from MP4. Others are put into Matroska."""

IN_MOV: Final = {"pcm_mulaw", "pcm_alaw"}
"""Those that Matroska has no name for."""

HOLE: Final = Fraction(1, 10)
"""Seconds of samples that may be missing before silence takes their place."""

TEXTS: Final = {"subrip", "srt", "ass", "ssa", "webvtt", "mov_text", "text"}
"""Codecs of subtitles that are text."""

SHOWN: Final = 5_000_000
"""Microseconds for which a text is shown that does not say how long."""

MEMORY: Final = 1024**3
"""Bytes of address space beyond those the process begins with: for the index of a long recording."""

OPTIONS: Final = {
    "mp4": {"movflags": "+faststart"},
    # The index is written before the first frame: 1 % of the file is kept free for it at least.
    "matroska": {"reserve_index_space": "200000"},
    "mov": {"movflags": "+faststart"},
}


def serve(channel: Channel) -> None:
    """Make one file."""
    bound_memory(MEMORY)
    av.logging.set_level(av.logging.PANIC)
    which: dict[str, Any] = channel.receive().body
    paths, to = which["paths"], which["to"]
    if which["confined_to"] is not None:
        confine_worker(*paths, folder=which["confined_to"])
    try:
        match which["kind"]:
            case "wav":
                form = _samples(paths, to)
            case "subtitles":
                form = _texts(paths, to)
            case kind:
                form = _remuxed(paths, kind, to)
        channel.send({"made": form})
    except (av.error.FFmpegError, NotMedia, OSError, ValueError, MemoryError) as error:
        why = getattr(error, "strerror", None) or str(error) or type(error).__name__
        channel.send({"error": why, "errno": getattr(error, "errno", None)})
    channel.receive()  # the daemon closes the channel


def _open(path: str) -> Any:
    return open_input(path, options={"format_whitelist": MEDIA})


def _remuxed(paths: list[str], kind: str, to: str) -> str:
    """Write the packets of all parts into another container."""
    form, shapes, ends = "", [], Fraction(0)
    tracks: list[Any] = []
    with ExitStack() as opened:
        muxer: Any = None
        for path in paths:
            source = opened.enter_context(_open(path))
            chosen = _chosen(source, kind)
            if muxer is None:
                form, shapes = _form(chosen), [_shape(stream) for stream in chosen]
                muxer = opened.enter_context(av.open(to, "w", format=form, options=OPTIONS[form]))
                tracks = [muxer.add_stream_from_template(stream, opaque=True) for stream in chosen]
            elif [_shape(stream) for stream in chosen] != shapes:
                raise NotMedia("its parts are not alike, and can only be had one by one")
            for packet, number in _shifted(source, chosen, ends):
                ends = max(ends, (packet.pts + (packet.duration or 0)) * packet.time_base)
                packet.stream = tracks[number]
                muxer.mux(packet)
    return form


def _chosen(source: Any, kind: str) -> list[Any]:
    streams = source.streams
    chosen = [*streams.audio[:1]] if kind == "audio" else [*streams.video[:1], *streams.audio[:1]]
    if not chosen:
        raise NotMedia(f"there is no {kind} in it")
    return chosen


def _form(chosen: list[Any]) -> str:
    """Return the container for streams."""
    names = {stream.codec_context.codec.canonical_name for stream in chosen}
    if names <= IN_MP4:
        return "mp4"
    return "mov" if names & IN_MOV else "matroska"


def _shape(stream: Any) -> tuple[Any, ...]:
    """Return what must be the same of streams whose packets are in one track."""
    codec = stream.codec_context
    size = (codec.width, codec.height) if stream.type == "video" else (codec.sample_rate, codec.layout.name)
    return (stream.type, codec.name, codec.extradata, *size)


def _shifted(source: Any, chosen: list[Any], begins: Fraction) -> Iterator[tuple[Any, int]]:
    """Yield the packets of a part, and the numbers of their streams. All but the first part begin at a time."""
    copies = {stream.index: CopiedVideo(stream, None) for stream in chosen if stream.type == "video"}
    numbers = {stream.index: number for number, stream in enumerate(chosen)}
    starts = Fraction(source.start_time or 0, av.time_base)
    shift = begins - starts if begins or starts < 0 else Fraction(0)
    clock, heard = MendedClock(), dict.fromkeys(numbers, -math.inf)
    for packet in source.demux(chosen):
        if packet.pts is None or not packet.size:
            continue
        index = packet.stream.index
        clock.mend(packet)
        if index not in copies and packet.pts <= heard[index]:
            continue  # it is there already
        heard[index] = packet.pts
        for each in [packet] if index not in copies else [piece.packet for piece in copies[index].take(packet)]:
            if shift:
                ticks = round(shift / each.time_base)
                each.pts, each.dts = each.pts + ticks, None if each.dts is None else each.dts + ticks
            yield each, numbers[index]


def _samples(paths: list[str], to: str) -> str:
    """Write the samples of the first audio as WAV, with silence where there are none."""
    with av.open(to, "w", format="wav") as muxer:
        track: Any = None
        for path in paths:
            with _open(path) as source:
                [stream] = _chosen(source, "audio")
                track = track or muxer.add_stream("pcm_s16le", rate=stream.rate, layout=stream.layout.name)
                for made in _heard(source, stream, track):
                    made.pts = None
                    muxer.mux(track.encode(made))
        muxer.mux(track.encode(None))
    return "wav"


def _heard(source: Any, stream: Any, track: Any) -> Iterator[Any]:
    """Yield the samples of audio as a track takes them. What cannot be decoded is silent."""
    resampler, shape, clock = None, None, MendedClock()
    begins: Fraction | None = None
    done = 0  # samples
    for packet in source.demux(stream):
        if packet.pts is not None:
            clock.mend(packet)
        with suppress(av.error.FFmpegError):
            for frame in stream.codec_context.decode(packet if packet.size else None):
                if (frame.sample_rate, frame.format.name, frame.layout.name) != shape:
                    shape = frame.sample_rate, frame.format.name, frame.layout.name
                    resampler = av.AudioResampler(format="s16", layout=track.layout.name, rate=track.rate)
                if frame.pts is not None:
                    begins = frame.pts * frame.time_base if begins is None else begins
                    missing = round((frame.pts * frame.time_base - begins) * track.rate) - done
                    if missing > HOLE * track.rate:
                        yield _silence(track, missing)
                        done += missing
                assert resampler is not None  # noqa: S101 - it was made for the first frame
                for made in resampler.resample(frame):
                    done += made.samples
                    yield made


def _silence(track: Any, samples: int) -> Any:
    frame = av.AudioFrame(format="s16", layout=track.layout.name, samples=samples)
    for plane in frame.planes:
        plane.update(bytes(plane.buffer_size))
    frame.sample_rate = track.rate
    return frame


def _texts(paths: list[str], to: str) -> str:
    """Write the cues of the first texts of all parts as WebVTT."""
    cues: list[Cue] = []
    ends, found = Fraction(0), False
    for path in paths:
        with _open(path) as source:
            texts = [stream.index for stream in source.streams.subtitles if stream.codec_context.name in TEXTS]
            name, begins = source.format.name, Fraction(source.start_time or 0, av.time_base)
            packets = (packet for packet in source.demux() if packet.pts is not None)
            lasts = max((packet.pts + (packet.duration or 0)) * packet.time_base for packet in packets)
        found = found or bool(texts)
        shift = round((ends - begins) * 1_000_000)
        for message in read(path, name, texts[:1]) if texts else ():
            if message[0] == "cue":
                _, _, start, end, text = message
                cues.append(Cue(start + shift, (start + SHOWN if end is None else end) + shift, cue_text(text)))
        ends += lasts - begins
    if not found:
        raise NotMedia("there are no texts in it")
    Path(to).write_text(webvtt_file(cues), encoding="utf-8")
    return "webvtt"
