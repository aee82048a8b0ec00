"""Everything that spells ffmpeg: the binary, its command lines, its process, and the reading of files (PyAV)."""

from hls_sessions.ffmpeg.binary import Binary, ask_version, inspect_binary
from hls_sessions.ffmpeg.candidates import Candidate, compare, fastest, find, find_all, start_up
from hls_sessions.ffmpeg.commands import Run, plan_run, starts_lightly
from hls_sessions.ffmpeg.encoders import ENCODERS, SOFTWARE, Encoder
from hls_sessions.ffmpeg.file_version import FileVersion, OpenedFile, Sight, grew, version_of
from hls_sessions.ffmpeg.known_holes import known_holes
from hls_sessions.ffmpeg.libav import libav_versions
from hls_sessions.ffmpeg.lookups import PATIENCE as LOOKUP_PATIENCE
from hls_sessions.ffmpeg.lookups import Lookups
from hls_sessions.ffmpeg.methods import Method, methods
from hls_sessions.ffmpeg.packaging import Packaged, Packager, film_of, request_for
from hls_sessions.ffmpeg.probing import ProbeCache, Prober
from hls_sessions.ffmpeg.process import Exit, Process, ProcessId, boot_id
from hls_sessions.ffmpeg.sandbox import Access, Sandbox, sandbox_here
from hls_sessions.ffmpeg.source_digest import source_digest
from hls_sessions.ffmpeg.subtitles import SubtitleReader
from hls_sessions.ffmpeg.thumbnails import ThumbnailMaker
from hls_sessions.ffmpeg.trial import Trial, best_encoder, choose_encoder, try_encoders
from hls_sessions.ffmpeg.workers import PULL, RECORD, REMUX, Message, Worker, WorkerFailed, Workers

__all__ = [
    "ENCODERS",
    "LOOKUP_PATIENCE",
    "PULL",
    "RECORD",
    "REMUX",
    "SOFTWARE",
    "Access",
    "Binary",
    "Candidate",
    "Encoder",
    "Exit",
    "FileVersion",
    "Lookups",
    "Message",
    "Method",
    "OpenedFile",
    "Packaged",
    "Packager",
    "ProbeCache",
    "Prober",
    "Process",
    "ProcessId",
    "Run",
    "Sandbox",
    "Sight",
    "SubtitleReader",
    "ThumbnailMaker",
    "Trial",
    "Worker",
    "WorkerFailed",
    "Workers",
    "ask_version",
    "best_encoder",
    "boot_id",
    "choose_encoder",
    "compare",
    "fastest",
    "film_of",
    "find",
    "find_all",
    "grew",
    "inspect_binary",
    "known_holes",
    "libav_versions",
    "methods",
    "plan_run",
    "request_for",
    "sandbox_here",
    "source_digest",
    "start_up",
    "starts_lightly",
    "try_encoders",
    "version_of",
]
