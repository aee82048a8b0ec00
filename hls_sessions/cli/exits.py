"""Exit codes that mean something: the one table from what went wrong to what the shell sees."""

from __future__ import annotations

from enum import IntEnum

from hls_sessions import errors


class Exit(IntEnum):
    """What a command's exit code says. 2 is a usage error, as everywhere."""

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


BY_KIND = {
    errors.MediaNotFound.kind: Exit.NO_MEDIA,
    errors.OutsideRoots.kind: Exit.NO_MEDIA,
    errors.NotPlayable.kind: Exit.NO_MEDIA,
    errors.SessionNotFound.kind: Exit.NO_SESSION,
    errors.SessionEnded.kind: Exit.NO_SESSION,
    errors.CapacityExceeded.kind: Exit.FULL,
    errors.Unavailable.kind: Exit.NO_DAEMON,
    "token-required": Exit.REFUSED,
}
"""By an error's stable word; everything else is FAILED."""


def exit_for(kind: str) -> Exit:
    """Return the exit code for a kind of error."""
    return BY_KIND.get(kind, Exit.FAILED)
