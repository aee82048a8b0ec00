"""The rows, as values. Moments are seconds since the epoch, lengths seconds, sizes bytes."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final, TypeAlias

from hls_sessions.counters import Sums

AnyText: TypeAlias = str
"""Text that need not be Unicode, as the names of files are not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRow(Sums):
    """One session. Recording it again replaces its row."""

    id: str
    user: AnyText | None
    media: AnyText
    """The file's path."""
    duration: float
    segment_length: float
    """The wanted length of a segment: with the file, all that its timeline depends on."""
    start_at: float
    idle_timeout: float
    directory: AnyText
    created_at: float
    started_at: float | None = None
    ended_at: float | None = None
    """None while it lives."""
    updated_at: float
    state: str
    reason: AnyText | None = None
    """Why it ended, when it did."""
    position: float | None = None
    """Where its viewer last was, in seconds from the beginning."""
    first_segment_after: float | None = None
    """Seconds its viewer waited for the first segment."""

    # Needed to continue the session in another daemon.
    file_size: int | None = None
    file_modified: int | None = None
    """With the size, which version of the file it is of; nanoseconds since the epoch."""
    copy_streams: bool | None = None
    """Whether tracks may be offered as they are in the file."""
    share: bool = True
    """Whether it shares its segments with other sessions of the film."""
    fingerprint: str | None = None
    """Of the playlists that its player was given."""
    encoder: str | None = None
    """The ffmpeg that made its segments."""
    last_activity_at: float | None = None
    left_at: float | None = None
    """When its daemon stopped and left it to the next; None for one whose daemon runs, or was killed."""
    snapshot: AnyText | None = None
    """How it was, when it is paused; JSON."""
    own_idle_timeout: float | None = None
    """The idle time it was given of its own; None where it goes by the time of all."""
    subscriber_ttl: float | None = None
    """The same of its time without a subscriber."""
    had_subscribers: bool = False
    """Whether somebody listens to it, or did."""

    @property
    def is_sound(self) -> bool:
        """Whether its values are possible, because SQLite does not notice values that were changed in its file.

        Nothing can be cut into segments of no length. The name of the directory is judged where it is taken over.
        """
        numbers = [value for name in NUMBERS if (value := getattr(self, name)) is not None]
        return (
            all(isinstance(getattr(self, each.name), KINDS.get(str(each.type), object)) for each in fields(self))
            and not {"/", "\0"} & set(self.id)
            and self.id not in {"", ".", ".."}
            and all(-LATEST < number < LATEST for number in numbers)
            and self.segment_length >= SHORTEST
            and self.idle_timeout > 0
        )


NUMBERS: Final = tuple(each.name for each in fields(SessionRow) if each.type in {"float", "float | None"})
"""The fields of a session that are moments or lengths."""

KINDS: Final = {
    "str": str,
    "str | None": str | None,
    "AnyText": str,
    "AnyText | None": str | None,
    "int": int,
    "int | None": int | None,
    "float": int | float,
    "float | None": int | float | None,
}
"""The values that a field of each type may hold. SQLite itself keeps any value in any column."""

LATEST: Final = 2.0**53
"""Further than any moment or length goes."""

SHORTEST: Final = 1.0
"""The shortest segment that can be wanted, in seconds."""


@dataclass(frozen=True, slots=True)
class TransitionRow:
    """One step of a session from one state to another."""

    session_id: str
    at: float
    step: str
    before: str
    after: str
    by: str
    """The one that asked for it."""
    reason: AnyText


@dataclass(frozen=True, slots=True)
class ProbeRow:
    """The result of probing one version of a file. Another size or modification time is another version."""

    path: AnyText
    size: int
    modified: int
    """Nanoseconds since the epoch."""
    answer: bytes
    """In the prober's own format."""
    used_at: float
