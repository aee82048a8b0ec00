"""On-demand HLS sessions under a supervisor.

A viewer opens a media file; one session actor owns everything that the session uses (ffmpeg processes,
a directory of segments) and frees it when the viewer has gone.

For example::

    from hls_sessions import Supervisor

    with Supervisor(media=["/films"]) as supervisor:
        session = supervisor.open("big_buck_bunny.mp4", user="anna")
        print(session.master_playlist())
"""

from hls_sessions.errors import (
    CannotListen,
    CapacityExceeded,
    EncoderFailed,
    EncoderUnusable,
    FfmpegNotFound,
    FileChanged,
    Gone,
    IllegalTransition,
    MediaNotFound,
    NotFound,
    NotPlayable,
    OutsideRoots,
    RenditionNotFound,
    SandboxUnusable,
    SegmentImpossible,
    SegmentNotFound,
    SessionEnded,
    SessionError,
    SessionNotFound,
    SettingsRefused,
    SnapshotRefused,
    StateUnusable,
    StorageFailed,
    SubtitlesFailed,
    Unavailable,
)
from hls_sessions.session import (
    Ended,
    Event,
    Evicted,
    Reconfigured,
    Restarted,
    SegmentReady,
    Session,
    Snapshot,
    Started,
    StateChanged,
    Updated,
)
from hls_sessions.settings import Settings
from hls_sessions.supervisor import Changes, Filter, Supervisor

__all__ = [
    "CannotListen",
    "CapacityExceeded",
    "Changes",
    "EncoderFailed",
    "EncoderUnusable",
    "Ended",
    "Event",
    "Evicted",
    "FfmpegNotFound",
    "FileChanged",
    "Filter",
    "Gone",
    "IllegalTransition",
    "MediaNotFound",
    "NotFound",
    "NotPlayable",
    "OutsideRoots",
    "Reconfigured",
    "RenditionNotFound",
    "Restarted",
    "SandboxUnusable",
    "SegmentImpossible",
    "SegmentNotFound",
    "SegmentReady",
    "Session",
    "SessionEnded",
    "SessionError",
    "SessionNotFound",
    "Settings",
    "SettingsRefused",
    "Snapshot",
    "SnapshotRefused",
    "Started",
    "StateChanged",
    "StateUnusable",
    "StorageFailed",
    "SubtitlesFailed",
    "Supervisor",
    "Unavailable",
    "Updated",
]
