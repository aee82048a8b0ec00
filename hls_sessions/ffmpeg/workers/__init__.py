"""Worker processes, which open files that nobody has vouched for, forked from a parent that has libav loaded."""

from hls_sessions.ffmpeg.workers.channel import Channel, Message
from hls_sessions.ffmpeg.workers.workers import (
    JUDGE,
    MAKE_THUMBNAILS,
    PACKAGE,
    PROBE,
    PULL,
    READ_SUBTITLES,
    RECORD,
    REMUX,
    Worker,
    WorkerErred,
    WorkerFailed,
    Workers,
)

__all__ = [
    "JUDGE",
    "MAKE_THUMBNAILS",
    "PACKAGE",
    "PROBE",
    "PULL",
    "READ_SUBTITLES",
    "RECORD",
    "REMUX",
    "Channel",
    "Message",
    "Worker",
    "WorkerErred",
    "WorkerFailed",
    "Workers",
]
