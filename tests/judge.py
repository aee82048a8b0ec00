"""How the playback tests judge segments: packet by packet, against the source."""

from __future__ import annotations

import io
from array import array
from contextlib import contextmanager
from fractions import Fraction
from itertools import pairwise

import av
import av.logging

from hls_sessions.ffmpeg.judging.packets import Packet, count_frames, read_tracks
from hls_sessions.media import OFFSET

MILLISECOND = Fraction(1, 1000)

SAMPLES = {"s16": ("h", 1 << 15), "s32": ("i", 1 << 31), "flt": ("f", 1), "dbl": ("d", 1)}
"""The array type code of decoded audio, and its full volume, by sample format."""


def packets(data: bytes) -> list[Packet]:
    """Read the packets of an init segment and any segments of its rendition, in decoding order."""
    [track] = read_tracks(data)
    return list(track.packets)


def times(data: bytes) -> list[Fraction]:
    """Return when each packet is shown or heard, in order, in seconds on the presentation's clock."""
    return sorted(packet.time - OFFSET for packet in packets(data))


def source_times(path, kind: str = "video") -> list[Fraction]:
    """Return when each packet of a source is shown or heard, in order."""
    return next(track for track in read_tracks(path) if track.kind == kind).times


def shown_times(path, origin: Fraction | None = None) -> list[Fraction]:
    """Return when each frame of a source is to be shown: the first one from the beginning of the film on.

    The film begins at ``origin``; if it is not given, with the first packet of all.
    """
    video, *more = source_times(path)
    begins = min(track.times[0] for track in read_tracks(path)) if origin is None else origin
    return [min(begins, video), *more]


def codec(path, kind: str) -> str:
    """Return a source's codec, as ffmpeg spells it."""
    return next(track for track in read_tracks(path) if track.kind == kind).codec


def channels(data: bytes) -> int:
    """Return how many channels the audio has."""
    with av.open(io.BytesIO(data)) as container:
        return container.streams.audio[0].codec_context.channels


def frames(data: bytes) -> int:
    """Decode everything, and return how many frames came. Raises when the decoder complains."""
    [track] = read_tracks(data)
    return count_frames(data, track.kind)


def worst_deviation(found: list[Fraction], expected: list[Fraction]) -> Fraction:
    """Return how far the worst time is off, in seconds, once one constant is taken away."""
    constant = found[0] - expected[0]
    return worst_difference(found, [time + constant for time in expected])


def worst_difference(found: list[Fraction], expected: list[Fraction]) -> Fraction:
    """Return how far the worst time is off, in seconds."""
    return max((abs(ours - theirs) for ours, theirs in zip(found, expected, strict=True)), default=Fraction(0))


def is_increasing(moments: list[Fraction]) -> bool:
    """Whether no time comes twice, or before one that precedes it."""
    return all(before < after for before, after in pairwise(moments))


@contextmanager
def silence():
    """Fail when a decoder says anything at all."""
    av.logging.set_level(av.logging.WARNING)
    try:
        with av.logging.Capture(local=False) as said:
            yield
    finally:
        av.logging.set_level(None)
    assert said == []


def flashes(media) -> list[Fraction]:
    """Return when the decoded video turns white, in seconds on the media's own clock."""
    with _decoded(media, "video") as frames:
        return [frame.pts * frame.time_base for frame in frames if _brightness(frame) > 128]


def hear(media) -> tuple[list[Fraction], Fraction]:
    """Return when the decoded audio clicks, to the sample (the middle of each click's energy), and when it ends."""
    time, volumes, rate = _audio(media)
    step = rate // 100
    loud = [i for i in range(0, len(volumes), step) if max(map(abs, volumes[i : i + step])) > 0.2]
    found = []
    for number, start in enumerate(loud):
        if number and start - loud[number - 1] <= step:
            continue  # the same click
        around = range(max(0, start - step), min(len(volumes), start + 3 * step))
        energy = [volumes[i] ** 2 for i in around]
        found.append(time(sum(i * e for i, e in zip(around, energy, strict=True)) / sum(energy)))
    return found, time(len(volumes))


def loudness(media) -> float:
    """Return the loudest sample of the decoded audio, 1 at most."""
    return max(map(abs, _audio(media)[1]))


def loud_share(media) -> float:
    """Return how much of the decoded audio is loud, 1 at most: of a tone most samples are, of clicks very few."""
    volumes = _audio(media)[1]
    return sum(abs(volume) > 0.2 for volume in volumes) / len(volumes)


def tones(media, window: Fraction = Fraction(1, 40)) -> list[tuple[Fraction, float]]:
    """Return the tone of each short time of the decoded audio: its middle, and the tone in hertz, 0 where it is silent.

    A tone crosses zero twice per period.
    """
    time, volumes, rate = _audio(media)
    size, found = int(window * rate), []
    for start in range(0, len(volumes) - size, size):
        part = volumes[start : start + size]
        crossings = sum((before < 0) != (after < 0) for before, after in pairwise(part))
        loud = max(map(abs, part)) > 0.02
        found.append((time(start + size // 2), crossings / 2 / window if loud else 0))
    return found


def _audio(media):
    """Decode the first channel; return a function for the time of a sample, all samples, and the sample rate."""
    volumes, starts, rate = array("d"), [], 0
    with _decoded(media, "audio") as frames:
        for frame in frames:
            code, full = SAMPLES[frame.format.name.removesuffix("p")]
            step = 1 if frame.format.is_planar else frame.layout.nb_channels
            samples = array(code, bytes(frame.planes[0]))[: frame.samples * step : step]
            rate = frame.sample_rate
            starts.append(frame.pts * frame.time_base - Fraction(len(volumes), rate))
            volumes.extend(sample / full for sample in samples)
    # A container of whole milliseconds rounds every packet's time; their mean tells the intended time of the first.
    start = sum(starts) / len(starts)
    return (lambda sample: start + Fraction(sample) / rate), volumes, rate


@contextmanager
def _decoded(media, kind):
    with av.open(io.BytesIO(media) if isinstance(media, bytes) else f"file:{media}") as container:
        yield container.decode(next(stream for stream in container.streams if stream.type == kind))


def _brightness(frame) -> float:
    small = frame.reformat(width=16, height=16, format="gray").planes[0]
    pixels = memoryview(small)
    return sum(sum(pixels[y * small.line_size : y * small.line_size + 16]) for y in range(16)) / 256
