"""The segments that the viewers of one session waited for, phase by phase. Outlives the session's actors."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, NamedTuple

from hls_sessions.encoding import REQUEST, SEND, AwaitedSegment
from hls_sessions.otp import shielded
from hls_sessions.session.tracing import traced, traced_sending

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from hls_sessions.encoding import Stamps
    from hls_sessions.otp import Clock

UNSENT: Final = 8
"""How many segments are remembered until they are sent. A library that opens the file itself never says that it was."""


class _Unsent(NamedTuple):
    """A segment that was published and not sent yet."""

    awaited: AwaitedSegment
    published_at: float
    trace: Any


class AwaitedSegments:
    """The first one and the last one. Any thread may use it."""

    def __init__(self, session_id: str, clock: Clock, tell: Callable[[Mapping[str, float]], None]) -> None:
        """Begin without any. ``tell`` gets the seconds of phases, each once, and must be quick."""
        self._session_id = session_id
        self._clock = clock
        self._tell = tell
        self._opening: Stamps | None = None
        self.first: AwaitedSegment | None = None
        """Of the video, if there is any; so is the last."""
        self.last: AwaitedSegment | None = None
        self._unsent: deque[_Unsent] = deque(maxlen=UNSENT)
        self._lock = threading.Lock()

    def opened(self, opening: Stamps) -> None:
        """Note the phases of the opening of the session. They are the beginning of its first segment's."""
        self._opening = opening

    @shielded
    def published(self, rendition: str, segment: int, stamps: Stamps, *, is_shown: bool) -> None:
        """Note that a segment was published.

        Args:
            rendition: its rendition.
            segment: its number.
            stamps: its phases.
            is_shown: whether its viewer waits for this track, and not for another that takes longer.
        """
        with self._lock:
            if is_shown and self.first is None and self._opening is not None:
                opening, asked = self._opening, stamps.begun
                stamps.begun = opening.begun
                stamps.phases = opening.phases | {REQUEST: max(0.0, asked - opening.last)} | stamps.phases
            began = self._clock.time() - (self._clock.monotonic() - stamps.begun)
            seconds = sum(stamps.phases.values())
            awaited = AwaitedSegment(rendition, segment, datetime.fromtimestamp(began, UTC), seconds, stamps.phases)
            if is_shown:
                self.first, self.last = self.first or awaited, awaited
            self._unsent.append(_Unsent(awaited, stamps.last, traced(self._session_id, awaited)))
        self._tell(awaited.phases)

    @shielded
    def sent(self, rendition: str, segment: int) -> None:
        """Note that a segment was sent to the first of the viewers who waited for it."""
        with self._lock:
            wanted = rendition, segment
            found = next((one for one in self._unsent if (one.awaited.rendition, one.awaited.segment) == wanted), None)
            if found is None:
                return
            self._unsent.remove(found)
            before, took = found.awaited, max(0.0, self._clock.monotonic() - found.published_at)
            after = replace(before, seconds=before.seconds + took, phases=before.phases | {SEND: took})
            self.first = after if self.first is before else self.first
            self.last = after if self.last is before else self.last
        traced_sending(found.trace, before, {SEND: took})
        self._tell({SEND: took})
