"""The spec of a session: its user, its file and its settings. It stays when the session's actor is restarted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from hls_sessions.media import fingerprint

if TYPE_CHECKING:
    from datetime import datetime
    from fractions import Fraction
    from pathlib import Path

    from hls_sessions.media import Presentation
    from hls_sessions.session.snapshot import Snapshot


class Spec(Protocol):
    """What every session is opened with, whatever it plays."""

    @property
    def session_id(self) -> str:
        """Its id: a random UUID, and the right to watch."""

    @property
    def user(self) -> str | None:
        """The user who opened it; None for a session that is not shared."""

    @property
    def directory(self) -> Path:
        """Where its segments are."""

    @property
    def created_at(self) -> datetime:
        """When it was opened."""

    @property
    def idle_timeout(self) -> float:
        """Seconds without a request after which it expires, when it was opened; its presence has the current value."""

    @property
    def segment_length(self) -> float:
        """The wanted length of a segment, in seconds."""

    @property
    def start_at(self) -> float:
        """The position at which its viewer wants to begin, in seconds from the beginning."""

    @property
    def path(self) -> Path:
        """What it plays."""

    @property
    def title(self) -> str:
        """What that is called."""

    @property
    def duration(self) -> Fraction:
        """Seconds of it, so far."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What there is to say about it."""

    def promised(self) -> dict[str, Any]:
        """Return what another daemon must find as it was to go on, by the names of the columns of a session's row."""


@dataclass(frozen=True, slots=True)
class SessionSpec:
    """The values that a session of a film is opened with, and that stay when its actor is restarted."""

    session_id: str
    user: str | None
    presentation: Presentation
    directory: Path
    created_at: datetime
    idle_timeout: float
    """Seconds without a request after which it expires, when it was opened; its presence has the current value."""
    segment_length: float = 2.0
    """The wanted length of a segment, in seconds."""
    copy_streams: bool = True
    """Whether video and audio may be offered as they are in the file."""
    share: bool = True
    """Whether it shares its segments with other sessions of the film."""
    start_at: float = 0.0
    """The position at which its viewer wants to begin, in seconds from the beginning."""
    resumed_from: Snapshot | None = None
    """The snapshot of an earlier session, from which this one goes on."""

    @property
    def path(self) -> Path:
        """The path of the film."""
        return self.presentation.media.path

    @property
    def title(self) -> str:
        """The name of the film's file."""
        return self.path.name

    @property
    def duration(self) -> Fraction:
        """The film's length in seconds."""
        return self.presentation.media.duration

    @property
    def notes(self) -> tuple[str, ...]:
        """What there is to say about the film."""
        return self.presentation.notes

    def promised(self) -> dict[str, Any]:
        """Return which version of which film was promised, and how it is cut."""
        media = self.presentation.media
        return {
            "file_size": media.size,
            "file_modified": media.modified,
            "copy_streams": self.copy_streams,
            "share": self.share,
            "fingerprint": fingerprint(self.presentation),
        }
