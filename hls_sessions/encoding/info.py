"""The state of one rendition, of its encoders and of its viewers' waits, for operators."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime  # noqa: TC003 - the HTTP edge reads the types at run time


@dataclass(frozen=True, slots=True)
class RunInfo:
    """One encoder at work."""

    rendition: str
    run: int
    pid: int
    first: int
    """The segment it began with."""
    next: int
    """The segment it makes now."""
    held: bool
    encoder: str
    """The encoder, as ffmpeg spells it."""
    log: tuple[str, ...] = ()
    """The last lines that it has written to standard error."""


@dataclass(frozen=True, slots=True)
class GapInfo:
    """A stretch of segments that cannot be made."""

    first: int
    last: int
    reason: str


@dataclass(frozen=True, slots=True)
class RenditionInfo:
    """One rendition, and how much of it is on disk."""

    id: str
    kind: str
    codecs: str
    bandwidth: int
    """Bits per second of its densest segment."""
    segments: int
    """How many segments the playlist has."""
    published: int
    """How many segments are on disk."""
    gaps: tuple[GapInfo, ...] = ()
    """The segments that its playlist has and the file does not hold."""
    width: int | None = None
    height: int | None = None
    language: str | None = None
    encoder: str | None = None
    """The encoder in use, as ffmpeg spells it, or ``copy``."""
    given_up: tuple[str, ...] = ()
    """Why copying and each better method were given up, in sentences."""


@dataclass(frozen=True, slots=True)
class AwaitedSegment:
    """A segment that a viewer waited for, and how long each phase took, in seconds.

    Of the first segment of a session, the phases begin with the opening.
    """

    rendition: str
    segment: int
    at: datetime
    """When the first phase began."""
    seconds: float
    """All phases."""
    phases: dict[str, float]
    """The seconds of each, in their order; those that there were none of are missing."""
