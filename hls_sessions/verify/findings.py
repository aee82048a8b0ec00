"""The findings of a verification, and the figures of each rendition."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong."""

    where: str
    """The playlist or segment, as its URL's path."""
    rule: str
    """The rule it breaks: an RFC 8216 section, or ``exactness``, ``continuity``, ``decoding``, ``delivery``, ``gap``.

    A ``gap`` is a part that the file does not hold; the server says so.
    """
    sentence: str


@dataclass(slots=True)
class Looked:
    """The figures of the parts of one rendition that were looked at."""

    rendition: str
    segments: int = 0
    packets: int = 0
    frames: int = 0
    bytes: int = 0
    seconds: float = 0.0
    worst_deviation_ms: float | None = None
    """How far any packet's time is off the source's, once the constant offset is taken away."""


@dataclass(frozen=True, slots=True)
class Received:
    """One segment as it was fetched."""

    rendition: str
    """Its media playlist, as the URL's path."""
    number: int
    """Its media sequence number (RFC 8216, 6.2.1)."""
    start: float
    """When it begins, in seconds from the beginning of its playlist."""
    seconds: float
    """How long it lasts, as EXTINF says."""
    content: bytes
    """Its bytes, without those of its init segment."""
    init: bytes
    """Its init segment; empty without one."""
    times: dict[str, tuple[float, ...]]
    """When each packet is shown or heard, in order, in seconds as written, by the kind of track."""


@dataclass(slots=True)
class Report:
    """The judgement on one presentation."""

    url: str
    renditions: list[Looked] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    def add(self, where: str, rule: str, sentence: str) -> None:
        """Note something that is wrong."""
        self.findings.append(Finding(where, rule, sentence))
