"""The command lines. One run makes one rendition of one file from a given segment on.

Each output file begins with a header of its own (the segment muxer's default) instead of sharing one written by
``-segment_header_filename``: with a shared one the muxer goes on counting from the guessed duration of a segment's
last frame, and the first frame of the next segment moves by the error of that guess (up to 1 ms from Matroska's
whole milliseconds, more with a variable frame rate). A header each makes every first frame exact.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from typing import TYPE_CHECKING, Any

import ffmpeg

from hls_sessions.media import (
    AAC_FRAME,
    OFFSET,
    SURROUND_CHANNELS,
    AudioRendition,
    CopiedVideo,
    VideoRendition,
    aac_frame_at,
)

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from hls_sessions.ffmpeg.binary import Binary
    from hls_sessions.ffmpeg.methods import Method
    from hls_sessions.ffmpeg.sandbox import Access
    from hls_sessions.media import Cuts, Media, Presentation, Rendition, VideoTrack

FILM, SEGMENTS = "<film>", "<segments>"
"""The places of file names in a command. ffmpeg-python takes UTF-8 alone, and a name is any bytes."""

MOST_PIXELS = 100_000_000
"""Pixels of a picture: those of 12K. An encoder holds dozens of pictures. Also of one that grows in the middle."""

HORIZON = 600
"""Segments one run is planned for at most: their times are one argument, and Linux allows 128 KiB for that."""

AUDIO_PREROLL = 2
"""AAC frames encoded before the first that is kept, so that the encoder's state has settled."""

TONE_MAPPING = {"zscale", "tonemap"}
"""The filters that turn a high dynamic range into a standard one; without them the video looks pale."""

EXACT_SEEK = ("mp4", "matroska")
"""Containers, as ffmpeg spells them, in which a seek lands on the keyframe before a time, or later by no more than the
``seek_margin`` of the video."""

RETIMING = {"setts"}
"""The bitstream filter that sets decode times; ffmpeg has it from 4.4 on, and gets no B-frames before."""

DECODED_JUST_BEFORE = "setts=pts=PTS:dts=if(lt(N\\,2)*{}\\,STARTPTS-2+N\\,DTS)"
"""Decodes the first two frames of a run, on a condition, just before the first is shown."""

SHOWN_EARLIER = (
    "setts=pts=if(N\\,PTS\\,STARTPTS*{0:.12f}):dts=if(gt(N\\,2)\\,DTS\\,if(N\\,STARTPTS-3+N\\,STARTPTS*{0:.12f}))"
)
"""Shows the first frame of a run earlier, at a share of its time, and decodes it then. The next two are decoded just
before its own time, because the third would last from then on until the others begin.

The encoder is not told. Of a frame that lasts for seconds, x264 makes a grey one."""

LEAST_LATE = 4
"""Ticks by which a first frame must be shown earlier to leave room for the decode times of the next two."""

HELD_MARGIN = 1
"""Seconds before the expected end of video that are read to find its last frame."""

SEEK_MARGIN = 12
"""Seconds read before the wanted frame in other containers (MPEG-TS), where a seek lands anywhere: a keyframe must come
first."""

FARTHER_BACK = (0, 12, 120)
"""Seconds by which the tries of a segment read from before that: the first, the second, and all further ones."""

LIGHT = Fraction(5, 2)
"""Seconds of film that a run may decode before its first frame and still begin lightly: a GOP of two seconds, which has
2.002 at 30000/1001 frames per second. A run that begins at a keyframe is read from the one before it."""

AUDIO_SEEK_MARGIN = Fraction(1, 4)
"""Seconds that audio is read from before its first wanted sample."""

LAYOUTS = {1: "mono", 2: "stereo", SURROUND_CHANNELS: "5.1"}
"""The channel layouts of AAC by the number of channels. Two layouts are called 5.1; this one the encoder takes."""

LONGEST_SHIFT = 0.05
"""Seconds by which audio may be heard too early or too late before silence is added, or audio left out, to mend it."""

SHORTEST_HOLE = "0.00001"
"""Seconds, less than a sample."""

LEAD = 64
"""Samples of the silence behind which the hole before late audio is filled. In other audio they come before the first
sample, and are cut off."""

LATEST_AUDIO = (20, 3600)
"""Seconds by which the first decoded audio of a run may be late and still have silence before it from the run's
beginning on: in the first try of a segment, and in further ones."""

SILENCE_BEFORE_CHANGE = 4
"""Seconds of silence before audio that begins later than that, because the audio has changed in the middle of the run.
They cover what was lost in the change, and cost the encoder 20 ms."""

FIRST_OF_EACH_TIME = f"noise=drop=if(lt(pts\\,ld(0))*n\\,1\\,0*st(0\\,pts+{AAC_FRAME // 2}))"
"""Drops every packet that begins before the end of the last one that was kept."""

FORMAT_OPTIONS = {
    "movflags": "+frag_keyframe+empty_moov+default_base_moof+skip_trailer+frag_discont",
    "avoid_negative_ts": "disabled",
    "use_editlist": "0",
}


@dataclass(frozen=True, slots=True)
class Run:
    """The plan of one ffmpeg process."""

    argv: tuple[str, ...]
    first: int
    """The first segment that is kept; a file of a lower number is pre-roll."""
    last: int
    """The last segment it is planned to make."""
    method: Method
    access: Access | None = None
    """What the process may use; None for everything."""


def plan_run(
    binary: Binary,
    presentation: Presentation,
    rendition: Rendition,
    method: Method,
    segment: int,
    folder: Path,
    until: int | None = None,
    tries: int = 0,
) -> Run:
    """Return the command that makes a rendition by a method from a segment on, a file ``<n>.m4s`` each, in a folder.

    Args:
        binary: the ffmpeg that runs it.
        presentation: the film.
        rendition: the rendition.
        method: how it is encoded.
        segment: the first segment.
        folder: where the files are written.
        until: the last segment that is wanted; None for the whole film. A run may be planned for fewer.
        tries: how often the first segment was tried before. Each further try reads from farther back, because an index
            may be wrong, and a film may have no keyframe for longer than is allowed for.
    """
    cuts = presentation.cuts(rendition.id)
    # Segments that show the last frame on have a run of their own.
    end = cuts.last_of_track if segment <= cuts.last_of_track else cuts.made.stop - 1
    last = min(end if until is None else until, end, segment + HORIZON - 1)
    task = _Task(binary, presentation, method, cuts, segment, last, tries)
    shift = Fraction(0)
    match rendition:
        case VideoRendition() | CopiedVideo():
            encoded = rendition.instead if isinstance(rendition, CopiedVideo) else rendition
            if segment > cuts.last_of_track:
                stream, written = _held_video(task, encoded)
            else:
                shift = _shift(rendition.track, cuts) if segment == 0 else shift
                stream, written = _video(task, encoded, shift)
        case AudioRendition():
            stream, written = _audio(task, rendition)
    offset = OFFSET - presentation.timeline.origin - shift
    options = ":".join(f"{key}={value}" for key, value in FORMAT_OPTIONS.items())
    output = ffmpeg.output(
        stream,
        SEGMENTS,
        **written,
        map_metadata=-1,
        map_chapters=-1,
        avoid_negative_ts="disabled",
        f="segment",
        segment_format="mp4",
        segment_format_options=f"{options}:output_ts_offset={_seconds(offset)}",
    )
    command = output.global_args(
        "-hide_banner", "-nostdin", "-loglevel", "warning", "-copyts", "-max_error_rate", "1", *method.encoder.device
    )
    # A percent sign of the folder is not the number's.
    names = {FILM: _url(presentation.media), SEGMENTS: str(folder).replace("%", "%%") + "/%d.m4s"}
    argv = tuple(names.get(argument, argument) for argument in ffmpeg.compile(command, cmd=binary.path))
    encoder = method.encoder
    access = None
    if binary.sandbox is not None and encoder.works_confined:
        access = binary.sandbox.around(presentation.media.path.absolute(), folder.absolute(), encoder.devices)
    return Run(argv, segment, last, method, access)


@dataclass(frozen=True, slots=True)
class _Task:
    """What one run is to make, and by what."""

    binary: Binary
    presentation: Presentation
    method: Method
    cuts: Cuts
    first: int
    last: int
    tries: int

    @property
    def begins(self) -> Fraction:
        """When its first frame begins."""
        return self.cuts.start(self.first)

    @property
    def boundaries(self) -> list[Fraction]:
        """When each segment but the first begins."""
        return [self.cuts.start(number) for number in range(self.first + 1, self.last + 1)]

    @property
    def ends_film(self) -> bool:
        """Whether no segment comes after its last one."""
        return self.cuts.is_last(self.last)

    @property
    def retimes(self) -> bool:
        """Whether decode times can be set."""
        return self.binary.bitstream_filters >= RETIMING

    def decodes_ahead(self, track: VideoTrack) -> bool:
        """Whether there are B-frames.

        Without B-frames nothing is decoded ahead, and no decode time need be set. A method that goes on where another
        has ended decodes ahead as that one did.
        """
        late = (track.start - self.cuts.first) / track.time_base
        has_times = track.opening < OFFSET and not 0 < late < LEAST_LATE
        return self.method.b_frames and has_times and (self.retimes or (self.method.in_band and late <= 0))


def _shift(track: VideoTrack, cuts: Cuts) -> Fraction:
    """Return the seconds to add to all times of a run whose first frame is shown earlier than in the file; else 0.

    Its first frame is then shown at about one second, so that a bitstream filter can reckon times from it. Up to 5.1,
    the filter is told another TB than the one it counts in: only ratios can be relied on.
    """
    if track.start <= cuts.first:
        return Fraction(0)
    return ceil(1 / track.time_base) * track.time_base - cuts.first


def _video(task: _Task, rendition: VideoRendition, shift: Fraction) -> tuple[Any, dict[str, Any]]:
    track, base, cuts, begins = rendition.track, rendition.track.time_base, task.cuts, task.begins
    source = _from(task, begins - cuts.slack if task.first else None, max_pixels=MOST_PIXELS)[str(track.index)]
    # Packets before the first frame have no time, and a decoder guesses one; up to 5.1, frames of AV1 that an edit list
    # leaves out are shown. This is needed after an exact seek too: versions of ffmpeg disagree on where a container
    # starts (Opus in Matroska), and count the seek from there.
    source = source.filter("trim", start=_seconds((begins if task.first else track.start) - cuts.slack))
    b_frames = task.decodes_ahead(track)
    first, decoded = "PTS", None
    if shift and task.retimes:
        decoded = SHOWN_EARLIER.format(float((begins + shift) / (track.start + shift)))
    elif shift:
        first = f"if(eq(N,0),{begins / base},PTS)"
    elif b_frames and task.retimes:
        # hls.js takes the first decode time of all for the beginning.
        decoded = _decoded_after(track, begins) if task.first else DECODED_JUST_BEFORE.format("1")
    if shift:
        source = source.filter("setpts", f"{first}+{shift / base}")
    ends = {} if task.ends_film else {"to": _seconds(cuts.end(task.last) - cuts.slack + shift)}
    frames = _filtered_frames(source, rendition, task.binary)
    return task.method.encoder.take(frames), _encoded(task, rendition, decoded, shift, b_frames=b_frames) | ends


def _held_video(task: _Task, rendition: VideoRendition) -> tuple[Any, dict[str, Any]]:
    """Show the last frame of the video on, as one keyframe for each segment."""
    track, base, cuts = rendition.track, rendition.track.time_base, task.cuts
    held = len(cuts) - cuts.held
    step = cuts.end(held) - cuts.start(held)
    landing = track.end - HELD_MARGIN if track.frame_times is None else track.frame_times[-1] * base - cuts.slack
    source = _from(task, landing if landing > track.start else None, max_pixels=MOST_PIXELS)[str(track.index)]
    frames = (
        _filtered_frames(source, rendition, task.binary)
        .filter("tpad", stop=-1, stop_mode="clone")
        .filter("trim", start=_seconds(track.end - cuts.slack))
        .filter("settb", f"{base.numerator}/{base.denominator}")
        .filter("setpts", f"N*{step / base}")
        # The frame rate tells the muxer how long the last frame of a file lasts.
        .filter("fps", f"{step.denominator}/{step.numerator}")
        .filter("settb", f"{base.numerator}/{base.denominator}")
        .filter("setpts", f"PTS+{task.begins / base}")
    )
    # All are keyframes, which need no frame before them.
    decoded = "setts=pts=PTS:dts=PTS" if task.retimes else None
    b_frames = task.decodes_ahead(track) and task.retimes
    ends = {"frames:v": task.last - task.first + 1}
    return task.method.encoder.take(frames), _encoded(task, rendition, decoded, Fraction(0), b_frames=b_frames) | ends


def _encoded(
    task: _Task, rendition: VideoRendition, decoded: str | None, shift: Fraction, *, b_frames: bool
) -> dict[str, Any]:
    """Spell how video is encoded and cut; ``decoded`` is the bitstream filter that sets decode times."""
    base, encoder, slack = rendition.track.time_base, task.method.encoder, task.cuts.slack
    begins, boundaries = task.begins + shift, [boundary + shift for boundary in task.boundaries]
    return {
        "c:v": encoder.name,
        **encoder.options(rendition, b_frames=b_frames),
        **_filtered(
            encoder.bitstream_filter(rendition),
            # A player that holds the init segment of another method finds the parameter sets of this one in the video.
            "dump_extra=freq=keyframe" if task.method.in_band else None,
            decoded,
        ),
        # Before 7.0 the filters do not tell the encoder.
        **(
            dict.fromkeys(("color_primaries", "color_trc", "colorspace"), "bt709")
            if _is_tone_mapped(rendition.track, task.binary)
            else {}
        ),
        # Keyframes at the boundaries of the timeline; the encoder's options forbid all others.
        "force_key_frames": _times(boundary - slack for boundary in [begins, *boundaries]),
        # Every frame keeps its own time, in the ticks of the file: none is repeated, dropped or moved.
        task.binary.sync_option: "passthrough",
        "enc_time_base": f"{base.numerator}:{base.denominator}",
        "segment_start_number": task.first,
        **_cut_video_at(boundaries, begins, task.cuts, task.binary),
    }


def _cut_video_at(boundaries: list[Fraction], begins: Fraction, cuts: Cuts, binary: Binary) -> dict[str, str]:
    if cuts.exact or binary.absolute_segment_times:
        return _cut_at((boundary - cuts.slack for boundary in boundaries), begins, binary)
    # Times cannot be counted from a first frame that is only expected. So every keyframe is a cut: there are no others.
    return {"segment_time": "0.000001"}


def _filtered(*filters: str | None) -> dict[str, str]:
    used = ",".join(filter(None, filters))
    return {"bsf:v": used} if used else {}


def _decoded_after(track: VideoTrack, begins: Fraction) -> str | None:
    """Keep a run's first decode times after the last ones of the segment before it, which another run may have made.

    x264 decodes two frames ahead, and at first as long ahead as the first two frames are shown. Where these are shown
    for longer than the three before them, that is back in time, and libavformat drops a frame that goes back in time.
    Just before its presentation is late enough for all that is before, and early enough for all that follows.
    """
    times, after = track.frame_times, "1"
    if times is not None:
        at = bisect_left(times, begins / track.time_base)
        if at + 2 < len(times) and times[at + 2] - times[at] < times[at] - times[max(0, at - 3)]:
            return None
    elif begins >= 1:
        # Up to 5.1, the filter is told another TB than the one it counts in: only ratios can be relied on.
        ratio = Fraction(5, 2) / track.frame_rate / begins
        after = f"gt((STARTPTS-STARTDTS)/STARTPTS\\,{float(ratio):.9f})"
    return DECODED_JUST_BEFORE.format(after)


def _audio(task: _Task, rendition: AudioRendition) -> tuple[Any, dict[str, Any]]:
    cuts, rate = task.cuts, rendition.sample_rate
    frame = Fraction(AAC_FRAME, rate)
    begins, boundaries, number = task.begins, task.boundaries, task.first
    if task.first == 0 and rendition.track.copy and rendition.copied:
        # A segment that is encoded in place of a copy has its packets where the copy would have them.
        begins = aac_frame_at(begins, rendition.track.copy.grid, rate)
    # Silence after the audio has no end of its own. The last frame is a whole one.
    end = aac_frame_at(cuts.end(task.last), begins, rate) if task.ends_film else cuts.end(task.last) - cuts.slack
    sample = begins
    if task.first:
        # The pre-roll becomes a file of its own, one number lower, which is never published.
        sample = begins - AUDIO_PREROLL * frame
        boundaries, number = [begins, *boundaries], task.first - 1
    if task.method.silent:
        audio = ffmpeg.input("anullsrc", f="lavfi").filter("asetpts", f"PTS+{float(sample):.6f}/TB")
    else:
        audio = _from(task, sample - AUDIO_SEEK_MARGIN if task.first else None)[str(rendition.track.index)]
    if task.method.guarded:
        audio = audio.filter("aeval", "if(isnan(val(ch)),0,clip(val(ch),-1,1))", c="same")
    audio = _from_sample(task, audio, round(sample * rate), rendition)
    return audio, {
        "c:a": "aac",
        "ac": rendition.channels,
        "ar": rate,
        "b:a": rendition.bit_rate,
        **({"bsf:a": FIRST_OF_EACH_TIME} if task.binary.drops_packets else {}),
        "segment_start_number": number,
        # The encoder's first packet is its priming, one frame before the first sample.
        **_cut_at((boundary - cuts.slack for boundary in boundaries), sample - frame, task.binary),
        "to": _seconds(end),
    }


def _from_sample(task: _Task, audio: Any, first: int, rendition: AudioRendition) -> Any:
    """Turn decoded audio into AAC frames from a sample on, with silence in its holes and after its end.

    Where the channels, the rate or the sample format of the audio change, ffmpeg builds these filters anew: they forget
    what they have counted, and lose what they hold. So every time is that of the audio, and frames begin on the same
    grid whenever the filters are built. The new filters begin before the change, with silence in place of what was
    lost. The packets of the frames that come twice are dropped.
    """
    rate = rendition.sample_rate
    latest = LATEST_AUDIO[1 if task.tries or not task.binary.drops_packets else 0] * rate
    frames = f"max(0,floor((PTS-{first})/{AAC_FRAME})-{SILENCE_BEFORE_CHANGE * rate // AAC_FRAME})"
    begins = f"{first}+if(gt(PTS,{first + latest}),{frames}*{AAC_FRAME},-{LEAD})"
    audio = (
        audio.filter("aresample", rate)
        # async=1 keeps audio and video in step over holes, by silence; it never stretches. It counts samples at the
        # filter's input rate, which is certain only after the filter before it (HE-AAC announces half of its rate).
        .filter("aresample", rate, min_hard_comp=LONGEST_SHIFT, **{"async": 1})
        .filter("aformat", channel_layouts=LAYOUTS[rendition.channels])
        .filter("atrim", start_pts=first)
        .filter_multi_output("asplit")
    )
    silence = (
        audio[0].filter("atrim", end_sample=LEAD).filter("volume", 0).filter("asetpts", begins).filter("asettb", "AVTB")
    )
    return (
        # It writes times in AVTB and takes them for ones in the time base that it was given.
        ffmpeg.filter([silence, audio[1].filter("asettb", "AVTB")], "ainterleave")
        .filter("asettb", f"1/{rate}")
        # The one hole that is left is filled, however short it is.
        .filter("aresample", rate, min_comp=SHORTEST_HOLE, min_hard_comp=SHORTEST_HOLE, **{"async": 1})
        .filter("atrim", start_pts=first)
        .filter("apad")
        # If nothing can be decoded, the silence has no time yet.
        .filter("asetpts", f"if(isnan(PTS),{first}+N,PTS)")
        # Up to 5.1 the encoder is given whole frames anyway; since then, the rest of one would move all that follow.
        .filter("asetnsamples", AAC_FRAME)
    )


def _filtered_frames(source: Any, rendition: VideoRendition, binary: Binary) -> Any:
    """Turn the source's frames into the frames to encode, one for one: progressive, upright, square, SDR, 4:2:0."""
    track = rendition.track
    if track.interlaced:
        source = source.filter("yadif", mode="send_frame", deint="interlaced")
    source = source.filter("scale", rendition.width, rendition.height, flags="bicubic", out_range="tv")
    if _is_tone_mapped(track, binary):
        source = (
            source.filter("zscale", tin=track.hdr, min="bt2020nc", pin="bt2020", rin="tv", t="linear", npl=100)
            .filter("format", "gbrpf32le")
            .filter("zscale", p="bt709")
            .filter("tonemap", "hable", desat=0)
            .filter("zscale", t="bt709", m="bt709", r="tv")
        )
    return source.filter("setsar", "1").filter("format", "yuv420p")


def _is_tone_mapped(track: VideoTrack, binary: Binary) -> bool:
    return track.hdr is not None and binary.filters >= TONE_MAPPING


def _from(task: _Task, time: Fraction | None, **options: Any) -> Any:
    """Open the file so that everything from a time on is read; ffmpeg counts ``-ss`` from the container's start."""
    media = task.presentation.media
    seek: dict[str, Any] = {}
    if time is not None:
        landing = time - _seek_margin(media) - FARTHER_BACK[min(task.tries, len(FARTHER_BACK) - 1)]
        # A Matroska cannot be sought to before its video begins: it would land on the first frame.
        if landing > max(media.container_start, media.video.start if media.video else media.container_start):
            seek = {"ss": _seconds(landing - media.container_start)}
    url = _url(media)
    # The whitelist keeps a file's content from naming others.
    protocols = "file,pipe" if url.startswith("file:") else "file,pipe,subfile"
    return ffmpeg.input(FILM, protocol_whitelist=protocols, **_vetted(media, task.binary), **options, **seek)


def _url(media: Media) -> str:
    # The prefix keeps a file's name from being read as a protocol.
    return file_url(media.path, media.size) if media.part is None else part_url(media.path, *media.part)


def file_url(path: Path | str, size: int | None) -> str:
    """Spell the first ``size`` bytes of a file as an input; all of it where the size is not known.

    A file that grows is read as it was when it was opened. Else its last segment would hold all that came later.
    """
    return part_url(path, 0, size) if size else f"file:{path}"


def path_in(url: str) -> str:
    """Return the path in an input that ``file_url`` or ``part_url`` has spelt."""
    return url.partition("file:")[2] if url.startswith("file:") else url.partition(",,:file:")[2]


def _vetted(media: Media, binary: Binary) -> dict[str, str]:
    """Return the options that keep ffmpeg from taking a file for something else than the prober did.

    The demuxer is the one that was found, because another build may take another for the same bytes, and it opens none
    inside of itself. Of the decoders there are those of the tracks that are offered.
    """
    demuxer = media.container.split(",")[0]
    codecs = [*([] if media.video is None else [media.video.codec]), *(track.codec for track in media.audio)]
    decoders = dict.fromkeys(name for codec in codecs for name in binary.decoders.get(codec, (codec,)))
    return {
        "f": demuxer,
        "format_whitelist": demuxer,
        **({"codec_whitelist": ",".join(decoders)} if binary.decoders else {}),
    }


def part_url(path: Path | str, start: int, end: int) -> str:
    """Spell some bytes of a file as an input of its own: all that follows the second comma is the file's URL."""
    return f"subfile,,start,{start},end,{end},,:file:{path}"


def starts_lightly(presentation: Presentation, rendition: Rendition, segment: int) -> bool:
    """Whether a run of video that begins with a segment has to decode little before its first frame.

    Where it is not known which frames are keyframes, it may have to decode much.
    """
    media, cuts = presentation.media, presentation.cuts(rendition.id)
    track = media.video
    if track is None or track.copy is None or not is_sought_exactly(media.container):
        return False
    begins = cuts.start(segment)
    at = bisect_right(track.copy.sync_points, (begins - track.seek_margin) / track.time_base) - 1
    return at >= 0 and begins - track.copy.sync_points[at] * track.time_base <= LIGHT


def is_sought_exactly(container: str) -> bool:
    """Whether a seek in a container, as ffmpeg spells it, lands on the keyframe before a time."""
    return any(name in container for name in EXACT_SEEK)


def _seek_margin(media: Media) -> Fraction | int:
    if not is_sought_exactly(media.container):
        return SEEK_MARGIN
    return media.video.seek_margin if media.video else 0


def _cut_at(boundaries: Iterable[Fraction], first_packet: Fraction, binary: Binary) -> dict[str, str]:
    """Spell where files are cut: as absolute times, or counted from the run's first packet, as the binary counts."""
    counted_from = Fraction(0) if binary.absolute_segment_times else first_packet
    times = _times(boundary - counted_from for boundary in boundaries)
    # Without times the muxer would cut every two seconds.
    return {"segment_times": times} if times else {"segment_time": "1000000"}


def _times(times: Iterable[Fraction]) -> str:
    return ",".join(_seconds(time) for time in times)


def _seconds(time: Fraction) -> str:
    """Write seconds to the microsecond, which is as fine as ffmpeg reads them."""
    return f"{float(time):.6f}"
