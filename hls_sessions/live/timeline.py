"""The timeline of a recording, which grows: its cuts are facts, written down as they are made, and never change.

A part is one stream of a source. Where the source comes back with another one, that is another part: its times begin
anew (EXT-X-DISCONTINUITY), and it has init segments of its own. Segments are numbered through all parts.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from datetime import timedelta
from fractions import Fraction
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

PARTIALS_FOR: Final = 3
"""Target durations for which the parts of segments are offered (RFC 8216bis-20, 4.4.4.9)."""


@dataclass(frozen=True, slots=True)
class LivePart:
    """One stream of a source, as it is offered."""

    number: int
    """Counted from 0."""
    first: int
    """Its first segment."""
    origin: Fraction
    """When its first segment begins, in seconds on its own clock."""
    began_at: datetime
    """When that was, by the wall clock."""
    kinds: tuple[str, ...]
    """Its renditions: ``video``, ``audio``."""


@dataclass(frozen=True, slots=True)
class PartialSegment:
    """A part of a segment, which can be watched before the segment is whole (RFC 8216bis-20, 4.4.4.9)."""

    ends: Fraction
    """When it ends, in seconds on the clock of its part of the timeline."""
    opens: Mapping[str, bool]
    """Whether it begins with a keyframe, by rendition; of a rendition that is missing, it holds nothing."""


@dataclass(eq=False)
class GrowingTimeline:
    """The segments so far. One thread adds to it, and any may read it."""

    target: int
    """Seconds that no segment is longer than, rounded (RFC 8216, 4.3.3.1). It must not change while players look."""
    parts: list[LivePart] = field(default_factory=list)
    ends: list[Fraction] = field(default_factory=list)
    """When each segment ends, in seconds on the clock of its part."""
    is_over: bool = False
    """Whether no segment will be added."""
    duration: Fraction = Fraction(0)
    """Seconds of all segments."""
    partials: Mapping[int, tuple[PartialSegment, ...]] = field(default_factory=dict)
    """The parts of the newest segments, and of the one that follows. They are not written down."""

    def __len__(self) -> int:
        return len(self.ends)

    @property
    def longest(self) -> Fraction:
        """Seconds that a segment may have: rounded, they are no more than the target."""
        return self.target + Fraction(45, 100)

    def begin_part(self, number: int, origin: Fraction, began_at: datetime, kinds: Sequence[str]) -> None:
        """Add a part, to which all further segments belong.

        Raises:
            ValueError: it is not a later one, or nothing more can be added.
        """
        if self.is_over or (self.parts and number <= self.parts[-1].number):
            raise ValueError(f"part {number} cannot be added to {self.parts[-1:]}")
        self.parts.append(LivePart(number, len(self), origin, began_at, tuple(kinds)))

    def add(self, end: Fraction) -> int:
        """Add the segment that begins where the one before it ends, and return its number.

        Raises:
            ValueError: it is longer than players were told, ends before it begins, or nothing more can be added.
        """
        self.judge(end)
        self.duration += end - self.begins(len(self))
        self.ends.append(end)
        offered = self.oldest_within(PARTIALS_FOR * self.target)
        self.partials = {segment: parts for segment, parts in self.partials.items() if segment >= offered}
        return len(self) - 1

    def add_partial(self, segment: int, partial: PartialSegment) -> None:
        """Add a part to the segment that follows; its last one after the segment, or another would be awaited."""
        self.partials = {**self.partials, segment: (*self.partials.get(segment, ()), partial)}

    def reaches(self, segment: int, part: int | None) -> bool:
        """Whether there is a segment or, if one is named, that part of it."""
        return segment < len(self) or (part is not None and part < len(self.partials.get(segment, ())))

    def oldest_within(self, seconds: float) -> int:
        """Return the first of the segments that the last seconds consist of."""
        first, found = len(self), 0.0
        while first and found < seconds:
            first -= 1
            found += float(self.length(first))
        return first

    def judge(self, end: Fraction) -> None:
        """Raise the error that ``add`` would raise, if any."""
        if self.is_over or not self.parts:
            raise ValueError("nothing can be added")
        length = end - self.begins(len(self))
        if not round(length * 1000) > 0 or round(length) > self.target:
            raise ValueError(f"a segment of {float(length):g} seconds cannot be added")

    def part_of(self, segment: int) -> LivePart:
        """Return the part that a segment belongs to; of the next segment, the one that it would."""
        return self.parts[bisect_right(self.parts, segment, key=lambda part: part.first) - 1]

    def begins(self, segment: int) -> Fraction:
        """When a segment begins, in seconds on the clock of its part; also the next one."""
        part = self.part_of(segment)
        return part.origin if segment == part.first else self.ends[segment - 1]

    def length(self, segment: int) -> Fraction:
        """How long a segment is, in seconds."""
        return self.ends[segment] - self.begins(segment)

    def began_at(self, segment: int) -> datetime:
        """When a segment began, by the wall clock."""
        part = self.part_of(segment)
        return part.began_at + timedelta(seconds=float(self.begins(segment) - part.origin))
