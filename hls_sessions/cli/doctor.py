"""``hls-sessions doctor``: whether this machine can do the work."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Annotated

import typer

from hls_sessions.cli.client import AsJson
from hls_sessions.cli.exits import Exit
from hls_sessions.cli.options import read_settings
from hls_sessions.cli.progress import waiting
from hls_sessions.cli.screen import complain, print_facts, print_json, print_rows
from hls_sessions.errors import EncoderUnusable, FfmpegNotFound, SandboxUnusable

if TYPE_CHECKING:
    from hls_sessions.ffmpeg import Binary, Candidate, Trial

SLOW_START = 0.05
"""Seconds of start-up above which another build of ffmpeg would make every seek feel quicker."""


def doctor(
    ffmpeg: Annotated[str | None, typer.Option(help="The ffmpeg to look at.")] = None,
    as_json: AsJson = False,
) -> None:
    """Look at ffmpeg and the machine, and say what is wrong. Exits with 1 when the daemon could not work here."""
    # All that spells ffmpeg is loaded for this command alone: the others answer sooner without it.
    from hls_sessions.ffmpeg import (  # noqa: PLC0415
        best_encoder,
        compare,
        find,
        find_all,
        inspect_binary,
        start_up,
        try_encoders,
    )

    settings = read_settings()
    try:
        path = find(ffmpeg or settings.ffmpeg)
        with waiting("examining ffmpeg"):
            binary, starts_in = inspect_binary(path), start_up(path)
        # An ffmpeg that is named is looked at alone.
        with waiting("timing every ffmpeg"):
            compared = compare([] if ffmpeg else find_all(settings.ffmpeg))
    except FfmpegNotFound as error:
        complain(str(error))
        raise typer.Exit(Exit.FAILED) from error
    folder = settings.segments_dir.expanduser()
    writable = folder.is_dir() and os.access(folder, os.W_OK)
    required: list[str] = []
    try:
        binary = binary.confined(settings.sandbox)
    except SandboxUnusable as error:
        binary = binary.confined("try")
        required.append(str(error).rstrip("."))
    sandbox = binary.sandbox
    faults = [*required, *(f"ffmpeg lacks the encoder {name}" for name in binary.missing_encoders)]
    faults += [] if writable else [f"the segments directory {folder} cannot be written to"]
    with waiting("trying the encoders"):
        trials = try_encoders(binary)
    encoder: str | None = None
    try:
        encoder = best_encoder(trials, settings.encoder).name
    except EncoderUnusable as error:
        faults.append(str(error))
    advice = _advice(binary, trials, compared, starts_in)
    advice = ([] if sandbox is None or required else list(sandbox.why_not)) + advice
    found = {
        "ffmpeg": binary.path,
        "version": binary.version,
        "start_up_ms": _milliseconds(starts_in),
        "segment_times": "from zero" if binary.absolute_segment_times else "from the first packet",
        "encoders": sorted(name for name in binary.encoders if name in {"aac", "libx264"}),
        "encoder": encoder,
        "sandbox": str(sandbox or "none"),
        "segments_dir": str(folder),
        "segments_dir_writable": writable,
        "dies_with_daemon": shutil.which("setpriv") is not None,
        "faults": faults,
        "advice": advice,
    }
    if as_json:
        tried = [{"name": trial.encoder.name, "label": trial.encoder.label, "fault": trial.fault} for trial in trials]
        timed = [
            {
                "origin": each.origin,
                "path": each.path,
                "version": each.version,
                "start_up_ms": _milliseconds(each.start_up),
                "first_segment_ms": _milliseconds(each.first_segment),
                "fault": each.fault,
            }
            for each in compared
        ]
        print_json(found | {"candidates": timed, "video_encoders": tried})
    else:
        print_facts({k: "; ".join(map(str, v)) or "none" if isinstance(v, list) else v for k, v in found.items()})
        if compared:
            columns = ("FFMPEG", "FROM", "VERSION", "START MS", "FIRST SEGMENT MS", "")
            print_rows(columns, (_timed(each, path) for each in compared))
        print_rows(("ENCODER", "KNOWN AS", "WORKS", ""), (_row(trial, encoder) for trial in trials))
    raise typer.Exit(Exit.FAILED if faults else Exit.OK)


def _advice(binary: Binary, trials: list[Trial], compared: list[Candidate], starts_in: float) -> list[str]:
    """Say what could be better, in sentences."""
    from hls_sessions.ffmpeg import fastest, known_holes  # noqa: PLC0415 - as above

    advice = [
        f"this ffmpeg has a known hole ({hole.names}): {hole.what}; take a newer one, unless your distribution has"
        " mended this one"
        for hole in known_holes(binary.version)
    ]
    advice += [
        f"{trial.encoder} works outside of the sandbox alone, and is used so ({trial.confined})"
        for trial in trials
        if trial.confined is not None
    ]
    first = fastest(compared)
    if first is not None and first.path != binary.path:
        advice.append(f'{first.path} is faster here: ffmpeg = "fastest" takes the fastest one')
    elif starts_in > SLOW_START:
        advice.append("this ffmpeg starts slowly, which every seek pays for: a static build starts in a few ms")
    if shutil.which("setpriv") is None:
        advice.append(
            "setpriv (util-linux) is missing: encoders may outlive a daemon that is killed until its next start"
        )
    return advice


def _timed(candidate: Candidate, used: str) -> tuple[object, ...]:
    figures = (_milliseconds(seconds) for seconds in (candidate.start_up, candidate.first_segment))
    comment = candidate.fault or ("used" if candidate.path == used else "")
    return candidate.path, candidate.origin, candidate.version, *figures, comment


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 1)


def _row(trial: Trial, chosen: str | None) -> tuple[str, ...]:
    encoder = trial.encoder
    comment = trial.fault or ("chosen" if encoder.name == chosen else "")
    return encoder.name, encoder.label, "no" if trial.fault else "yes", comment
