"""One session: its messages, its states, its actor, and its record."""

from hls_sessions.session.base_server import BaseSessionServer
from hls_sessions.session.client import CALL_TIMEOUT, Session, end_error
from hls_sessions.session.events import (
    Ended,
    Event,
    Evicted,
    Reconfigured,
    Restarted,
    SegmentReady,
    SourceChanged,
    Started,
    StateChanged,
    Updated,
)
from hls_sessions.session.export import Export, select
from hls_sessions.session.messages import (
    Displace,
    GetInfo,
    GetInit,
    GetSegment,
    Heartbeat,
    IdleCheck,
    Pause,
    PauseIf,
    Peek,
    Reap,
    Reconfigure,
    Resume,
    Served,
    SessionInfo,
)
from hls_sessions.session.record import Earlier, LogEntry, SessionRecord, Transition
from hls_sessions.session.server import SessionServer
from hls_sessions.session.services import Services
from hls_sessions.session.snapshot import Snapshot, judge_file
from hls_sessions.session.spec import SessionSpec, Spec
from hls_sessions.session.state import State, Step, Who

__all__ = [
    "CALL_TIMEOUT",
    "BaseSessionServer",
    "Displace",
    "Earlier",
    "Ended",
    "Event",
    "Evicted",
    "Export",
    "GetInfo",
    "GetInit",
    "GetSegment",
    "Heartbeat",
    "IdleCheck",
    "LogEntry",
    "Pause",
    "PauseIf",
    "Peek",
    "Reap",
    "Reconfigure",
    "Reconfigured",
    "Restarted",
    "Resume",
    "SegmentReady",
    "Served",
    "Services",
    "Session",
    "SessionInfo",
    "SessionRecord",
    "SessionServer",
    "SessionSpec",
    "Snapshot",
    "SourceChanged",
    "Spec",
    "Started",
    "State",
    "StateChanged",
    "Step",
    "Transition",
    "Updated",
    "Who",
    "end_error",
    "judge_file",
    "select",
]
