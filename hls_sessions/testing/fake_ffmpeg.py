"""A fake ffmpeg, for tests in which ffmpeg is not the point: it starts in milliseconds, and misbehaves on request."""

from __future__ import annotations

import shlex
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

VERSION = "8.1.2-fake"
"""The version it tells: that of an ffmpeg without known holes."""

_SCRIPT = """#!/bin/sh
# A fake ffmpeg: it decodes and encodes nothing.
case "$*" in
  *segment_format_options*) exec {python} -I -S -c {code} "$@" ;;
  -version) echo "ffmpeg version {version} of hls_sessions.testing" ;;
  *-codecs)
    echo " .EV.LS h264                 H.264 (encoders: libx264 )"
    echo " .EAIL. aac                  AAC"
    ;;
  *-bsfs) echo setts dump_extra noise h264_metadata ;;
  *-filters | *-demuxers) ;;
  *"-h bsf=noise") echo "  -drop <string>" ;;
  # How segment times are counted: from the first packet on, so that this makes one segment.
  *"-itsoffset 10 "*) ;;
  *) echo "the fake ffmpeg cannot be asked for: $*" >&2; exit 1 ;;
esac
"""

_CODE = "import sys; sys.path.insert(0, {folder!r}); from fake_encoder.command import main; sys.exit(main({runs!r}, {behaviours!r}, sys.argv[1:]))"  # noqa: E501 - one line of Python, as -c takes it


@dataclass(frozen=True, slots=True)
class FakeRun:
    """How one run of a fake ffmpeg behaves. The default makes all segments at once."""

    speed: float | None = None
    """Seconds of film that it makes in a second, as ffmpeg's ``speed=``; None for as many as it can."""
    bit_rate: int | None = None
    """Bits that a second of film takes, for tests of budgets; as few as they can be when None."""
    start_delay: float = 0.0
    """Seconds before it reads or writes anything."""
    end_after: int | None = None
    """How many segments it makes before it ends well, as at the end of a film that is cut off."""
    stall_after: int | None = None
    """How many segments it makes before it hangs, in the middle of the next."""
    crash_after: int | None = None
    """How many segments it makes before it crashes, in the middle of the next."""
    says: str = "Conversion failed!"
    """The last line of one that crashes."""
    code: int = 1
    """The exit code of one that crashes; negative for a signal, as in subprocess."""
    garbage: tuple[int, ...] = ()
    """The numbers of the segments in whose place it writes what is no segment."""
    ignore_sigterm: bool = False
    """Whether it ends by SIGKILL alone."""


def fake_ffmpeg(folder: Path, *runs: FakeRun, name: str = "fake-ffmpeg") -> Path:
    """Make a fake ffmpeg in a folder, and return its path.

    It makes the segments that a command of this package asks for: at the same times, with as many frames, of the same
    size, but grey and silent. Films are read in MP4, MOV and Matroska.

    Args:
        folder: where it is made.
        runs: how the runs of each rendition behave, one after another; the last holds for all that follow, too.
        name: its file name.
    """
    script = folder / name
    code = _CODE.format(
        folder=str(Path(__file__).parent),
        runs=str(script.with_suffix(".runs")),
        behaviours=[asdict(run) for run in runs or (FakeRun(),)],
    )
    script.write_text(_SCRIPT.format(python=shlex.quote(sys.executable), code=shlex.quote(code), version=VERSION))
    script.chmod(0o755)
    return script
