"""On-demand HLS sessions under a supervisor.

A viewer opens a media file; one session actor owns everything that the session uses (ffmpeg processes,
a directory of segments) and frees it when the viewer has gone.

For example::

    from hls_sessions import Supervisor

    with Supervisor(media=["/films"]) as supervisor:
        session = supervisor.open("big_buck_bunny.mp4", user="anna")
        print(session.master_playlist())
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hls_sessions.errors import (
        CannotListen,
        CapacityExceeded,
        EncoderFailed,
        EncoderUnusable,
        ExportChanged,
        FfmpegNotFound,
        FileChanged,
        Gone,
        IllegalTransition,
        InputBusy,
        InputRefused,
        MediaNotFound,
        NodeNotFound,
        NodeRefused,
        NotFound,
        NotPlayable,
        OutsideRoots,
        RecordingFull,
        RecordingNotFound,
        RecordingOver,
        RenditionNotFound,
        SandboxUnusable,
        SegmentImpossible,
        SegmentNotFound,
        SessionEnded,
        SessionError,
        SessionNotFound,
        SettingsRefused,
        SnapshotRefused,
        SourceRefused,
        StateUnusable,
        StorageFailed,
        SubtitlesFailed,
        ThumbnailFailed,
        Unavailable,
        WrongOffset,
    )
    from hls_sessions.live import Recording, SourceState
    from hls_sessions.otp import MetadataFilter
    from hls_sessions.session import (
        Ended,
        Event,
        Evicted,
        Reconfigured,
        Restarted,
        SegmentReady,
        Session,
        Snapshot,
        SourceChanged,
        Started,
        StateChanged,
        Updated,
    )
    from hls_sessions.settings import Settings
    from hls_sessions.supervisor import AsyncSession, AsyncSupervisor, Changes, Filter, Supervisor

__all__ = [
    "AsyncSession",
    "AsyncSupervisor",
    "CannotListen",
    "CapacityExceeded",
    "Changes",
    "EncoderFailed",
    "EncoderUnusable",
    "Ended",
    "Event",
    "Evicted",
    "ExportChanged",
    "FfmpegNotFound",
    "FileChanged",
    "Filter",
    "Gone",
    "IllegalTransition",
    "InputBusy",
    "InputRefused",
    "MediaNotFound",
    "MetadataFilter",
    "NodeNotFound",
    "NodeRefused",
    "NotFound",
    "NotPlayable",
    "OutsideRoots",
    "Reconfigured",
    "Recording",
    "RecordingFull",
    "RecordingNotFound",
    "RecordingOver",
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
    "SourceChanged",
    "SourceRefused",
    "SourceState",
    "Started",
    "StateChanged",
    "StateUnusable",
    "StorageFailed",
    "SubtitlesFailed",
    "Supervisor",
    "ThumbnailFailed",
    "Unavailable",
    "Updated",
    "WrongOffset",
]

_ROOMS = ("errors", "settings", "session", "live", "supervisor", "otp")
"""Where these names are defined, in the order in which they are looked for. ``otp`` has a Supervisor of its own."""


if not TYPE_CHECKING:  # or type checkers would take any name for one of this module's

    def __getattr__(name: str) -> Any:
        """Import a name when it is first asked for, so that a command or a worker loads only what it uses (PEP 562)."""
        if name in __all__:
            for room in _ROOMS:
                module = import_module(f"{__name__}.{room}")
                if hasattr(module, name):
                    globals()[name] = getattr(module, name)
                    return globals()[name]
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}", name=name)

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
