"""The snapshot of a paused session: small, and enough to go on from, here or in a later daemon.

A snapshot is handed out and comes back from outside. So it is checked twice: pydantic checks its form, and
``judge_file`` whether it can be of this file.
"""

from __future__ import annotations

from datetime import datetime  # noqa: TC003 - pydantic reads the types at run time
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from hls_sessions.errors import SnapshotRefused
from hls_sessions.media import spellings
from hls_sessions.settings import LONGEST

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hls_sessions.media import Presentation

TOLERANCE = 1.0
"""Seconds by which a file may have been estimated to be longer, before all of it was read."""

MANY = 1024
"""How many positions or runs a snapshot may name: more than a session keeps."""

Number = Annotated[int, Field(ge=0, le=10**9)]
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Name = Annotated[str, Field(min_length=1, max_length=256)]


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class ViewerPosition(_Value):
    """A viewer's position in a rendition."""

    rendition: Name
    segment: Number
    """The segment asked for last."""
    time: Seconds
    """When it begins, in seconds, which holds even if the file is cut differently."""


class PausedRun(_Value):
    """An encoder that was stopped."""

    rendition: Name
    next: Number
    """The segment it was making."""
    held: bool
    """Whether it was far enough ahead of its viewer to be held."""


class SessionSettings(_Value):
    """The settings that a session's segments or its expiry depend on. Seconds."""

    segment_length: Annotated[float, Field(ge=1, le=12)]
    idle_timeout: Annotated[float, Field(gt=0, le=LONGEST, allow_inf_nan=False)]


class Snapshot(_Value):
    """One paused session."""

    version: Literal[1] = 1
    """The version of this form."""
    session_id: Annotated[str, Field(min_length=1, max_length=64)]
    user: Name | None
    media: Annotated[str, Field(min_length=1, max_length=4096)]
    """The file's path."""
    taken_at: datetime
    position: Seconds
    """Seconds from the beginning: the position the viewer gave, else the beginning of the segment asked for last."""
    renditions: Annotated[tuple[ViewerPosition, ...], Field(max_length=MANY)]
    """The positions of all viewers, by rendition, the latest to ask last."""
    runs: Annotated[tuple[PausedRun, ...], Field(max_length=MANY)]
    settings: SessionSettings

    def is_of(self, path: Path) -> bool:
        """Return whether it is of this file. Bytes of its name that are no UTF-8 may be percent-encoded."""
        return str(path) in spellings(self.media)

    def positions(self, rendition: str) -> list[ViewerPosition]:
        """Return the positions of viewers in a rendition, the latest to ask last."""
        return [position for position in self.renditions if position.rendition == rendition]

    def paused(self, rendition: str) -> list[PausedRun]:
        """Return a rendition's runs."""
        return [run for run in self.runs if run.rendition == rendition]


def judge_file(snapshot: Snapshot, presentation: Presentation) -> None:
    """Check that a snapshot can be of a file. Its times alone count, because the file may be cut differently now.

    Raises:
        SnapshotRefused: it cannot.
    """
    length = float(presentation.media.duration)
    latest = max(snapshot.position, *(position.time for position in snapshot.renditions), 0.0)
    if latest > length + TOLERANCE:
        raise SnapshotRefused(f"it is at {latest:g} s, and the file ends at {length:g} s")


def judge_numbers(snapshot: Snapshot, presentation: Presentation) -> None:
    """Check that a session has the renditions and segments of a snapshot.

    Raises:
        SnapshotRefused: they are not.
    """
    judge_file(snapshot, presentation)
    for rendition, segment in _named(snapshot):
        if rendition not in presentation.renditions:
            raise SnapshotRefused(f"the session has no rendition {rendition!r}")
        if segment >= len(presentation.cuts(rendition)):
            raise SnapshotRefused(f"{rendition} has no segment {segment}")


def _named(snapshot: Snapshot) -> Iterator[tuple[str, int]]:
    for position in snapshot.renditions:
        yield position.rendition, position.segment
    for run in snapshot.runs:
        yield run.rendition, run.next
