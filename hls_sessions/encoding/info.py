"""The state of one rendition and of its encoders, for operators."""

from __future__ import annotations

from dataclasses import dataclass


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
