"""For tests that drive ffmpeg through this package: films, doubles, a check for leftovers, and the pytest plugin."""

from hls_sessions.otp import ManualClock
from hls_sessions.testing.clips import Clip, make
from hls_sessions.testing.doubles import failing_ffmpeg, hanging_ffmpeg, nvenc_ffmpeg, runs_of
from hls_sessions.testing.leftovers import child_processes, session_directories, threads

__all__ = [
    "Clip",
    "ManualClock",
    "child_processes",
    "failing_ffmpeg",
    "hanging_ffmpeg",
    "make",
    "nvenc_ffmpeg",
    "runs_of",
    "session_directories",
    "threads",
]
