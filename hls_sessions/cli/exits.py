"""The exit codes of the commands: the one table from errors to exit codes."""

from __future__ import annotations

from enum import IntEnum

from hls_sessions import errors


class Exit(IntEnum):
    """The meanings of a command's exit code. 2 is a usage error, as everywhere."""

    OK = 0
    FAILED = 1
    USAGE = 2
    NO_SESSION = 3
    """There is no such session, or it has ended."""
    NO_MEDIA = 4
    """The file is missing, outside the media roots, or cannot be played."""
    NO_DAEMON = 5
    """The daemon cannot be reached, or is stopping."""
    REFUSED = 6
    """The daemon wants a token, or another one."""
    FULL = 7
    """There are as many sessions as there may be."""


BY_ERROR: dict[type[errors.SessionError], Exit] = {
    errors.SessionError: Exit.FAILED,
    errors.NotFound: Exit.FAILED,
    errors.Gone: Exit.FAILED,
    errors.MediaNotFound: Exit.NO_MEDIA,
    errors.FileChanged: Exit.NO_MEDIA,
    errors.OutsideRoots: Exit.NO_MEDIA,
    errors.NotPlayable: Exit.NO_MEDIA,
    errors.SessionNotFound: Exit.NO_SESSION,
    errors.SessionEnded: Exit.NO_SESSION,
    errors.RenditionNotFound: Exit.FAILED,
    errors.SegmentNotFound: Exit.FAILED,
    errors.SegmentImpossible: Exit.FAILED,
    errors.ExportChanged: Exit.FAILED,
    errors.EncoderFailed: Exit.FAILED,
    errors.SubtitlesFailed: Exit.FAILED,
    errors.ThumbnailFailed: Exit.FAILED,
    errors.IllegalTransition: Exit.FAILED,
    errors.SnapshotRefused: Exit.USAGE,
    errors.SettingsRefused: Exit.USAGE,
    errors.FfmpegNotFound: Exit.FAILED,
    errors.WrongOffset: Exit.FAILED,
    errors.InputBusy: Exit.FAILED,
    errors.InputRefused: Exit.REFUSED,
    errors.SourceRefused: Exit.FAILED,
    errors.RecordingOver: Exit.FAILED,
    errors.RecordingNotFound: Exit.NO_SESSION,
    errors.RecordingFull: Exit.FAILED,
    errors.StorageFailed: Exit.FAILED,
    errors.StateUnusable: Exit.FAILED,
    errors.CapacityExceeded: Exit.FULL,
    errors.EncoderUnusable: Exit.FAILED,
    errors.SandboxUnusable: Exit.FAILED,
    errors.Unavailable: Exit.NO_DAEMON,
    errors.CannotListen: Exit.FAILED,
    errors.NodeRefused: Exit.FAILED,
    errors.NodeNotFound: Exit.FAILED,
}
"""Every error, and its exit code, whether it was raised here or in the daemon."""

BY_KIND = {error.kind: code for error, code in BY_ERROR.items()} | {
    "token-required": Exit.REFUSED,
    "malformed-request": Exit.USAGE,
}
"""The same by the stable kinds that a daemon answers with, and the kinds that only its HTTP layer has."""


def exit_for(kind: str) -> Exit:
    """Return the exit code for a kind of error; FAILED for one of a newer daemon's."""
    return BY_KIND.get(kind, Exit.FAILED)
