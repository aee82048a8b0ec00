"""Which encoders work here: each is made to encode a short film, and judged by the result.

ffmpeg lists the encoders it was built with. Whether there is a card, a driver and a right to use them shows only in a
run, and so does whether forced keyframes come where they were forced. So a trial is a run like all others: the same
command line, and the check before publishing. It takes a few milliseconds where there is no device.
"""

from __future__ import annotations

import logging
import os
import platform
import tempfile
from array import array
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from fractions import Fraction
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING

from hls_sessions.errors import EncoderUnusable
from hls_sessions.ffmpeg.binary_cache import LONGEST, remembered
from hls_sessions.ffmpeg.commands import plan_run
from hls_sessions.ffmpeg.encoders import ENCODERS, SOFTWARE
from hls_sessions.ffmpeg.methods import methods
from hls_sessions.ffmpeg.process import Process
from hls_sessions.ffmpeg.sandbox import devices_there
from hls_sessions.media import (
    BrokenSegment,
    Media,
    Presentation,
    Refused,
    VideoTrack,
    check_segment,
    read_codec,
    read_segment,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hls_sessions.ffmpeg.binary import Binary
    from hls_sessions.ffmpeg.commands import Run
    from hls_sessions.ffmpeg.encoders import Encoder
    from hls_sessions.ffmpeg.process import Exit
    from hls_sessions.media import Rendition

logger = logging.getLogger(__name__)

AUTO = "auto"

FILM = "hls_sessions-trial.y4m"
"""The name of the film, by which a double of ffmpeg can tell a trial."""

LIMIT = 10.0
"""Seconds a trial may take: a card that sleeps takes some to wake up."""

WHILE = 3600.0
"""Seconds for which a trial is good that failed where there is no device."""

WIDTH, HEIGHT, RATE, FRAMES = 640, 360, 10, 9
"""The film's: no smaller than any hardware takes, long enough for a cut, and 3 MB."""


@dataclass(frozen=True, slots=True)
class Trial:
    """The result of trying an encoder."""

    encoder: Encoder
    fault: str | None
    """Why it cannot be used; None when it works."""
    confined: str | None = None
    """Why it works outside of the sandbox alone; None when it works inside, or not at all."""


def choose_encoder(binary: Binary, wanted: str) -> Encoder:
    """Return the encoder of that name or, for ``auto``, the most preferred that works.

    Software is taken untried: there would be nothing to fall back to.

    Raises:
        EncoderUnusable: it does not work here, or there is none of that name.
    """
    if wanted == SOFTWARE.name:
        return SOFTWARE
    hardware = [encoder for encoder in ENCODERS if wanted in {AUTO, encoder.name} and encoder is not SOFTWARE]
    trials = _remembered(binary, hardware)
    chosen = best_encoder(trials, wanted)
    for trial in trials:
        if trial.encoder is chosen and trial.confined is not None:
            logger.warning("%s works outside of the sandbox alone, and is used so: %s", chosen, trial.confined)
    return chosen


def best_encoder(trials: Sequence[Trial], wanted: str) -> Encoder:
    """Choose as ``choose_encoder`` does, among encoders that were tried. Raises the same errors."""
    named = [trial for trial in trials if wanted in {AUTO, trial.encoder.name}]
    working = [trial.encoder for trial in named if trial.fault is None]
    if not working and wanted != AUTO:
        known = f"it is none of {AUTO}, {', '.join(map(str, ENCODERS))}"
        raise EncoderUnusable(wanted, str(named[0].fault) if named else known)
    return next(iter(working), SOFTWARE)


def _remembered(binary: Binary, encoders: Sequence[Encoder]) -> list[Trial]:
    """Return the results of trials, which are kept where they are likely to be the same the next time.

    That of an encoder that worked is, because one that works no more is found out by its runs, and software takes over.
    A card on which an encoder failed that would be preferred may have been busy, or asleep. It is tried at each start,
    or all films would be encoded by less. Where there is no card, none of its devices is there. What is found then is
    kept for a while, because it depends on what is not looked at, such as a driver that needs no device.
    """
    named = {encoder.name: encoder for encoder in encoders}

    def ask() -> list[tuple[str, str | None, str | None]]:
        return [(trial.encoder.name, trial.fault, trial.confined) for trial in try_encoders(binary, encoders)]

    def good_for(answer: list[tuple[str, str | None, str | None]]) -> float:
        failed = [named[name] for name, *_ in takewhile(lambda trial: trial[1] is not None, answer)]
        return 0.0 if any(devices_there(encoder.devices) for encoder in failed) else WHILE if failed else LONGEST

    devices = [_node(device) for encoder in encoders for device in devices_there(encoder.devices)]
    sandbox = None if binary.sandbox is None else asdict(binary.sandbox)
    who = os.geteuid(), os.getgroups()
    about = list(named), devices, sandbox, platform.release(), who
    answer = remembered(binary.path, "trials", ask, *about, good_for=good_for)
    return [
        Trial(named[name] if confined is None else named[name].unconfined(), fault, confined)
        for name, fault, confined in answer
    ]


def _node(device: str) -> list[object] | None:
    try:
        found = os.stat(device)  # noqa: PTH116 - no object needed
    except OSError:
        return None
    return [device, found.st_rdev, found.st_mode, found.st_uid, found.st_gid]


def try_encoders(binary: Binary, encoders: Sequence[Encoder] = ENCODERS) -> list[Trial]:
    """Try encoders, all at once; return the results in their order."""
    try:
        with tempfile.TemporaryDirectory(prefix="hls_sessions-") as folder, ThreadPoolExecutor() as threads:
            film = _film(Path(folder, FILM))
            return list(threads.map(lambda encoder: _tried(binary, encoder, film), encoders))
    except OSError as error:
        return [Trial(encoder, f"it could not be tried ({error.strerror or error})") for encoder in encoders]


def _tried(binary: Binary, encoder: Encoder, film: Presentation) -> Trial:
    """Try an encoder in the sandbox; where there is a device and the sandbox may be left, outside of it, too."""
    fault = _fault(binary, encoder, film)
    sandbox = binary.sandbox
    has_device = bool(devices_there(encoder.devices))
    if fault is None or sandbox is None or sandbox.program is None or sandbox.mode == "require" or not has_device:
        return Trial(encoder, fault)
    outside = encoder.unconfined()
    if _fault(binary, outside, film) is not None:
        return Trial(encoder, fault)
    return Trial(outside, None, fault)


def _fault(binary: Binary, encoder: Encoder, film: Presentation) -> str | None:
    if encoder.name not in binary.encoders:
        return "this ffmpeg was built without it"
    rendition = film.video[0]
    folder = Path(tempfile.mkdtemp(prefix=f"{encoder.name}-", dir=film.media.path.parent))
    exit_ = _end_of(plan_run(binary, film, rendition, methods(rendition, encoder)[0], 0, folder))
    if exit_ is None:
        return f"it did not encode {FRAMES} frames within {LIMIT:g} seconds"
    if exit_.code != 0:
        return exit_.cause or f"it {exit_}"
    return _fault_of(folder, film, rendition)


def _fault_of(folder: Path, film: Presentation, rendition: Rendition) -> str | None:
    """Judge the segments that an encoder has made of the film."""
    cuts, track = film.cuts(rendition.id), None
    files = [folder / f"{number}.m4s" for number in range(len(cuts))]
    if not all(file.exists() for file in files):
        return "it made no keyframe where one was forced"
    for number, file in enumerate(files):
        try:
            segment = read_segment(file.read_bytes())
            check_segment(segment, number, cuts, film.timeline.origin, track)
        except (BrokenSegment, Refused) as error:
            return f"its segment {number} is refused: {error}"
        track = segment.track
        if (made := read_codec(track)) != rendition.codecs:
            return f"it makes {made} when asked for {rendition.codecs}"
    return None


def _end_of(run: Run) -> Exit | None:
    """Let a run end; None when that took too long."""
    ends: list[Exit] = []
    process = Process(run.argv, ends.append, run.access)
    if process.wait(LIMIT):
        return ends[0]
    process.kill()
    process.wait(LIMIT)
    return None


def _film(path: Path) -> Presentation:
    """Write a film that every ffmpeg can read, of a ramp that moves; return how it is offered.

    Raises:
        OSError: it cannot be written.
    """
    with path.open("wb") as file:
        file.write(f"YUV4MPEG2 W{WIDTH} H{HEIGHT} F{RATE}:1 Ip A1:1 C420\n".encode())
        for number in range(FRAMES):
            line = bytes((across + 8 * number) % 256 for across in range(WIDTH))
            file.write(b"FRAME\n" + line * HEIGHT + b"\x80" * (WIDTH * HEIGHT // 2))
    tick = Fraction(1, RATE)
    video = VideoTrack(
        index=0,
        codec="rawvideo",
        width=WIDTH,
        height=HEIGHT,
        time_base=tick,
        start=Fraction(0),
        end=FRAMES * tick,
        frame_rate=Fraction(RATE),
        frame_times=array("q", range(FRAMES)),
    )
    return Presentation.of(Media(path, "yuv4mpegpipe", Fraction(0), video, ()))
