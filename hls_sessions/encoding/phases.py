"""How long each phase of making a segment took, for the segments that viewers wait for. Lives in the session's thread.

A segment that is on disk has no phases, and nothing is measured of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

PROBE: Final = "probe"
"""Of the opening of a session: until the file is probed."""
TIMELINE: Final = "timeline"
"""Until its timeline and its renditions are computed."""
OPEN: Final = "open"
"""Until the session's actor runs."""
REQUEST: Final = "request"
"""Until a viewer asks for the segment, or for the init segment that comes with it: the time of the player, and of the
network."""
SCHEDULE: Final = "schedule"
"""Until an encoder is started, or the packager is to make it: the wait for a slot, for room, and after failures."""
COMMAND: Final = "command"
"""Until the command of the encoder is written."""
FORK: Final = "fork"
"""Until ffmpeg runs; of a copied segment, until the packager begins with it."""
FIRST_PACKET: Final = "first_packet"
"""Until ffmpeg writes its first packet."""
FILE: Final = "file"
"""Until the file is complete."""
LOOK: Final = "look"
"""Until the film was looked at, whether it is still the same."""
CHECK: Final = "check"
"""Until the segment has passed its check."""
PUBLISH: Final = "publish"
"""Until it is on disk under its name, and its viewers are answered."""
SEND: Final = "send"
"""Until it was handed to the connection."""

PHASES: Final = (
    *(PROBE, TIMELINE, OPEN, REQUEST),
    *(SCHEDULE, COMMAND, FORK, FIRST_PACKET, FILE, LOOK, CHECK, PUBLISH, SEND),
)
"""All of them, in their order."""


class Stamps:
    """The phases of one segment so far: each ends when the next begins."""

    __slots__ = ("begun", "last", "phases")

    def __init__(self, now: float) -> None:
        self.begun = self.last = now
        """On the clock of whoever stamps."""
        self.phases: dict[str, float] = {}
        """Seconds of each, in their order. One that was gone through twice, because a segment was tried again, is the
        sum of both."""

    def reach(self, phase: str, now: float) -> None:
        """Note the end of a phase."""
        # What another thread has noted may be earlier than the stamp before.
        self.phases[phase] = self.phases.get(phase, 0.0) + max(0.0, now - self.last)
        self.last = max(self.last, now)


class Phases:
    """The segments of one session that viewers wait for."""

    __slots__ = ("_done", "_now", "_stamps")

    def __init__(self, now: Callable[[], float], done: Callable[[str, int, Stamps], None]) -> None:
        """Begin with none; ``done`` hears of each that was published, with its rendition and number."""
        self._now = now
        self._done = done
        self._stamps: dict[tuple[str, int], Stamps] = {}

    def begin(self, rendition: str, number: int, *, joins: bool = False) -> None:
        """Note that a viewer asks for a segment; ``joins`` says that others wait for it already, or may."""
        if not joins or (rendition, number) not in self._stamps:
            self._stamps[rendition, number] = Stamps(self._now())

    def reach(self, rendition: str, number: int, phase: str, at: float | None = None) -> None:
        """Note the end of a phase, now or at a time on the clock. Does nothing if no viewer waits for the segment."""
        if (stamps := self._stamps.get((rendition, number))) is not None:
            stamps.reach(phase, self._now() if at is None else at)

    def end(self, rendition: str, number: int, *, awaited: bool) -> None:
        """Note that a segment was published, and whether viewers still wait for it."""
        if (stamps := self._stamps.pop((rendition, number), None)) is not None and awaited:
            stamps.reach(PUBLISH, self._now())
            self._done(rendition, number, stamps)
