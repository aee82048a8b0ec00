"""The ffmpeg binary: its path, its abilities, and the differences between versions."""

from __future__ import annotations

import re
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from hls_sessions.errors import FfmpegNotFound, SandboxUnusable
from hls_sessions.ffmpeg.binary_cache import remembered
from hls_sessions.ffmpeg.process import binder
from hls_sessions.ffmpeg.sandbox import sandbox_for

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hls_sessions.ffmpeg.sandbox import Mode, Sandbox

LATEST = (1000, 0)
"""Stands for the release of an ffmpeg that does not tell one."""

IN_HARDWARE = re.compile("_(amf|cuvid|d3d|mediacodec|mmal|oh|qsv|rkmpp|v4l2m2m)")
"""Decoders that are never used, because decoding stays in software."""

QUESTIONS: Final = ("-codecs", "-filters", "-bsfs", "-demuxers")
"""What a binary is asked to list; for each it is started once."""

NOISE: Final = "-h bsf=noise"
"""The question what the bitstream filter ``noise`` can do."""

REQUIRED_ENCODERS = ("libx264", "aac")


@dataclass(frozen=True, slots=True)
class Binary:
    """A usable ffmpeg."""

    path: str
    version: str
    encoders: frozenset[str]
    absolute_segment_times: bool
    """Whether ``-segment_times`` under ``-copyts`` counts from zero (up to 5.1), not from the first packet (7.0 on)."""
    filters: frozenset[str] = frozenset()
    bitstream_filters: frozenset[str] = frozenset()
    drops_packets: bool = False
    """Whether the bitstream filter ``noise`` drops packets on a condition (from 5.0 on)."""
    sync_option: str = "fps_mode"
    """The option that decides whether frames are repeated and dropped: ``vsync`` before 5.1."""
    decoders: Mapping[str, tuple[str, ...]] = field(default_factory=dict, hash=False)
    """The decoders of each codec that it can decode in software; empty where it was not asked."""
    demuxers: frozenset[str] = frozenset()
    """The demuxers it has, by all of their names; empty where it was not asked."""
    sandbox: Sandbox | None = field(default=None, hash=False)
    """How its runs are confined; None for not at all."""

    def confined(self, mode: Mode) -> Binary:
        """Return it with the sandbox that it runs in here.

        Raises:
            SandboxUnusable: the sandbox is required, and something of it does not hold here.
        """
        setpriv = binder()
        sandbox = sandbox_for(self.path, mode, () if setpriv is None else (setpriv,))
        if mode == "require" and sandbox.why_not:
            raise SandboxUnusable(sandbox.why_not)
        return replace(self, sandbox=sandbox)

    @property
    def release(self) -> tuple[int, int]:
        """Its release; that of a checkout of any day is later than all."""
        told = re.match(r"n?(\d+)\.(\d+)", self.version)
        return (int(told[1]), int(told[2])) if told else LATEST

    @property
    def missing_encoders(self) -> tuple[str, ...]:
        """Required encoders that it lacks."""
        return tuple(name for name in REQUIRED_ENCODERS if name not in self.encoders)


def ask_version(path: str) -> str:
    """Return the version of an ffmpeg.

    Raises:
        FfmpegNotFound: it does not run, or is not ffmpeg.
    """
    version = re.match(r"ffmpeg version (\S+)", _ask(path, "-version"))
    if version is None:
        raise FfmpegNotFound([path])
    return version[1]


@cache
def inspect_binary(path: str) -> Binary:
    """Ask a binary for its version and abilities: once per process, and seldom where the answers are kept.

    Raises:
        FfmpegNotFound: it does not run, or is not ffmpeg.
    """
    found = remembered(path, "abilities", lambda: _asked(path))
    sets = ("encoders", "filters", "bitstream_filters", "demuxers")
    decoders = {codec: tuple(names) for codec, names in found["decoders"].items()}
    return Binary(path, **found | {name: frozenset(found[name]) for name in sets} | {"decoders": decoders})


def _asked(path: str) -> dict[str, Any]:
    """Return the fields of a Binary, as plain values.

    The first question is asked alone, because another program may take long for the rest, which are asked all at once.
    """
    version = ask_version(path)
    with ThreadPoolExecutor() as threads:
        trial = threads.submit(_segment_times_and_sync_option, path)
        noise = threads.submit(_ask, path, *NOISE.split())
        codecs, filters, bitstream_filters, demuxers = threads.map(lambda question: _ask(path, question), QUESTIONS)
        absolute_segment_times, sync_option = trial.result()
    return {
        "version": version,
        "encoders": [name for names in _coders("encoder", codecs).values() for name in names],
        "absolute_segment_times": absolute_segment_times,
        "filters": re.findall(r"^ [.TSC]+ (\S+) +\S+->\S+ ", filters, re.MULTILINE),
        "bitstream_filters": bitstream_filters.split(),
        "drops_packets": "-drop " in noise.result(),
        "decoders": _decoders(codecs),
        "demuxers": [
            name
            for names in re.findall(r"^ D\S* +(?:[E.d]* +)?(\S+) ", demuxers, re.MULTILINE)
            for name in (names, *names.split(","))
        ],
        "sync_option": sync_option,
    }


def _decoders(codecs: str) -> dict[str, tuple[str, ...]]:
    """Return the decoders of each codec that decode in software."""
    software = {
        codec: tuple(name for name in names if not IN_HARDWARE.search(name))
        for codec, names in _coders("decoder", codecs).items()
    }
    return {codec: names for codec, names in software.items() if names}


def _coders(kind: Literal["encoder", "decoder"], codecs: str) -> dict[str, list[str]]:
    """Read the list of codecs: one whose only encoder or decoder has its own name tells no other name."""
    flags = "D[E.]" if kind == "decoder" else "[D.]E"
    found = {}
    for codec, rest in re.findall(rf"^ {flags}[VASDT][I.][L.][S.] (\S+) (.*)$", codecs, re.MULTILINE):
        named = re.search(rf"\({kind}s: ([^)]*)\)", rest)
        found[codec] = named[1].split() if named else [codec]
    return found


def _segment_times_and_sync_option(path: str) -> tuple[bool, str]:
    """Find out two things in one run, which fails when the option is unknown."""
    try:
        return _counts_segment_times_from_zero(path, "fps_mode"), "fps_mode"
    except FfmpegNotFound:
        return _counts_segment_times_from_zero(path, "vsync"), "vsync"


def _counts_segment_times_from_zero(path: str, sync_option: str) -> bool:
    """Cut silence that begins at 10 s at "11": two pieces if times count from zero, one if from the first packet."""
    with tempfile.TemporaryDirectory(prefix="hls_sessions-") as folder:
        pattern = str(Path(folder, "%d.nut"))
        _ask(
            path,
            *("-copyts", "-itsoffset", "10", "-f", "lavfi", "-t", "3", "-i", "anullsrc=r=8000:cl=mono"),
            *(
                "-map",
                "0:0",
                f"-{sync_option}",
                "passthrough",
                "-c:a",
                "pcm_s16le",
                "-f",
                "segment",
                "-segment_format",
                "nut",
            ),
            *("-segment_times", "11", pattern),
        )
        return len(list(Path(folder).iterdir())) > 1


def _ask(path: str, *arguments: str) -> str:
    argv: Sequence[str] = (
        (path, "-hide_banner", "-nostdin", *arguments) if arguments != ("-version",) else (path, "-version")
    )
    try:
        answer = subprocess.run(  # noqa: S603 - an argument list, no shell
            argv, capture_output=True, text=True, errors="replace", timeout=30, check=False, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise FfmpegNotFound([path]) from error
    if answer.returncode != 0:
        raise FfmpegNotFound([path])
    return answer.stdout
