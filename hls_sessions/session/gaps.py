"""What is given in place of a segment of which the file holds nothing, at its place in the presentation. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hls_sessions.media import OFFSET, gap

if TYPE_CHECKING:
    from fractions import Fraction

    from hls_sessions.media import Cuts


def gap_of(number: int, cuts: Cuts, origin: Fraction, init: bytes) -> bytes:
    """Return the gap of a segment.

    Args:
        number: the segment.
        cuts: where its rendition is cut.
        origin: the file's time at which the presentation begins.
        init: its rendition's init segment.

    Raises:
        BrokenSegment: that is not an init segment.
    """
    return gap(init, cuts.times[number] - origin + OFFSET, cuts.end(number) - origin + OFFSET)
