"""For tests that drive ffmpeg through this package: fixtures, films, doubles, a client, faults, leftovers."""

from hls_sessions.otp import ManualClock
from hls_sessions.testing.client import Faulty, HlsClient, Played
from hls_sessions.testing.clips import Clip, make
from hls_sessions.testing.daemon import Daemon, serve
from hls_sessions.testing.doubles import failing_ffmpeg, hanging_ffmpeg, nvenc_ffmpeg, runs_of
from hls_sessions.testing.fake_ffmpeg import FakeRun, fake_ffmpeg
from hls_sessions.testing.leftovers import child_processes, session_directories, shared_directories, spare, threads
from hls_sessions.testing.seams import (
    Disk,
    actor_of,
    busy,
    counted_bytes,
    crash,
    hanging_share,
    lost_timers,
    out_of_resources,
    process_of,
    storage_that_fails,
    written,
)

__all__ = [
    "Clip",
    "Daemon",
    "Disk",
    "FakeRun",
    "Faulty",
    "HlsClient",
    "ManualClock",
    "Played",
    "actor_of",
    "busy",
    "child_processes",
    "counted_bytes",
    "crash",
    "failing_ffmpeg",
    "fake_ffmpeg",
    "hanging_ffmpeg",
    "hanging_share",
    "lost_timers",
    "make",
    "nvenc_ffmpeg",
    "out_of_resources",
    "process_of",
    "runs_of",
    "serve",
    "session_directories",
    "shared_directories",
    "spare",
    "storage_that_fails",
    "threads",
    "written",
]
