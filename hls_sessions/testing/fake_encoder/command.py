"""One run of the fake ffmpeg: reads the command line of a real one, and writes its segments as it was told to."""

from __future__ import annotations

import os
import sys
import time
from itertools import pairwise

from .boxes import audio_init, filled, fragment, video_init
from .films import Unknown, frame_times
from .h264 import Grey

AAC_FRAME = 1024
"""Samples of one packet."""

SILENCE = {
    "1": bytes.fromhex("01182007"),
    "2": bytes.fromhex("211004608c1c"),
    "6": bytes.fromhex("011820010880230460231004608c1c230000e0"),
}
"""A packet of AAC in which nothing is heard, by the number of channels."""

GARBAGE = b"This is no segment. " * 50

LEAST_SCALE = 10_000
"""Ticks that a second of video has at least, as in ffmpeg's movenc.c."""

NOT_FAKED = 234
"""The exit code of a run that the fake ffmpeg cannot make: that of a real one which does not know an option."""

TYPE_CHECKING = False  # typing takes long to import
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TypedDict

    class Behaviour(TypedDict):
        """The fields of a FakeRun."""

        speed: float | None
        bit_rate: int | None
        start_delay: float
        end_after: int | None
        stall_after: int | None
        crash_after: int | None
        says: str
        code: int
        garbage: tuple[int, ...]
        ignore_sigterm: bool

    Segment = tuple[int, float, bytes]
    """Its number, how many seconds of media it has, and its bytes."""


def main(runs: str, behaviours: list[Behaviour], arguments: list[str]) -> int:
    """Make what a command line asks for.

    Args:
        runs: the file in which a line is written for each run.
        behaviours: how the runs of a rendition behave, one after another; the last also holds for all that follow.
        arguments: the command line without the program.

    Returns:
        The exit code.
    """
    folder = os.path.dirname(arguments[_pattern(arguments)])  # noqa: PTH120 - pathlib takes long to import
    number = _note(runs, os.path.dirname(folder))  # noqa: PTH120 - the same
    behaviour = behaviours[min(number, len(behaviours) - 1)]
    if behaviour["ignore_sigterm"]:
        import signal  # noqa: PLC0415 - it takes some milliseconds

        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(behaviour["start_delay"])
    try:
        return _write(_segments(arguments), folder.replace("%%", "%"), behaviour)
    except (Unknown, OSError) as error:
        print(error, file=sys.stderr)  # noqa: T201 - as ffmpeg does
        return NOT_FAKED


def _pattern(arguments: list[str]) -> int:
    """Return which argument names the files."""
    return next(at for at, argument in enumerate(arguments) if argument.endswith("/%d.m4s"))


def _note(runs: str, rendition: str) -> int:
    """Write a line for this run, and return how many its rendition had before."""
    import fcntl  # noqa: PLC0415 - not on every system

    with open(runs, "a+b") as file:  # noqa: PTH123 - pathlib takes long to import
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        line = os.fsencode(rendition)
        before = file.read().split(b"\n").count(line)
        file.write(line + b"\n")
    return before


def _write(segments: Iterator[Segment], folder: str, behaviour: Behaviour) -> int:
    """Write segments, and misbehave after as many as was asked for, in the middle of the next if there is one."""
    made = 0
    for number, seconds, data in segments:
        if made == behaviour["end_after"]:
            return 0
        content = GARBAGE if number in behaviour["garbage"] else filled(data, seconds, behaviour["bit_rate"])
        with open(f"{folder}/{number}.m4s", "wb", buffering=0) as file:  # noqa: PTH123 - pathlib takes long to import
            file.write(content[: len(content) // 2])
            if made in {behaviour["stall_after"], behaviour["crash_after"]}:
                return _misbehave(made, behaviour)
            if behaviour["speed"]:
                time.sleep(seconds / behaviour["speed"])
            file.write(content[len(content) // 2 :])
        made += 1
    return _misbehave(made, behaviour)


def _misbehave(made: int, behaviour: Behaviour) -> int:
    """Stall or crash, if that was asked for after so many segments; return the exit code."""
    while made == behaviour["stall_after"]:
        time.sleep(3600)
    if made != behaviour["crash_after"]:
        return 0
    print(behaviour["says"], file=sys.stderr, flush=True)  # noqa: T201 - as ffmpeg does
    if behaviour["code"] < 0:
        os.kill(os.getpid(), -behaviour["code"])
    return behaviour["code"]


def _segments(arguments: list[str]) -> Iterator[Segment]:
    """Make the segments of a run, one after another."""
    at = _pattern(arguments)
    pairs = pairwise(arguments[:at])
    options = {name: value for name, value in pairs if name.startswith("-")}
    offset = float(options["-segment_format_options"].rpartition("output_ts_offset=")[2])
    return (_audio if "-ar" in options else _video)(options, offset)


def _video(options: dict[str, str], offset: float) -> Iterator[Segment]:
    """Make video: a keyframe at each boundary, and a frame for each other one of the film."""
    numerator, denominator = map(int, options["-enc_time_base"].split(":"))
    tick, scale = numerator / denominator, denominator
    while scale < LEAST_SCALE:
        scale *= 2
    width, height = map(int, _after(options["-filter_complex"], "scale=").split(":")[:2])
    parameter_sets = int(options.get("-x264-params", "").partition("sps-id=")[2] or 0)
    grey = Grey(width, height, round(float(options["-level:v"]) * 10), parameter_sets)
    init = video_init(width, height, scale, grey.configuration())
    in_band = "dump_extra" in options.get("-bsf:v", "")
    begins = [float(forced) / tick for forced in options["-force_key_frames"].split(",")]
    times = _times(options, begins, tick)
    at = 0
    ends = [*begins[1:], float(options["-to"]) / tick if "-to" in options else float("inf")]
    for number, end in enumerate(ends, int(options["-segment_start_number"])):
        first = at
        while at < len(times) and times[at] < end:
            at += 1
        shown = times[first : at + 1]
        if at == first:
            return
        if at == len(times):  # the last frame is shown for as long as the one before it, or for a second
            shown.append(2 * shown[-1] - times[-2] if len(times) > 1 else shown[-1] + 1 / tick)
        # Each is computed by itself, so that no rounding adds up.
        written = [round((each * tick + offset) * scale) for each in shown]
        samples = [
            (following - each, grey.repeat(index) if index else grey.keyframe(number, in_band=in_band))
            for index, (each, following) in enumerate(pairwise(written))
        ]
        data = init + fragment(written[0], samples, all_sync=False)
        yield number, (written[-1] - written[0]) / scale, data


def _times(options: dict[str, str], begins: list[float], tick: float) -> list[float]:
    """Return when the frames of a run are shown, in ticks."""
    graph = options["-filter_complex"]
    if "tpad=" in graph:
        # The last frame of the film, once for each segment.
        first, step = float(_after(graph.rpartition("setpts=")[2], "PTS+")), float(_after(graph, "setpts=N*"))
        return [first + number * step for number in range(len(begins))]
    shift = int(_after(graph, "setpts=PTS+") or 0)
    stream = int(graph.partition("]")[0].partition(":")[2])
    part, _, film = options["-i"].partition("file:")
    if part and not part.startswith("subfile,,start,0,"):
        raise Unknown("the fake ffmpeg reads films from their first byte on")
    trimmed = float(_after(graph, "trim=start=")) / tick
    found = frame_times(film, options["-format_whitelist"], stream, tick)
    times = [float(each + shift) for each in found if each >= trimmed]
    if times and (earlier := _after(options.get("-bsf:v", ""), "STARTPTS*")):
        times[0] = float(round(times[0] * float(earlier)))
    return times


def _audio(options: dict[str, str], offset: float) -> Iterator[Segment]:
    """Make silence, in packets that begin where those of a real run do."""
    channels, rate = options["-ac"], int(options["-ar"])
    if channels not in SILENCE:
        raise Unknown(f"the fake ffmpeg makes no audio with {channels} channels")
    init = audio_init(int(channels), rate)
    # The first packet is the encoder's priming.
    packet = int(_after(options["-filter_complex"], "atrim=start_pts=")) - AAC_FRAME
    # Cuts are counted from the first packet, as ffmpeg does from 7.0 on.
    cuts = [packet + float(cut) * rate for cut in options.get("-segment_times", "").split(",") if cut]
    end = float(options["-to"]) * rate
    for number, cut in enumerate([*cuts, end], int(options["-segment_start_number"])):
        count = int(max(0, -(-(min(cut, end) - packet) // AAC_FRAME)))
        if not count:
            return
        samples = [(AAC_FRAME, SILENCE[channels])] * count
        data = init + fragment(packet + round(offset * rate), samples, all_sync=True)
        yield number, count * AAC_FRAME / rate, data
        packet += count * AAC_FRAME


def _after(text: str, name: str) -> str:
    """Return the rest of a filter's arguments after a name, up to the next filter; empty where it is not there."""
    rest = text.partition(name)[2]
    for end in ("[", ")", ":dts"):
        rest = rest.partition(end)[0]
    return rest
