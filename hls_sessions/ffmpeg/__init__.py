"""Everything that spells ffmpeg: the binary, its command lines, its process, and the probing of files (PyAV)."""

from hls_sessions.ffmpeg.binary import Binary, examine, find
from hls_sessions.ffmpeg.commands import OFFSET, Run, run
from hls_sessions.ffmpeg.prober import Prober
from hls_sessions.ffmpeg.process import Exit, Process, ProcessId

__all__ = [
    "OFFSET",
    "Binary",
    "Exit",
    "Prober",
    "Process",
    "ProcessId",
    "Run",
    "examine",
    "find",
    "run",
]
