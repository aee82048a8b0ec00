"""Which ffmpeg is used: the one that is set, else that of PATH, else that of the wheel; or the fastest of them.

Builds of ffmpeg differ in how long they take to start, and in how fast they encode. A viewer waits for both: for a
process that starts, and goes on to the end of the first segment. So that is what is timed, with the same command line
as for any film.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import tempfile
import time
from array import array
from contextlib import suppress
from dataclasses import astuple, dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hls_sessions.errors import FfmpegNotFound
from hls_sessions.ffmpeg.binary import inspect_binary
from hls_sessions.ffmpeg.binary_cache import LONGEST, identity, remembered
from hls_sessions.ffmpeg.commands import plan_run
from hls_sessions.ffmpeg.methods import methods
from hls_sessions.ffmpeg.process import Process
from hls_sessions.media import Media, Presentation, VideoTrack

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from hls_sessions.ffmpeg.process import Exit

FASTEST: Final = "fastest"
"""The setting that takes the fastest candidate. A program of this name can be set by its path."""

ROUNDS: Final = 3
"""How often each is timed, in turn with the others, so that a machine that gets busy slows all of them."""

LIMIT: Final = 20.0
"""Seconds that a candidate may take to start, or to encode a second of film."""

LEAD: Final = 0.05
"""By how much of its time a candidate must beat one that comes before it: noise alone must not change the ffmpeg from
start to start, because the segments of another one are made again."""

WHILE: Final = 3600.0
"""Seconds for which a choice is good in which a candidate failed: it may be a passing fault."""

FILM_SIZE, FILM_RATE, FILM_FRAMES, FILM_HEIGHT = (1920, 1080), 25, 60, 720
"""The film that is encoded, and the height that it is encoded to."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """An ffmpeg that may be used, and how fast it is here."""

    origin: str
    """Where it was found: ``setting``, ``PATH`` or ``wheel``."""
    path: str
    version: str | None = None
    start_up: float | None = None
    """Seconds that it takes to start and end; None where it was not timed."""
    first_segment: float | None = None
    """Seconds from its start to the end of the first segment, 1080p to 720p; None where it was not timed."""
    fault: str | None = None
    """Why it cannot be used; None when it works."""


def find(setting: str | Path | None = None) -> str:
    """Return the path of ffmpeg: the setting, else PATH, else the ``imageio-ffmpeg`` wheel.

    For ``fastest`` it is the fastest of these, which takes a few seconds where there are several, and is kept.

    Raises:
        FfmpegNotFound: none of them is there, or works; or the setting names no program.
    """
    if setting == FASTEST:
        return _fastest(find_all())
    if setting:
        found = shutil.which(os.path.expanduser(str(setting)))  # noqa: PTH111 - may be a bare name
        if found is None:
            raise FfmpegNotFound([str(setting)])
        return found
    return shutil.which("ffmpeg") or _from_wheel()


def find_all(setting: str | Path | None = None) -> list[Candidate]:
    """Return every ffmpeg that is there, in the order in which they are looked for.

    Raises:
        FfmpegNotFound: none is there, or the setting names no program.
    """
    found = [Candidate("setting", find(setting))] if setting and setting != FASTEST else []
    if on_path := shutil.which("ffmpeg"):
        found.append(Candidate("PATH", on_path))
    try:
        found.append(Candidate("wheel", _from_wheel()))
    except FfmpegNotFound:
        if not found:
            raise
    return list({os.path.realpath(each.path): each for each in reversed(found)}.values())[::-1]


def compare(found: Sequence[Candidate]) -> list[Candidate]:
    """Time candidates. One that does not work has a fault."""
    inspected = [_inspected(each) for each in found]
    working = {each.path: each for each in inspected if each.fault is None}
    took: dict[str, list[float]] = {path: [] for path in working}
    try:
        with tempfile.TemporaryDirectory(prefix="hls_sessions-") as folder:
            film = _film(Path(folder, "film.mp4"), working)
            for path in list(took) * ROUNDS:
                if working[path].fault is None:
                    try:
                        took[path].append(_first_segment(path, film, Path(folder)))
                    except ValueError as error:
                        working[path] = replace(working[path], fault=str(error))
    except OSError as error:
        fault = f"it could not be timed ({error.strerror or error})"
        working = {path: replace(each, fault=fault) for path, each in working.items()}
    for path, each in took.items():
        if working[path].fault is None:
            working[path] = replace(working[path], first_segment=statistics.median(each))
    return [working.get(each.path, each) for each in inspected]


def fastest(compared: Iterable[Candidate]) -> Candidate | None:
    """Return the fastest of candidates that were timed; None when none works."""
    best: Candidate | None = None
    for each in compared:
        if each.first_segment is None or each.fault is not None:
            continue
        if best is None or best.first_segment is None or each.first_segment < best.first_segment * (1 - LEAD):
            best = each
    return best


def start_up(path: str) -> float:
    """Return the seconds that an ffmpeg takes to start and end.

    Raises:
        FfmpegNotFound: it does not run.
    """
    took = []
    for _ in range(ROUNDS):
        begun = time.monotonic()
        try:
            subprocess.run(  # noqa: S603 - an argument list, no shell
                [path, "-version"], stdin=subprocess.DEVNULL, capture_output=True, timeout=LIMIT, check=True
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise FfmpegNotFound([path]) from error
        took.append(time.monotonic() - begun)
    return statistics.median(took)


def _fastest(found: Sequence[Candidate]) -> str:
    """Choose the fastest candidate, as it was found out before where nothing has changed.

    Raises:
        FfmpegNotFound: none works.
    """
    if len(found) == 1:
        return found[0].path

    def ask() -> list[list[object]]:
        return [list(astuple(each)) for each in compare(found)]

    def good_for(answer: list[list[object]]) -> float:
        return LONGEST if all(fault is None for *_, fault in answer) else WHILE

    others = [identity(each.path) for each in found[1:]]
    path = found[0].path
    answer = ask() if None in others else remembered(path, FASTEST, ask, others, os.cpu_count(), good_for=good_for)
    compared = [Candidate(*each) for each in answer]
    chosen = fastest(compared)
    if chosen is None:
        raise FfmpegNotFound([f"{each.path}: {each.fault}" for each in compared])
    return chosen.path


def _from_wheel() -> str:
    try:
        from imageio_ffmpeg import get_ffmpeg_exe  # noqa: PLC0415 - an extra; absent on most machines
    except ImportError as error:
        raise FfmpegNotFound(["PATH", "the imageio-ffmpeg wheel"]) from error
    try:
        return str(get_ffmpeg_exe())
    except RuntimeError as error:
        raise FfmpegNotFound(["PATH", "the imageio-ffmpeg wheel"]) from error


def _inspected(candidate: Candidate) -> Candidate:
    try:
        seconds = start_up(candidate.path)
        binary = inspect_binary(candidate.path)
    except FfmpegNotFound:
        return replace(candidate, fault="it does not run, or is no ffmpeg")
    lacks = " and ".join(binary.missing_encoders)
    return replace(
        candidate, version=binary.version, start_up=seconds, fault=f"it lacks the encoder {lacks}" if lacks else None
    )


def _film(path: Path, makers: Iterable[str]) -> Presentation:
    """Have a film made by the first that can; return how it is offered. When no maker can, it will be missing."""
    width, height = FILM_SIZE
    for maker in makers:
        argv = [maker, "-v", "error", "-nostdin", "-y", "-f", "lavfi"]
        argv += ["-i", f"testsrc2=size={width}x{height}:rate={FILM_RATE}", "-frames:v", str(FILM_FRAMES)]
        argv += ["-pix_fmt", "yuv420p", "-c:v", "libx264", "-preset", "ultrafast", "-g", str(FILM_RATE)]
        argv += ["-video_track_timescale", str(FILM_RATE), str(path)]
        with suppress(OSError, subprocess.SubprocessError):
            subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=LIMIT, check=True)  # noqa: S603 - an argument list, no shell
            break
    tick = Fraction(1, FILM_RATE)
    video = VideoTrack(
        index=0,
        codec="h264",
        width=width,
        height=height,
        time_base=tick,
        start=Fraction(0),
        end=FILM_FRAMES * tick,
        frame_rate=Fraction(FILM_RATE),
        frame_times=array("q", range(FILM_FRAMES)),
    )
    return Presentation.of(Media(path, "mov,mp4,m4a,3gp,3g2,mj2", Fraction(0), video, ()))


def _first_segment(path: str, film: Presentation, folder: Path) -> float:
    """Return the seconds that an ffmpeg takes for the first segment of a film.

    Raises:
        ValueError: it does not make it.
    """
    rendition = next(each for each in film.video if each.height == FILM_HEIGHT)
    ends: list[Exit] = []
    with tempfile.TemporaryDirectory(dir=folder) as made:
        run = plan_run(inspect_binary(path), film, rendition, methods(rendition)[0], 0, Path(made), 0)
        begun = time.monotonic()
        process = Process(run.argv, ends.append)
        if not process.wait(LIMIT):
            process.kill()
            process.wait(LIMIT)
            raise ValueError(f"it did not encode a segment within {LIMIT:g} seconds")
        took = time.monotonic() - begun
        if ends[0].code != 0 or not Path(made, "0.m4s").exists():
            raise ValueError(ends[0].cause or f"it {ends[0]}, and made no segment")
    return took
