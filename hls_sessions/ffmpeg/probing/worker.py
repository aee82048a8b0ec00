"""The worker that reads the facts of files.

A request is a path, whether to read the whole file, and whether the process that opens it is to be confined to it,
which is the default. The answer is the facts as JSON, and after them the arrays of the video's index (ARRAYS) as raw
64-bit integers.

Each file is opened in a process of its own, forked from the worker, because what a process may open can only become
less. A hostile file can crash or hang these two processes and nothing else: the prober kills them after a time limit
and starts another worker.
"""

from __future__ import annotations

import os
import re
import resource
import signal
import socket
from array import array
from contextlib import contextmanager, suppress
from fractions import Fraction
from itertools import accumulate, islice
from operator import sub
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import av
import av.logging

from hls_sessions.ffmpeg.commands import MOST_PIXELS, file_url, part_url, path_in
from hls_sessions.ffmpeg.demuxers import MEDIA
from hls_sessions.ffmpeg.input import open_input, tag_of
from hls_sessions.ffmpeg.probing.bounds import FLATTEST
from hls_sessions.ffmpeg.probing.clock_jumps import longest_part
from hls_sessions.ffmpeg.probing.content_encodings import encrypted_tracks
from hls_sessions.ffmpeg.probing.late_starts import late_starts
from hls_sessions.ffmpeg.probing.sample_tables import Unusable, read_samples
from hls_sessions.ffmpeg.probing.video_index import REORDER, Index, Span, end_of, presented, read_index, read_whole
from hls_sessions.ffmpeg.sandbox import bind_to_parent, confine_worker
from hls_sessions.ffmpeg.workers.channel import Channel

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from av.container import InputContainer
    from av.stream import Stream
    from av.video.stream import VideoStream

    from hls_sessions.ffmpeg.probing.clock_jumps import Part

MEMORY_LIMIT = 4 * 1024**3
"""Bytes of address space: room for any real index, not for a header that claims a billion entries."""

RAW = {"h261", "h263", "h264", "hevc", "vvc", "m4v", "mjpeg", "mpegvideo", "obu", "vc1"}
"""Demuxers of video without a container. libavformat gives it no times, and nothing can be sought in it."""

ANIMATED = {"gif", "apng"}
"""Demuxers of images that may move or stand still."""

PROTECTED = {"drmi", "drms", "drmt", "encv", "enca"}
"""Sample entries of MP4 whose samples are encrypted."""

FIRST_PACKETS = 64
"""Packets in which the first of each stream of an MP4 is looked for."""

HDR = {16: "smpte2084", 18: "arib-std-b67"}
"""Transfer functions of high dynamic range (ITU-T H.273, table 3), as ffmpeg spells them."""

ARRAYS = ("times", "sync_points", "sizes")
"""The fields of an Index that follow an answer."""

MOST_CONFIGURATION = 4096
"""Bytes of a decoder configuration record."""

CAPTIONS = re.compile(rb"(\xb5\x00\x31|\x00\x00\x01\xb2)GA94\x03")
"""Closed captions in a packet of video (ATSC A/53, part 4, 6.2.2): in a message registered by ITU-T T.35, as H.264,
HEVC and AV1 have them, or in the user data of MPEG-2."""

CAPTION_TRACKS = {"eia_608"}
"""Closed captions in a track of their own, as a decoder spells them. Their decoder waits for a picture to go with them,
and a track of them alone gives no text."""

MOST_CHAPTERS = 500
"""Chapters of a file: more than any film has, and few enough to be told in every answer about a session."""

LONGEST_TITLE = 200
"""Characters of a chapter's title that are kept."""

AAC_FRAME = 1024
"""Samples in one packet of AAC."""

TAIL = 12
"""Seconds before the announced end that are read to find the true ends."""


class Unplayable(Exception):
    """The file holds nothing to play; the message says why."""


def serve(channel: Channel) -> None:
    """Answer one path after another until the prober closes the channel."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT, MEMORY_LIMIT))
    av.logging.set_level(av.logging.PANIC)
    while True:
        path, whole, size, confined = channel.receive().body
        ours, theirs = socket.socketpair()
        with ours:
            try:
                child = os.fork()
            except OSError:
                os.kill(os.getpid(), signal.SIGKILL)  # as a kill, because it says nothing about the file
            if child == 0:
                ours.close()
                _answer(Channel(theirs), path, whole, size, confined=confined)
            theirs.close()
            message = None
            with suppress(EOFError):
                message = Channel(ours).receive()
            _, status = os.waitpid(child, 0)
        if os.WIFSIGNALED(status):
            os.kill(os.getpid(), os.WTERMSIG(status))  # so that the prober hears how it ended
        if message is None:
            os._exit(os.waitstatus_to_exitcode(status))
        channel.send(message.body, message.payload)


def _answer(channel: Channel, path: str, whole: bool, size: int | None, *, confined: bool) -> NoReturn:
    """Answer one request, and end the process."""
    code = 1
    try:
        bind_to_parent()
        if confined:
            confine_worker(path)
        index = Index()
        try:
            answer, index = probe(path, whole, size)
        except Unplayable as reason:
            answer = {"error": str(reason)}
        except (av.error.FFmpegError, OSError, MemoryError) as error:
            answer = {"error": getattr(error, "strerror", None) or str(error) or type(error).__name__}
        arrays: list[array[int]] = [getattr(index, name) for name in ARRAYS]
        answer["arrays"] = [len(numbers) for numbers in arrays]
        channel.send(answer, *(memoryview(numbers).cast("B") for numbers in arrays))
        code = 0
    except BaseException as error:  # noqa: BLE001 - it is the daemon's to judge
        channel.send({"crashed": repr(error)})
    finally:
        os._exit(code)


def probe(path: str, whole: bool, size: int | None = None) -> tuple[dict[str, Any], Index]:
    """Read the facts of one file; of the whole file at the lowest priority, which the process keeps from then on.

    Only its first ``size`` bytes are read, because a recording grows meanwhile; None for all.

    Times in the answer are rationals written as strings, in seconds.
    """
    if whole:
        os.nice(19)
    with _opened(path, size) as (container, part, notes):
        _refuse_what_is_no_film(container)
        closed = _closed(container, notes)
        video = _video_stream(container, closed, notes)
        audio = _audio_streams(container, closed, notes)
        if video is None and not audio:
            raise Unplayable("; ".join(["it holds neither video nor audio that can be decoded", *notes]))
        look = _look(container, video, notes) if video is not None else None
        if look is None:
            video = None
        index = Index()
        if video is not None:
            index = read_whole(container, video) if whole else read_index(container, video)
        streams = [*([video] if video is not None else []), *audio]
        spans = _spans(container, streams, index, notes)
        if video is not None and _is_cover(video, spans):
            del spans[video.index]
            notes.append(
                "the video is a single image, and is left out: no browser shows it for as long as the audio lasts"
            )
        video_facts = None
        if video is not None and look is not None and video.index in spans:
            video_facts = _timed(video, spans) | {
                "time_base": str(video.time_base),
                "frame_rate": str(_frame_rate(video)),
                "opening": str(_opening(container, video)),
                "captions": _has_captions(container, video),
                "configuration": _configuration(video),
                "depth": _depth(video),
                "uncut": look.pop("uncut") or index.uncut,
                "unread": index.unread,
                "open_gops": index.open_gops,
                "seek_margin": str(index.seek_margin),
                "ahead": str(index.ahead),
                "delay": video.codec_context.reorder_depth,
                **look,
            }
        audio_facts = [_audio_facts(container, stream, spans) for stream in audio if stream.index in spans]
        if video_facts is None and not audio_facts:
            raise Unplayable("; ".join(notes) or "nothing in it has a length")
        answer = {
            "container": container.format.name,
            "container_start": str(Fraction(container.start_time or 0, av.time_base)),
            "video": video_facts,
            "audio": audio_facts,
            "subtitles": _subtitle_tracks(container, notes),
            "notes": notes,
            "part": part,
            "chapters": _chapters(container),
        }
        return answer, index if video_facts else Index()


@contextmanager
def _opened(path: str, size: int | None) -> Iterator[tuple[InputContainer, Part | None, list[str]]]:
    """Open a file, or the part of it that is to be played, and begin the notes."""
    # The prefix keeps a name from being read as a protocol, the whitelist keeps a file from naming another.
    with _vetted(file_url(path, size)) as container:
        part, parts = longest_part(container)
        if part is None:
            yield container, None, []
            return
        demuxer = container.format.name
    note = f"its clock jumps: the longest of its {parts} parts is played, bytes {part.start} to {part.end}"
    options = {"protocol_whitelist": "file,subfile", "format_whitelist": demuxer, "max_pixels": str(MOST_PIXELS)}
    with open_input(part_url(path, *part), options=options) as container:
        yield container, part, [note]


def _vetted(url: str) -> InputContainer:
    """Open a file by a demuxer that is known to open nothing else.

    Raises:
        Unplayable: it would need another demuxer.
        av.error.FFmpegError: it cannot be opened.
    """
    # A percent sign would make it the pattern of the names of many pictures.
    formats = MEDIA if "%" in url else f"{MEDIA},image2"
    options = {"protocol_whitelist": "file,subfile", "format_whitelist": formats, "max_pixels": str(MOST_PIXELS)}
    av.logging.set_level(av.logging.ERROR)  # else the reason of a refusal would not be told
    try:
        with av.logging.Capture() as log:
            return open_input(url, options=options)
    except av.error.FFmpegError as error:
        if any("not on whitelist" in line for _, _, line in log):
            raise Unplayable("it is text or a list of other files, not media") from error
        raise
    finally:
        av.logging.set_level(av.logging.PANIC)


def _refuse_what_is_no_film(container: InputContainer) -> None:
    name = container.format.name
    if name in RAW:
        raise Unplayable(f"it is a raw stream ({name}), whose frames have no times: it needs a container")
    if name.endswith("_pipe") or name == "image2":
        raise Unplayable("it is a still image")
    if name in ANIMATED:
        frames = sum(1 for packet in islice(container.demux(video=0), 3) if packet.size)
        container.seek(0)
        if frames < 2:  # noqa: PLR2004 - one does not move
            raise Unplayable("it is a still image")


def _closed(container: InputContainer, notes: list[str]) -> set[int]:
    """Return the streams that are encrypted, by index, and note which they are. The key is not in the file."""
    streams = [*container.streams.video, *container.streams.audio]
    closed: set[int] = set()
    if "mp4" in container.format.name:
        closed = _closed_in_mp4(container, streams)
    elif "matroska" in container.format.name:
        closed = _closed_in_matroska(container)
    notes += [
        f"the {stream.type} (stream {stream.index}) is left out: it is encrypted"
        for stream in streams
        if stream.index in closed
    ]
    return closed


def _closed_in_mp4(container: InputContainer, streams: list[Any]) -> set[int]:
    """Return the encrypted streams of an MP4, as its index and each packet tell.

    A stream that is not among the first packets is not judged by these.
    """
    closed = {stream.index for stream in streams if _tag_of(stream) in PROTECTED}
    unseen = {stream.index for stream in streams} - closed
    try:
        for packet in islice(container.demux(*streams), FIRST_PACKETS):
            if packet.size and packet.stream.index in unseen:
                unseen.remove(packet.stream.index)
                if packet.has_sidedata("encryption_info"):
                    closed.add(packet.stream.index)
            if not unseen:
                break
        container.seek(0)
    except av.error.FFmpegError:
        pass  # a damaged beginning says nothing of the rest
    return closed


def _closed_in_matroska(container: InputContainer) -> set[int]:
    """Return the encrypted streams of a Matroska. Where its tracks are not the streams, one stands for all."""
    try:
        with Path(path_in(container.name)).open("rb") as file:
            encrypted = encrypted_tracks(file)
    except OSError:
        return set()
    closed: set[int] = set()
    for streams, flags in (
        (container.streams.video, encrypted["video"]),
        (container.streams.audio, encrypted["audio"]),
    ):
        same = flags if len(flags) == len(streams) else [any(flags)] * len(streams)
        closed |= {stream.index for stream, is_encrypted in zip(streams, same, strict=True) if is_encrypted}
    return closed


def _chapters(container: InputContainer) -> list[dict[str, str | None]]:
    """Return the first chapters, with what of their titles can be shown."""
    return [
        {
            "start": str(chapter["start"] * chapter["time_base"]),
            "end": str(chapter["end"] * chapter["time_base"]),
            "title": "".join(filter(str.isprintable, tag_of(chapter["metadata"], "title")))[:LONGEST_TITLE] or None,
        }
        for chapter in container.chapters()[:MOST_CHAPTERS]
        if chapter["time_base"]
    ]


def _tag_of(stream: Stream) -> str | None:
    context: Any = stream.codec_context  # None where there is no decoder
    return None if context is None else str(context.codec_tag)


def _video_stream(container: InputContainer, closed: set[int], notes: list[str]) -> VideoStream | None:
    """Choose the video that plays: the default one, else the first. Cover art is not video."""
    found = [
        stream
        for stream in container.streams.video
        if not stream.disposition & stream.disposition.attached_pic
        and stream.index not in closed
        and _has_decoder(stream, notes)
        and _has_size(stream, notes)
    ]
    return next((s for s in found if s.disposition & s.disposition.default), found[0] if found else None)


def _has_size(stream: VideoStream, notes: list[str]) -> bool:
    """Whether the size of a picture is known and not too large; else note it. Decoders do not tell one too large."""
    context = stream.codec_context
    has_size = 0 < context.width * context.height <= MOST_PIXELS
    if not has_size:
        most = f"{MOST_PIXELS // 10**6} million pixels"
        notes.append(f"the video (stream {stream.index}) is left out: its size is unknown, or more than {most}")
    return has_size


def _is_cover(video: VideoStream, spans: dict[int, Span]) -> bool:
    """Whether the video is one frame and the audio much longer: the cover of an album."""
    if video.index not in spans:
        return False
    lengths = {
        stream.index: (spans[stream.index].end - spans[stream.index].start) * (stream.time_base or 0)
        for stream in video.container.streams
        if stream.index in spans
    }
    own = lengths.pop(video.index)
    return own < 2 / _frame_rate(video) and max(lengths.values(), default=own) > 2 * own


def _audio_streams(container: InputContainer, closed: set[int], notes: list[str]) -> list[Stream]:
    """Return the audio of which anything is known. libavformat has read the first seconds for that."""
    found: list[Stream] = []
    for stream in container.streams.audio:
        if stream.index in closed or not _has_decoder(stream, notes):
            continue
        if stream.codec_context.sample_rate and stream.codec_context.channels:
            found.append(stream)
        else:
            notes.append(f"the audio (stream {stream.index}) is left out: nothing of it is in the first seconds")
    return found


def _has_decoder(stream: Any, notes: list[str]) -> bool:
    """Whether a stream can be decoded; else note it. A header may name no codec, or none that libavcodec has."""
    # PyAV gives a stream without a decoder no codec context, whatever its type annotations say.
    has_decoder = stream.codec_context is not None and bool(stream.time_base)
    if not has_decoder:
        notes.append(f"the {stream.type} (stream {stream.index}) is left out: there is no decoder for it")
    return has_decoder


def _look(container: InputContainer, stream: VideoStream, notes: list[str]) -> dict[str, Any] | None:
    """Decode one frame, and return how the video is to be shown; None when no frame can be decoded."""
    try:
        frame = next(iter(container.decode(stream)), None)
    except av.error.FFmpegError as error:
        frame = None
        notes.append(f"the video ({stream.codec_context.codec.canonical_name}) cannot be decoded: {error.strerror}")
    if frame is None:
        notes.append("no frame of the video can be decoded")
        return None
    hdr = HDR.get(int(frame.color_trc))
    if hdr is not None:
        notes.append(f"the video is HDR ({hdr}) and is shown as SDR")
    if frame.interlaced_frame:
        notes.append("the video is interlaced and is shown deinterlaced")
    # Square pixels, upright.
    aspect = stream.sample_aspect_ratio or Fraction(1)
    is_possible = Fraction(1, FLATTEST) <= aspect <= FLATTEST
    width = max(1, round(frame.width * aspect)) if is_possible else frame.width
    width, height = (frame.height, width) if frame.rotation % 180 else (width, frame.height)
    uncut = "it is interlaced" if frame.interlaced_frame else "it is rotated" if frame.rotation else None
    return {
        "width": width,
        "height": height,
        "interlaced": bool(frame.interlaced_frame),
        "hdr": hdr,
        "uncut": uncut,
    }


def _configuration(stream: Stream) -> str:
    """Return a decoder configuration record in hexadecimal; nothing for one that is larger than any real one."""
    record = stream.codec_context.extradata or b""
    return record.hex() if len(record) <= MOST_CONFIGURATION else ""


def _depth(stream: VideoStream) -> int:
    """Return the bits of a component; 0 for video that is not 4:2:0."""
    layout = stream.codec_context.format
    if layout is None or len(layout.components) < 2 or (layout.chroma_width(2), layout.chroma_height(2)) != (1, 1):  # noqa: PLR2004 - colour, and half of two
        return 0
    return layout.components[0].bits


def _frame_rate(stream: VideoStream) -> Fraction:
    for rate in (stream.guessed_rate, stream.average_rate, stream.base_rate):
        if rate and 0 < rate <= 1000:  # noqa: PLR2004 - beyond that it is a time base, not a rate
            return rate
    return Fraction(25)


def _opening(container: InputContainer, stream: VideoStream) -> Fraction:
    """Return how long the first two frames are shown, in seconds. An encoder with B-frames decodes as long ahead."""
    assert stream.time_base is not None  # noqa: S101 - every demuxed stream has one
    start = stream.start_time or 0
    container.seek(start, stream=stream)
    first = presented(islice(container.demux(stream), REORDER), start)
    two = first[2].start - first[0].start if len(first) > 2 else 0  # noqa: PLR2004 - the first two, and the next
    return two * stream.time_base or 2 / _frame_rate(stream)


def _has_captions(container: InputContainer, stream: VideoStream) -> bool:
    """Whether the first frames carry closed captions. Where there are any, all frames have some, be they empty."""
    container.seek(stream.start_time or 0, stream=stream)
    return any(CAPTIONS.search(bytes(packet)) for packet in islice(container.demux(stream), REORDER))


def _spans(container: InputContainer, streams: list[Stream], index: Index, notes: list[str]) -> dict[int, Span]:
    """Return when each stream begins and ends, as ticks by stream index."""
    spans: dict[int, Span] = {}
    # A fragmented MP4 counts no frames in its header, and its lengths are those of its first fragments.
    whole_index = "mp4" in container.format.name and all(stream.frames for stream in streams)
    # Its lengths are those of decoding. These are right for audio, but video may be shown for longer.
    known = whole_index and (index.times or all(stream.type == "audio" for stream in streams))
    cut_off = any(_ends_before_its_index(container, stream) for stream in streams)
    read = {} if known and not cut_off else _read_ends(container, streams, notes)
    starts = {} if whole_index else _late_starts(container, streams, notes)
    for stream in streams:
        assert stream.time_base is not None  # noqa: S101 - every demuxed stream has one
        start = starts.get(stream.index, stream.start_time or 0)
        if start is None:
            continue
        if stream.type == "video" and index.times:
            end = index.end
        elif stream.index in read:
            end = read[stream.index]
        elif whole_index and stream.duration:
            end = start + stream.duration
        else:
            end = _announced_end(container, stream)
        if end > start:
            spans[stream.index] = Span(start, end)
    return spans


def _late_starts(container: InputContainer, streams: list[Stream], notes: list[str]) -> dict[int, int | None]:
    """Return the start of each stream that begins late, and note which they are."""
    with open_input(container.name, options=container.options) as fresh:
        starts = late_starts(container, fresh, streams)
    for stream in streams:
        if stream.index not in starts:
            continue
        kind, start = stream.type, starts[stream.index]
        if start is None:
            notes.append(f"the {kind} (stream {stream.index}) is left out: it holds nothing")
        else:
            after = start * (stream.time_base or 0) - Fraction(container.start_time or 0, av.time_base)
            notes.append(f"the {kind} (stream {stream.index}) begins only after {float(after):.1f} s")
    return starts


def _ends_before_its_index(container: InputContainer, stream: Stream) -> bool:
    """Whether the last packet in the container's index lies beyond the end of the file."""
    entries = stream.index_entries
    return len(entries) > 0 and entries[-1].pos + entries[-1].size > container.size


def _read_ends(container: InputContainer, streams: list[Stream], notes: list[str]) -> dict[int, int]:
    """Read the last seconds of the file to find where each stream ends; all of it where no length is announced.

    If there is nothing in the last seconds, the file was cut off. Then the last seconds that it does have are read.
    """
    begins = container.start_time or 0
    target = max(begins, begins + (container.duration or 0) - TAIL * av.time_base)
    ends = _ends_from(container, streams, target)
    latest = _latest(streams, ends)
    if target == begins or latest * av.time_base >= target:
        return ends
    there = latest * av.time_base if ends else _last_place(container, streams, begins, target)
    ends = _ends_from(container, streams, max(begins, int(there) - TAIL * av.time_base))
    latest = _latest(streams, ends)
    if ends:
        announced, found = (container.duration or 0) / av.time_base, float(latest - Fraction(begins, av.time_base))
        notes.append(f"the file ends after {found:.1f} s, not after the {announced:.1f} s that it announces")
    for stream in streams:
        # A stream without a packet in the last seconds ended before them, or goes no further than the file.
        unknown = min(_announced_end(container, stream), int(latest / (stream.time_base or 1)))
        ends.setdefault(stream.index, unknown)
    return ends


def _latest(streams: list[Stream], ends: dict[int, int]) -> Fraction:
    """Return when the last of the streams ends, in seconds; a time before all others when no end is known."""
    known = (ends[stream.index] * (stream.time_base or Fraction(1)) for stream in streams if stream.index in ends)
    return max(known, default=Fraction(-1 << 40))


def _last_place(container: InputContainer, streams: list[Stream], begins: int, target: int) -> int:
    """Return about the last time at which a file that was cut off holds something, in microseconds."""
    there, gone = begins, target
    while gone - there > TAIL * av.time_base // 2:
        middle = (there + gone) // 2
        there, gone = (middle, gone) if _holds_something_at(container, streams, middle) else (there, middle)
    return there


def _holds_something_at(container: InputContainer, streams: list[Stream], time: int) -> bool:
    """Whether any packet can be read at or after a time."""
    try:
        _seek(container, time)
        return any(packet.size and not packet.is_corrupt for packet in islice(container.demux(*streams), REORDER))
    except av.error.FFmpegError:
        return False


def _seek(container: InputContainer, target: int) -> None:
    try:
        container.seek(target)
    except av.error.FFmpegError:
        # A Matroska that was cut off has no index, and a seek finds nothing before its first keyframe.
        container.seek(target, backward=False)


def _ends_from(container: InputContainer, streams: list[Stream], target: int) -> dict[int, int]:
    """Read from a time to the end of the file to find where each stream ends."""
    last: dict[int, Span] = {}
    try:
        _seek(container, target)
        for packet in container.demux(*streams):
            # A packet that an edit list leaves out is read to decode others, but not shown.
            if packet.pts is not None and not packet.is_discard:
                span = Span(packet.pts, end_of(packet))
                last[packet.stream.index] = max(span, last.get(packet.stream.index, span))
    except av.error.FFmpegError:
        pass  # a damaged end: only the packets before it can be played
    return {index: span.end for index, span in last.items()}


def _announced_end(container: InputContainer, stream: Stream) -> int:
    """Return a stream's end in ticks as its header, its DURATION tag (Matroska) or the container says."""
    assert stream.time_base is not None  # noqa: S101 - every demuxed stream has one
    if stream.duration:
        return (stream.start_time or 0) + stream.duration
    tag = stream.metadata.get("DURATION", "")
    try:
        hours, minutes, seconds = tag.split(":")
        end = int(hours) * 3600 + int(minutes) * 60 + Fraction(seconds)
    except ValueError:
        end = Fraction((container.start_time or 0) + (container.duration or 0), av.time_base)
    return round(end / stream.time_base)


def _timed(stream: Stream, spans: dict[int, Span]) -> dict[str, Any]:
    assert stream.time_base is not None  # noqa: S101 - every demuxed stream has one
    span = spans[stream.index]
    return {
        "index": stream.index,
        "codec": stream.codec_context.codec.canonical_name,
        "start": str(span.start * stream.time_base),
        "end": str(span.end * stream.time_base),
    }


def _packets(container: InputContainer, stream: Any) -> dict[str, Any]:
    """Return the facts for copying audio: its configuration, the grid of its packets, and whether all are on it."""
    facts = {"configuration": _configuration(stream)}
    rate = stream.codec_context.sample_rate
    begins = (stream.start_time or 0) * stream.time_base
    unknown = facts | {"grid": str(begins), "steady": False, "bit_rate": 0}
    if stream.codec_context.name != "aac" or "mp4" not in container.format.name:
        return unknown
    try:
        with Path(path_in(container.name)).open("rb") as file:
            samples = read_samples(file, stream.id)
    except (Unusable, OSError):
        return unknown
    return facts | {
        "grid": str(Fraction(samples.first, samples.scale)),
        "steady": samples.steps == {Fraction(AAC_FRAME * samples.scale, rate)},
        "bit_rate": _densest(samples.sizes, -(-rate // AAC_FRAME)),
    }


def _densest(sizes: Sequence[int], packets: int) -> int:
    """Return the most bits that so many successive packets have."""
    total = array("q", accumulate(sizes, initial=0))
    return 8 * int(max(map(sub, total[min(packets, len(sizes)) :], total)))


def _audio_facts(container: InputContainer, stream: Any, spans: dict[int, Span]) -> dict[str, Any]:
    return (
        _timed(stream, spans)
        | _packets(container, stream)
        | {
            "channels": stream.codec_context.channels,
            "sample_rate": stream.codec_context.sample_rate,
            "language": _language(stream),
            "title": tag_of(stream.metadata, "title") or None,
            "default": bool(stream.disposition & stream.disposition.default),
        }
    )


def _subtitle_tracks(container: InputContainer, notes: list[str]) -> list[dict[str, Any]]:
    """Return the subtitles that are text, and note those that are images or that no decoder can read."""
    found = []
    for stream in container.streams.subtitles:
        context: Any = stream.codec_context  # None where there is no decoder
        is_captions = context is not None and context.codec.canonical_name in CAPTION_TRACKS
        if context is not None and context.codec.text_sub and not is_captions:
            found.append(_subtitle_facts(stream))
            continue
        about = ", ".join(
            filter(None, (context.codec.canonical_name if context else "of an unknown kind", _language(stream)))
        )
        is_bitmap = context is not None and context.codec.bitmap_sub
        what = "are images" if is_bitmap else "are closed captions" if is_captions else "cannot be read as text"
        notes.append(f"the subtitles #{stream.index} ({about}) {what} and are not offered")
    return found


def _subtitle_facts(stream: Any) -> dict[str, Any]:
    disposition = stream.disposition
    return {
        "index": stream.index,
        "codec": stream.codec_context.codec.canonical_name,
        "language": _language(stream),
        "title": tag_of(stream.metadata, "title") or None,
        "default": bool(disposition & disposition.default),
        "forced": bool(disposition & disposition.forced),
        "hearing_impaired": bool(disposition & disposition.hearing_impaired),
    }


def _language(stream: Any) -> str | None:
    language = tag_of(stream.metadata, "language") or None
    return None if language in {None, "und", ""} else language
