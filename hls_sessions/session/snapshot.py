"""How a session was when it was paused: small, and enough to go on from, here or in a later daemon.

A snapshot goes out and comes back from outside, so it is checked twice: its form by pydantic, and then whether it is
of this file.
"""

from __future__ import annotations

from datetime import datetime  # noqa: TC003 - pydantic reads the types at run time
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from hls_sessions.errors import SnapshotRefused

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hls_sessions.media import Presentation

TOLERANCE = 1.0
"""Seconds by which a file may have been taken to be longer, before all of it was read."""

MANY = 1024
"""Places or runs a snapshot may name: more than a session keeps."""

Number = Annotated[int, Field(ge=0, le=10**9)]
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Name = Annotated[str, Field(min_length=1, max_length=256)]


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Place(_Value):
    """Where a viewer was in a rendition in use."""

    rendition: Name
    segment: Number
    """The segment they asked for last."""
    time: Seconds
    """When it begins, in seconds: what holds where the file is cut differently."""


class PausedRun(_Value):
    """An encoder that was stopped."""

    rendition: Name
    next: Number
    """The segment it was making."""
    held: bool
    """Whether it was far enough ahead of its viewer to be held."""


class SessionSettings(_Value):
    """The settings of a session that its segments or its life depend on. Seconds."""

    segment_length: Annotated[float, Field(ge=1, le=12)]
    idle_timeout: Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Snapshot(_Value):
    """One paused session."""

    version: Literal[1] = 1
    """Of this form."""
    session_id: Annotated[str, Field(min_length=1, max_length=64)]
    user: Name | None
    media: Annotated[str, Field(min_length=1, max_length=4096)]
    """The file's path."""
    taken_at: datetime
    position: Seconds
    """Seconds from the beginning: where the viewer said they were, else where the segment asked for last begins."""
    renditions: Annotated[tuple[Place, ...], Field(max_length=MANY)]
    """The renditions in use; one twice where two viewers are apart, the latest to ask last."""
    runs: Annotated[tuple[PausedRun, ...], Field(max_length=MANY)]
    settings: SessionSettings

    def places(self, rendition: str) -> list[Place]:
        """Return where viewers were in a rendition, the latest to ask last."""
        return [place for place in self.renditions if place.rendition == rendition]

    def paused(self, rendition: str) -> list[PausedRun]:
        """Return a rendition's runs."""
        return [run for run in self.runs if run.rendition == rendition]


def judge_file(snapshot: Snapshot, presentation: Presentation) -> None:
    """See whether a snapshot can be of a file. How the file is cut may have changed, so its times alone count.

    Raises:
        SnapshotRefused: it cannot.
    """
    length = float(presentation.media.duration)
    latest = max(snapshot.position, *(place.time for place in snapshot.renditions), 0.0)
    if latest > length + TOLERANCE:
        raise SnapshotRefused(f"it is at {latest:g} s, and the file ends at {length:g} s")


def judge_numbers(snapshot: Snapshot, presentation: Presentation) -> None:
    """See whether a snapshot's renditions and segments are those of a session.

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
    for place in snapshot.renditions:
        yield place.rendition, place.segment
    for run in snapshot.runs:
        yield run.rendition, run.next
