"""An account of one rendition, and of what makes it, for operators."""

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
    """What makes it, as ffmpeg spells it."""


@dataclass(frozen=True, slots=True)
class GapInfo:
    """Segments that turned out impossible to make, one after another."""

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
    """How many the playlist has."""
    published: int
    """How many are on disk."""
    gaps: tuple[GapInfo, ...] = ()
    """Where the file turned out not to hold what its playlist promises."""
    width: int | None = None
    height: int | None = None
    language: str | None = None
    encoder: str | None = None
    """What makes it now, as ffmpeg spells it."""
    given_up: tuple[str, ...] = ()
    """Why each better method to make it was given up, in sentences."""
