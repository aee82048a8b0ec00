"""One viewing: its messages, its states, its policy, its actor, its encoder runs and its segment directory."""

from hls_sessions.session.budget import Budget
from hls_sessions.session.events import (
    Ended,
    Event,
    Evicted,
    Reconfigured,
    Restarted,
    SegmentReady,
    Started,
    StateChanged,
    Updated,
)
from hls_sessions.session.ledger import Ledger, free_bytes
from hls_sessions.session.life import Earlier, Life, Transition
from hls_sessions.session.messages import (
    GapInfo,
    GetInfo,
    GetInit,
    GetSegment,
    GiveWay,
    Heartbeat,
    IdleCheck,
    MoveIn,
    Pause,
    PauseIf,
    Peek,
    Reap,
    RenditionInfo,
    Resume,
    RunInfo,
    Served,
    SessionInfo,
)
from hls_sessions.session.pacer import Pacer
from hls_sessions.session.policy import Limits
from hls_sessions.session.segments import SegmentDirectory, end_processes, orphans
from hls_sessions.session.session import House, SessionServer, Viewing
from hls_sessions.session.snapshot import Snapshot, judge_file
from hls_sessions.session.state import State, Step, Who
from hls_sessions.session.tally import Sums
from hls_sessions.session.watcher import Watcher, WatcherServer

__all__ = [
    "Budget",
    "Earlier",
    "Ended",
    "Event",
    "Evicted",
    "GapInfo",
    "GetInfo",
    "GetInit",
    "GetSegment",
    "GiveWay",
    "Heartbeat",
    "House",
    "IdleCheck",
    "Ledger",
    "Life",
    "Limits",
    "MoveIn",
    "Pacer",
    "Pause",
    "PauseIf",
    "Peek",
    "Reap",
    "Reconfigured",
    "RenditionInfo",
    "Restarted",
    "Resume",
    "RunInfo",
    "SegmentDirectory",
    "SegmentReady",
    "Served",
    "SessionInfo",
    "SessionServer",
    "Snapshot",
    "Started",
    "State",
    "StateChanged",
    "Step",
    "Sums",
    "Transition",
    "Updated",
    "Viewing",
    "Watcher",
    "WatcherServer",
    "Who",
    "end_processes",
    "free_bytes",
    "judge_file",
    "orphans",
]
