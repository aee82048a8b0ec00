"""Where the frames of a video are and where it can be cut, as told by its container's index or by the whole file.

For the probing process alone, because it opens files that may be hostile.
"""

from __future__ import annotations

from array import array
from contextlib import suppress
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import accumulate, islice, pairwise
from operator import lt
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import av

from hls_sessions.ffmpeg.commands import is_sought_exactly, path_in
from hls_sessions.ffmpeg.probing.sample_tables import Samples, Unusable, read_samples
from hls_sessions.media import recovery_frames, refreshes

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from av.container import InputContainer
    from av.packet import Packet
    from av.video.stream import VideoStream

PACKETS = 64
"""How many of the first and of the last packets are compared with the frame times that the index tells."""

REORDER = 17
"""The most frames a decoder may hold back (H.264 allows 16): the last of the compared packets may be incomplete."""

LOOKS = 8
"""How many keyframes are looked at. A few will do: an encoder that leaves GOPs open does so throughout, as a rule."""

MOST_BETWEEN = 12
"""Seconds between two keyframes beyond which an index counts as leaving some out."""

STRAY = "its index is not that of its keyframes"

OPEN = "its GOPs are open: what is shown before a keyframe needs what comes after"


class Span(NamedTuple):
    """When a stream, or one of its packets, begins and ends, in its ticks."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Index:
    """The facts of a video track that are known before it is played. Times are in its ticks."""

    times: array[int] = field(default_factory=lambda: array("q"))
    """When each frame is shown, in order; empty where that is not certain."""
    end: int = 0
    """When the last of them stops being shown; 0 where the times are not known."""
    sync_points: array[int] = field(default_factory=lambda: array("q"))
    """When those keyframes are shown at which it can be cut cleanly, in order."""
    sizes: array[int] = field(default_factory=lambda: array("q"))
    """Bytes from each sync point to the next."""
    ahead: Fraction = Fraction(0)
    """Seconds by which its first frame is decoded before it is shown."""
    open_gops: bool = False
    """Whether there are keyframes beside these sync points, at which it cannot be cut."""
    uncut: str | None = None
    """Why it cannot be cut."""
    unread: bool = False
    """Whether the whole file would tell more."""
    seek_margin: Fraction = Fraction(0)
    """Seconds before a frame at which a seek has to be asked for to land on a keyframe that is shown before it."""


def read_index(container: InputContainer, stream: VideoStream) -> Index:
    """Read the container's index, and compare it with packets, because it may be wrong."""
    name = container.format.name
    if not is_sought_exactly(name):
        return Index(uncut=f"its container ({name}) is not sought to the frame")
    index = _from_tables(container, stream) if "mp4" in name else _from_cues(container, stream)
    # A keyframe that was looked at and refreshes the decoder is no recovery point.
    recovery = Fraction(0) if index.uncut is None else _recovery(container, stream)
    return replace(index, seek_margin=index.seek_margin + recovery)


def read_whole(container: InputContainer, stream: VideoStream) -> Index:
    """Read all packets of a video, for a container whose index does not tell enough."""
    shown, sizes, sync = array("q"), array("q"), array("q")
    end = recovery = 0
    container.seek(0)
    for packet in container.demux(stream):
        if packet.pts is None or packet.is_discard or packet.is_corrupt or not packet.size:
            continue
        if packet.is_keyframe and _refreshes(packet):
            sync.append(len(shown))
        elif packet.is_keyframe:
            recovery = max(recovery, _recovery_frames(packet))
        shown.append(packet.pts)
        sizes.append(packet.size)
        end = max(end, end_of(packet))
    times = array("q", sorted(shown))
    if not times or not _is_rising(times):
        return Index(uncut="its frames do not come one after another")
    margin = _widest_reordering(container, stream) + _lasting(recovery, stream)
    return _cut(Index(times, end, ahead=_ahead(stream), seek_margin=margin), shown, sync, sizes)


def presented(packets: Iterable[Packet[Any]], start: int) -> list[Span]:
    """Return when the frames of these packets are shown, in order, without those that an edit list leaves out."""
    return sorted(
        Span(packet.pts, end_of(packet))
        for packet in packets
        if packet.pts is not None and packet.pts >= start and not packet.is_discard and not packet.is_corrupt
    )


def end_of(packet: Packet[Any]) -> int:
    """Return when a packet ends, in ticks; where it has no duration, the frame rate gives it one."""
    rate = getattr(packet.stream, "guessed_rate", None)
    usual = round(1 / rate / packet.stream.time_base) if rate and packet.stream.time_base else 0
    return (packet.pts or 0) + (packet.duration or usual)


def _from_tables(container: InputContainer, stream: VideoStream) -> Index:
    """Read an MP4's sample tables, and compare them with its first and last packets."""
    margin = _widest_reordering(container, stream)
    try:
        with Path(path_in(container.name)).open("rb") as file:
            samples = read_samples(file, stream.id)
        margin = Fraction(samples.sync_reordering, samples.scale)
        index = _compared(samples, container, stream)
    except (Unusable, OSError) as reason:
        index = Index(uncut=str(reason), unread=True)
    return replace(index, seek_margin=margin)


def _compared(samples: Samples, container: InputContainer, stream: VideoStream) -> Index:
    """Return the index of sample tables, if the packets agree with it.

    Raises:
        Unusable: they do not.
    """
    start, base = stream.start_time, stream.time_base
    shown = samples.shown()
    found = sorted(shown)
    if not (samples.shows(found[0]) and samples.shows(found[-1])):
        found = [tick for tick in found if samples.shows(tick)]
    # Where an edit list begins within a frame, libavformat counts from the first whole one.
    shift = start - found[0] if found and start is not None else 0
    times = array("q", (tick + shift for tick in found) if shift else found)
    if len(times) < 2 or base != Fraction(1, samples.scale) or times[0] != start or not _is_rising(times):  # noqa: PLR2004 - a distance needs two
        raise Unusable("its sample tables are not those of its frames")
    container.seek(times[-min(PACKETS, len(times))], stream=stream)
    last = presented(container.demux(stream), start)
    if not last:
        return Index(uncut="it ends before its sample tables do")
    # Packets before these may be presented among the first of them.
    sure_last = last if len(last) >= len(times) else last[REORDER:]
    container.seek(start, stream=stream)
    first = presented(islice(container.demux(stream), PACKETS), start)
    sure_first = first if len(first) >= len(times) else first[:-REORDER]
    agrees_first = [span.start for span in sure_first] == list(times[: len(sure_first)])
    if not agrees_first or [span.start for span in sure_last] != list(times[len(times) - len(sure_last) :]):
        raise Unusable("its sample tables are not those of its frames")
    if len(times) < len(shown):
        return Index(times, last[-1].end, uncut="its edit list begins or ends within a GOP")
    index = _cut(Index(times, last[-1].end, ahead=samples.ahead * base), shown, samples.sync, samples.sizes)
    return replace(index, uncut=index.uncut or _fault(container, stream, index.sync_points))


def _from_cues(container: InputContainer, stream: VideoStream) -> Index:
    """Read a Matroska's cues, which name keyframes, but no other frames."""
    start, base = stream.start_time, stream.time_base or Fraction(1)
    # Only a seek makes libavformat read them.
    with suppress(av.error.FFmpegError):
        container.seek((container.start_time or 0) + (container.duration or 0))
    entries = [entry for entry in stream.index_entries if entry.is_keyframe]
    if not container.duration or start is None or len(entries) < 2 or entries[0].timestamp != start:  # noqa: PLR2004 - one says nothing
        return Index(uncut="it has no index of its keyframes", unread=True)
    sync_points = array("q", (entry.timestamp for entry in entries))
    if not _is_rising(sync_points):
        return Index(uncut="its index is out of order", unread=True)
    if any(
        after - before > MOST_BETWEEN / base
        for before, after in pairwise((*sync_points, _announced_end(container, base)))
    ):
        return Index(uncut="its index names too few keyframes", unread=True)
    # A cue tells where its cluster is. The packets of other tracks in it are counted too: a few bytes too many.
    places = [entry.pos for entry in entries] + [max(container.size, entries[-1].pos)]
    sizes = array("q", (max(0, after - before) for before, after in pairwise(places)))
    fault = _fault(container, stream, sync_points)
    return Index(sync_points=sync_points, sizes=sizes, ahead=_ahead(stream), uncut=fault, unread=fault == STRAY)


def _fault(container: InputContainer, stream: VideoStream, sync_points: Sequence[int]) -> str | None:
    """Look at some of the keyframes, and return why the video cannot be cut there; None when it can be."""
    for point in sync_points[1 :: max(1, len(sync_points) // LOOKS)]:
        container.seek(point, stream=stream)
        packets = [(p.pts, p) for p in islice(container.demux(stream), REORDER) if p.pts is not None]
        if not packets or packets[0][0] != point or not packets[0][1].is_keyframe:
            return STRAY
        if not _refreshes(packets[0][1]) or any(shown < point for shown, _ in packets):
            return OPEN
    return None


def _widest_reordering(container: InputContainer, stream: VideoStream) -> Fraction:
    """Return by how many seconds a seek in this container may land too late, if no sample table tells.

    An MP4 is sought by decoding times. As many frames may be shown before a keyframe and decoded after it as a decoder
    may hold back.
    """
    reorders = "mp4" in container.format.name and stream.codec_context.reorder_depth
    return _lasting(REORDER, stream) if reorders else Fraction(0)


def _recovery(container: InputContainer, stream: VideoStream) -> Fraction:
    """Return how many seconds a decoder needs from a keyframe on until it shows whole pictures."""
    if stream.codec_context.name != "h264":
        return Fraction(0)
    places = [entry.timestamp for entry in stream.index_entries if entry.is_keyframe]
    frames = 0
    for place in places[:: max(1, len(places) // LOOKS)]:
        with suppress(av.error.FFmpegError):
            container.seek(place, stream=stream)
            first = next((packet for packet in container.demux(stream) if packet.size), None)
            frames = max(frames, _recovery_frames(first) if first is not None else 0)
    return _lasting(frames, stream)


def _lasting(frames: int, stream: VideoStream) -> Fraction:
    """Return how many seconds so many frames last."""
    return frames / Fraction(stream.guessed_rate or stream.average_rate or 25)


def _refreshes(packet: Packet[Any]) -> bool:
    """Whether a decoder may begin with a keyframe of an MP4 or a Matroska."""
    length = _nal_length(packet)
    return length is None or refreshes(packet.stream.codec_context.name, bytes(packet), length)


def _recovery_frames(packet: Packet[Any]) -> int:
    """Return how many frames after a keyframe the first whole picture is shown."""
    length = _nal_length(packet)
    return 0 if length is None else recovery_frames(packet.stream.codec_context.name, bytes(packet), length)


def _nal_length(packet: Packet[Any]) -> int | None:
    """Return how many bytes the length of a NAL unit has; None where there are no NAL units with a length."""
    context = packet.stream.codec_context
    record, at = context.extradata or b"", {"h264": 4, "hevc": 21}.get(context.name)
    return None if at is None or len(record) <= at else (record[at] & 3) + 1


def _announced_end(container: InputContainer, base: Fraction) -> int:
    """Return the announced end of a Matroska, whose duration counts from zero, not from its first frame."""
    return int(Fraction(container.duration or 0, av.time_base) / base)


def _ahead(stream: VideoStream) -> Fraction:
    """Return how many seconds before the first frame is shown a decoder that holds frames back must begin."""
    rate = stream.guessed_rate or stream.average_rate or Fraction(25)
    return stream.codec_context.reorder_depth / rate


def _cut(index: Index, shown: Sequence[int], sync: Sequence[int], sizes: Sequence[int]) -> Index:
    """Add the keyframes at which a video can be cut, with the bytes from each to the next, or why it cannot be cut.

    All frames that are decoded before such a keyframe are shown before it; all that are decoded after it, after it.

    Args:
        index: the facts that are known already.
        shown: when each frame is shown, in decoding order.
        sync: the numbers of the keyframes.
        sizes: bytes of each frame.
    """
    if not sync or sync[0] != 0:
        return replace(index, uncut="it does not begin with a keyframe")
    gops = list(pairwise((*sync, len(shown))))
    highest = list(accumulate((max(shown[first:end]) for first, end in gops), max))
    lowest = list(accumulate((min(shown[first:end]) for first, end in reversed(gops)), min))[::-1]
    clean = [n for gop, n in enumerate(sync) if lowest[gop] == shown[n] and (gop == 0 or highest[gop - 1] < shown[n])]
    if not clean or clean[0] != 0:
        return replace(index, uncut="it does not begin with a keyframe")
    return replace(
        index,
        sync_points=array("q", (shown[n] for n in clean)),
        sizes=array("q", (sum(sizes[first:end]) for first, end in pairwise((*clean, len(shown))))),
        open_gops=len(clean) < len(sync),
    )


def _is_rising(ticks: Sequence[int]) -> bool:
    return all(map(lt, ticks, islice(ticks, 1, None)))
