"""Worker processes, which open files that nobody has vouched for, forked from a parent that has libav loaded."""

from hls_sessions.ffmpeg.workers.channel import Channel, Message
from hls_sessions.ffmpeg.workers.workers import (
    JUDGE,
    PACKAGE,
    PROBE,
    READ_SUBTITLES,
    RECORD,
    Worker,
    WorkerErred,
    WorkerFailed,
    Workers,
)

__all__ = [
    "JUDGE",
    "PACKAGE",
    "PROBE",
    "READ_SUBTITLES",
    "RECORD",
    "Channel",
    "Message",
    "Worker",
    "WorkerErred",
    "WorkerFailed",
    "Workers",
]
