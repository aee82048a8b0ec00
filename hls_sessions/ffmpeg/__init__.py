"""Everything that spells ffmpeg: the binary, its command lines, its process, and the reading of files (PyAV)."""

from hls_sessions.ffmpeg.binary import Binary, examine, find
from hls_sessions.ffmpeg.commands import COPIED_BEYOND, OFFSET, Run, run
from hls_sessions.ffmpeg.encoders import ENCODERS, SOFTWARE, Encoder
from hls_sessions.ffmpeg.memory import FileVersion, Memory
from hls_sessions.ffmpeg.prober import Prober
from hls_sessions.ffmpeg.process import Exit, Process, ProcessId, boot
from hls_sessions.ffmpeg.subtitles import SubtitleReader
from hls_sessions.ffmpeg.ways import Way, ways

__all__ = [
    "COPIED_BEYOND",
    "ENCODERS",
    "OFFSET",
    "SOFTWARE",
    "Binary",
    "Encoder",
    "Exit",
    "FileVersion",
    "Memory",
    "Prober",
    "Process",
    "ProcessId",
    "Run",
    "SubtitleReader",
    "Way",
    "boot",
    "examine",
    "find",
    "run",
    "ways",
]
