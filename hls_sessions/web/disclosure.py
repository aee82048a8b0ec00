"""What a viewer is told. A viewer is a caller that knows a session's id, and has not brought the daemon's token.

Where a token is set, the id alone is the right to watch, and to nothing more. So a viewer is told what a player needs:
how the session is, where its viewer is, which renditions there are. It is told nothing of the machine and of other
people: no path, no user, no pid, no text that ffmpeg or the system wrote. The names of the members stay, so that
programs read both. Where no token is set, no caller is a viewer in this sense.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Final

from hls_sessions import errors
from hls_sessions.session import (
    Ended,
    Evicted,
    Restarted,
    SegmentReady,
    SessionInfo,
    SourceChanged,
    Started,
    State,
    StateChanged,
    Updated,
)

if TYPE_CHECKING:
    from collections.abc import MutableMapping
    from typing import TypeVar

    from hls_sessions.session import Event
    from hls_sessions.supervisor import Health

    Info = TypeVar("Info", bound=SessionInfo)

VIEWER: Final = "hls_sessions.viewer"
"""The key in a request's scope that is there if a viewer asks."""

FAILED: Final = "it cannot be played any further"
"""What a viewer is told instead of why a session failed, because the reason may quote ffmpeg."""

CRASHED: Final = "crashed"

TOLD: Final = (
    errors.SessionNotFound,
    errors.RenditionNotFound,
    errors.SegmentNotFound,
    errors.SegmentImpossible,
    errors.IllegalTransition,
    errors.Unavailable,
)
"""The errors that a viewer is told as they are: their sentences and facts are about the session alone. Of any other
error a viewer is told what its kind means."""


def is_viewer(scope: MutableMapping[str, Any]) -> bool:
    """Whether a viewer asks."""
    return VIEWER in scope


def info_for_viewer(info: Info) -> Info:
    """Return the part of a session's info that a viewer is told."""
    renditions = tuple(replace(rendition, encoder=None, given_up=()) for rendition in info.renditions)
    return replace(
        info,
        user=None,
        media=_name(info.media),
        directory="",
        renditions=renditions,
        runs=(),
        packager=None,
        notes=(),
        reason=None if info.reason is None else _reason(info.state, info.reason),
    )


def event_for_viewer(event: Event) -> Event | None:
    """Return the part of an event that a viewer is told; None for an event that is not a viewer's matter."""
    match event:
        case Started():
            return replace(event, user=None, media=_name(event.media))
        case StateChanged():
            return replace(event, reason=_reason(event.to_state, event.reason), snapshot=None)
        case Ended():
            return replace(event, reason=_reason(event.state, event.reason))
        case Restarted():
            # Why an encoder was lost is a word; why an actor was lost is a sentence with an exception in it.
            return event if event.rendition is not None else replace(event, cause=CRASHED)
        case SourceChanged():
            return replace(event, reason=None)
        case _:
            return event if isinstance(event, SegmentReady | Evicted | Updated) else None


def health_for_viewer(health: Health) -> Health:
    """Return the part of the daemon's health that is told without the token: the status, and numbers."""
    return replace(health, reasons=(), advice=(), ffmpeg="", history="")


def error_for_viewer(error: errors.SessionError) -> tuple[str, dict[str, Any]]:
    """Return the sentence and the facts of an error that a viewer is told."""
    if isinstance(error, errors.SessionEnded):
        reason = _reason(error.state, error.reason)
        error = errors.SessionEnded(error.session_id, error.state, reason, error.ended_at)
    elif not isinstance(error, TOLD):
        # A media server may derive an error of its own, whose sentence nobody here knows.
        known = next(kind for kind in type(error).__mro__ if kind.__module__ == errors.__name__)
        return str(known.__doc__).partition("\n")[0], {}
    return str(error), error.facts()


def _reason(state: str, reason: str) -> str:
    return FAILED if state == State.FAILED.value else reason


def _name(media: str) -> str:
    """Return the name of a file, which the player page shows too."""
    return PurePath(media).name
