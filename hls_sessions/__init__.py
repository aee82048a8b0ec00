"""On-demand HLS sessions under a supervisor.

A viewer opens a media file; one session actor owns everything that viewing costs (ffmpeg processes,
a directory of segments) and gives it back when the viewer has gone.

The library's door::

    from hls_sessions import Supervisor

    with Supervisor(media=["/films"]) as supervisor:
        session = supervisor.open("big_buck_bunny.mp4", user="anna")
        print(session.master_playlist())
"""

from hls_sessions.errors import SessionError
from hls_sessions.session import (
    Ended,
    Event,
    Evicted,
    Reconfigured,
    Restarted,
    SegmentReady,
    Snapshot,
    Started,
    StateChanged,
    Updated,
)
from hls_sessions.settings import Settings
from hls_sessions.supervisor import Changes, Filter, Session, Supervisor

__all__ = [
    "Changes",
    "Ended",
    "Event",
    "Evicted",
    "Filter",
    "Reconfigured",
    "Restarted",
    "SegmentReady",
    "Session",
    "SessionError",
    "Settings",
    "Snapshot",
    "Started",
    "StateChanged",
    "Supervisor",
    "Updated",
]
