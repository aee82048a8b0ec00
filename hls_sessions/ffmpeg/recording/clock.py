"""The clock of a stream, mended: where its times jump, they go on from where they were.

A source that was started again within one stream, a recorder whose clock was set, and the counter of MPEG-TS that
begins anew after 26.5 hours all make times jump. A hole of the length of a jump would be nothing that anybody has seen.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any, Final

AHEAD: Final = Fraction(10)
"""Seconds that a packet may be later than all before it: of a screen on which nothing happens, few come."""

BEHIND: Final = Fraction(2)
"""Seconds that a packet may be earlier than those of its track before it: frames are not sent as they are shown."""

STEP: Final = Fraction(1, 25)
"""Seconds between the last packet before a jump and the first after it."""


class MendedClock:
    """Puts the packets of all tracks of a stream on one clock that does not jump."""

    def __init__(self) -> None:
        self._shift = Fraction(0)
        """Seconds that are added to the times after the last jump."""
        self._shifts: dict[int, Fraction] = {}
        """The same of each track: one track may jump a little later than another."""
        self._latest: dict[int, Fraction] = {}
        """The latest time of each track."""

    def mend(self, packet: Any) -> Any:
        """Return a packet with its time on the mended clock."""
        track, time = packet.stream.index, packet.pts * packet.time_base
        shift = self._shifts.get(track, self._shift)
        if not self._fits(track, time + shift):
            if not self._fits(track, time + self._shift):
                self._shift = max(self._latest.values()) + STEP - time
            shift = self._shift
        if shift:
            ticks = round(shift / packet.time_base)
            packet.pts += ticks
            packet.dts = None if packet.dts is None else packet.dts + ticks
        self._shifts[track] = shift
        self._latest[track] = max(time + shift, self._latest.get(track, time + shift))
        return packet

    def _fits(self, track: int, time: Fraction) -> bool:
        """Whether a time goes on from those before."""
        if not self._latest:
            return True
        return self._latest.get(track, time) - BEHIND <= time <= max(self._latest.values()) + AHEAD
