"""One viewing: its messages, its states, its policy, its actor, its encoder runs and its segment directory."""

from hls_sessions.session.messages import (
    GapInfo,
    GetInfo,
    GetInit,
    GetSegment,
    Heartbeat,
    Peek,
    RenditionInfo,
    RunInfo,
    Served,
    SessionInfo,
)
from hls_sessions.session.policy import Limits
from hls_sessions.session.segments import SegmentDirectory, end_processes, orphans
from hls_sessions.session.session import Ended, House, SessionServer, Viewing
from hls_sessions.session.state import State
from hls_sessions.session.watcher import Watcher, WatcherServer

__all__ = [
    "Ended",
    "GapInfo",
    "GetInfo",
    "GetInit",
    "GetSegment",
    "Heartbeat",
    "House",
    "Limits",
    "Peek",
    "RenditionInfo",
    "RunInfo",
    "SegmentDirectory",
    "Served",
    "SessionInfo",
    "SessionServer",
    "State",
    "Viewing",
    "Watcher",
    "WatcherServer",
    "end_processes",
    "orphans",
]
