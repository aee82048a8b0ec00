"""The record of one session: its state, its steps, and its counters. It outlives its actors.

The actor writes most of it, the client and the supervisor the rest, each from its own thread. So every method may be
called from any thread. A crash of an actor loses nothing.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypedDict

from hls_sessions.errors import IllegalTransition
from hls_sessions.otp import shielded
from hls_sessions.session.awaited import AwaitedSegments
from hls_sessions.session.counters import ACTOR, DAEMON, Counters
from hls_sessions.session.events import (
    Ended,
    Evicted,
    Restarted,
    SegmentReady,
    SourceChanged,
    Started,
    StateChanged,
    Updated,
)
from hls_sessions.session.presence import Presence
from hls_sessions.session.state import Circumstances, State, Step, Who, next_state

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hls_sessions.counters import Sums
    from hls_sessions.ffmpeg import Exit
    from hls_sessions.otp import Clock
    from hls_sessions.session.events import Event
    from hls_sessions.session.snapshot import Snapshot

REMEMBERED = 1000
"""How many steps of one session are kept, the latest ones. Only a session that is paused and resumed hundreds of times
takes more."""

LOGGED = 50
"""How many processes that have ended are remembered with what they said last."""

CHANGE = "change"
"""The name of a refused change of a session's settings, in place of a step."""

QUIET = Circumstances()
"""Nobody waits, and nothing is overdue."""


@dataclass(frozen=True, slots=True)
class Transition:
    """One step that was taken."""

    at: datetime
    step: str
    from_state: str
    to_state: str
    by: str
    """The asker: ``viewer``, ``session``, ``reaper`` or ``supervisor``."""
    reason: str


@dataclass(frozen=True, slots=True)
class LogEntry:
    """What a process of a session has said last."""

    at: datetime
    process: str
    """The rendition and the run, or the packager."""
    ended: str | None
    """How it has ended; None while it runs."""
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Earlier:
    """The record of a session that an earlier daemon has written down."""

    state: State
    history: tuple[Transition, ...]
    sums: Sums
    position: float
    first_segment_after: float | None
    last_activity_at: datetime
    cause: str
    """Why the earlier daemon left it."""
    snapshot: Snapshot | None = None
    """Its snapshot, if it is paused."""
    own: tuple[float | None, float | None] = None, None
    """Its own times, as in ``Presence.own``."""
    had_subscribers: bool = False
    """Whether it had subscribers."""


class SessionRecord:
    """One session's record. Any thread may use it."""

    def __init__(
        self,
        session_id: str,
        clock: Clock,
        tell: Callable[[Event], None] = lambda _: None,
        *,
        user: str | None = None,
        media: str = "",
        idle_timeout: float = 1800.0,
        subscriber_ttl: float = 90.0,
        start_at: float = 0.0,
        tell_phases: Callable[[Mapping[str, float]], None] = lambda _: None,
    ) -> None:
        """Begin the record of a pending session.

        ``tell`` gets all its events, ``tell_phases`` how long the phases of awaited segments took; both must be quick.
        """
        self.session_id = session_id
        self.presence = Presence(clock, idle_timeout, subscriber_ttl)
        self._tell = tell
        self._user, self._media = user, media
        self._is_told_of_the_end = False
        self.counters = Counters()
        self.awaited = AwaitedSegments(session_id, clock, tell_phases)
        """The segments that its viewers waited for."""
        self.position = start_at
        """The last position of its viewer, in seconds from the beginning."""
        self.paused_by: object = None
        """The request that last paused it."""
        self.first_segment_after: float | None = None
        """Seconds from the first request for a segment to the first segment made."""
        self.log: deque[LogEntry] = deque(maxlen=LOGGED)
        """What the latest processes that have ended said last."""
        self._clock = clock
        self._state = State.PENDING
        self._since = clock.monotonic()
        self._seconds = dict.fromkeys(State, 0.0)
        self._history: deque[Transition] = deque(maxlen=REMEMBERED)
        self._started_at: datetime | None = None
        self._snapshot: Snapshot | None = None
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"<SessionRecord {self.session_id[:8]} [{self._state.value}]>"

    @shielded
    def take(
        self,
        step: Step,
        by: Who,
        reason: str,
        now: Circumstances = QUIET,
        snapshot: Snapshot | None = None,
        provided: Callable[[State], bool] | None = None,
    ) -> Transition:
        """Take one step, and return it as recorded. Simultaneous calls are judged one after the other.

        Args:
            step: the step.
            by: the asker.
            reason: why, in words.
            now: the circumstances that the table's guards judge.
            snapshot: the snapshot of a pause.
            provided: a further condition that must hold at this moment. It must be quick, and not ask this record.

        Raises:
            IllegalTransition: the table does not allow it, or ``provided`` does not hold; nothing has changed.
        """
        with self._lock:
            self._judge(step.value, provided)
            to = next_state(self._state, step, by, reason, now)
            taken = Transition(_date(self._clock), step.value, self._state.value, to.value, by.value, reason)
            moment = self._clock.monotonic()
            self._seconds[self._state] += moment - self._since
            self._state, self._since = to, moment
            self._history.append(taken)
            self._snapshot = snapshot
            if snapshot is not None:
                self.position = snapshot.position
            # Within the lock, so that the events come in the order of the steps.
            self._tell(
                StateChanged(
                    session_id=self.session_id,
                    at=taken.at,
                    step=taken.step,
                    from_state=taken.from_state,
                    to_state=taken.to_state,
                    by=taken.by,
                    reason=reason,
                    snapshot=snapshot,
                )
            )
            if step is Step.START:
                self._started_at = taken.at
                self._tell(Started(session_id=self.session_id, at=taken.at, user=self._user, media=self._media))
        return taken

    @shielded
    def change(self, settings: Mapping[str, float], provided: Callable[[State], bool] | None = None) -> None:
        """Give it settings of its own, by the names of ``Presence.change``. All are changed, or none.

        Raises:
            IllegalTransition: it has ended, or ``provided`` does not hold.
        """
        with self._lock:
            if self._state.is_final:
                raise IllegalTransition(
                    self._state.value, CHANGE, f"A session that is {self._state.value} stays as it is."
                )
            self._judge(CHANGE, provided)
            self.presence.change(**settings)
            self._tell(Updated(**self._now(), settings=dict(settings)))

    def _judge(self, step: str, provided: Callable[[State], bool] | None) -> None:
        if provided is not None and not provided(self._state):
            raise IllegalTransition(self._state.value, step, "The session is no longer one of those that were meant.")

    def go_on(self, earlier: Earlier) -> None:
        """Go on from the record of an earlier daemon. Must be called before this one is shared."""
        self.counters = Counters(earlier.sums)
        self.position, self.first_segment_after = earlier.position, earlier.first_segment_after
        self.presence.was_last_here(earlier.last_activity_at, had_subscribers=earlier.had_subscribers)
        self.presence.change(*earlier.own)
        self._state, self._snapshot = earlier.state, earlier.snapshot
        self._history.extend(earlier.history)
        ends = [*(step.at for step in earlier.history), _date(self._clock)][1:]
        for step, end in zip(earlier.history, ends, strict=True):
            if step.step == Step.START.value:
                self._started_at = step.at
            self._seconds[State(step.to_state)] += max(0.0, (end - step.at).total_seconds())
        self.counters.restarted(DAEMON)
        self._tell(Restarted(**self._now(), what=DAEMON, cause=earlier.cause))

    # ---- events

    def made(self, rendition: str, segment: int, size: int) -> None:
        """Note that a segment of so many bytes was published."""
        self.counters.add(segments_made=1, bytes_made=size)
        self._tell(SegmentReady(**self._now(), rendition=rendition, segment=segment, size=size))

    def took(self, rendition: str, segment: int, size: int) -> None:
        """Note that a segment of so many bytes was taken over from another session."""
        self.counters.add(segments_shared=1)
        self._tell(SegmentReady(**self._now(), rendition=rendition, segment=segment, size=size))

    def evicted(self, rendition: str, segment: int) -> None:
        """Note that a published segment is no longer on disk."""
        self._tell(Evicted(**self._now(), rendition=rendition, segment=segment))

    def replaced(self, rendition: str, segment: int, cause: str, what: str = "encoder") -> None:
        """Note that an encoder or a packager replaced one that was lost, and why it was lost."""
        self.counters.restarted(cause)
        self._tell(Restarted(**self._now(), what=what, cause=cause, rendition=rendition, segment=segment))

    def source_changed(self, source: str, reason: str | None = None) -> None:
        """Note that the source of a recording has come, was lost, or has ended."""
        self._tell(SourceChanged(**self._now(), source=source, reason=reason))

    def refused(self) -> None:
        """Note that a segment did not pass its check."""
        self.counters.add(segments_refused=1)

    def failed(self) -> None:
        """Note that an encoder or a packager failed."""
        self.counters.add(encoder_failures=1)

    def ended(self, process: str, exit_: Exit) -> None:
        """Note how an encoder or a packager has ended and what it said last, and count its processor seconds."""
        self.counters.add(encoder_seconds=exit_.seconds)
        self.log.append(LogEntry(self._now()["at"], process, str(exit_), exit_.log))

    def came_back(self, cause: str) -> None:
        """Note that its actor was restarted, and why."""
        self.presence.touch()  # nobody could ask anything while there was no actor
        self.counters.restarted(ACTOR)
        self._tell(Restarted(**self._now(), what=ACTOR, cause=cause))

    @shielded
    def over(self) -> None:
        """Note that the session has ended and its encoders are gone, so that no event follows."""
        end = self.end
        with self._lock:
            told, self._is_told_of_the_end = self._is_told_of_the_end, True
        if end is not None and not told:
            sums, seconds = self.counters.sums, self.seconds
            ended = Ended(**self._now(), state=end.to_state, reason=end.reason, seconds_in=seconds, sums=sums)
            self._tell(ended)

    # ---- reading

    @property
    def state(self) -> State:
        """Its state."""
        return self._state

    @property
    def snapshot(self) -> Snapshot | None:
        """Its snapshot, if it is paused; else None."""
        return self._snapshot

    @property
    def started_at(self) -> datetime | None:
        """When it became playable; None if it never has."""
        return self._started_at

    @shielded
    def recount(self, tell: Callable[[tuple[Transition, ...]], None]) -> None:
        """Call ``tell`` with all steps so far, before any other is taken."""
        with self._lock:
            tell(tuple(self._history))

    @property
    @shielded
    def history(self) -> tuple[Transition, ...]:
        """Every step, the oldest first."""
        with self._lock:
            return tuple(self._history)

    @property
    def end(self) -> Transition | None:
        """The step that ended it; None if it has not ended."""
        history = self.history
        return history[-1] if history and State(history[-1].to_state).is_final else None

    @property
    @shielded
    def seconds(self) -> dict[str, float]:
        """The seconds spent in each state so far; those of a final state are not counted."""
        with self._lock:
            seconds = {state.value: spent for state, spent in self._seconds.items() if not state.is_final}
            if not self._state.is_final:
                seconds[self._state.value] += self._clock.monotonic() - self._since
        return seconds

    def _now(self) -> Moment:
        return {"session_id": self.session_id, "at": _date(self._clock)}


class Moment(TypedDict):
    """The fields of every event."""

    session_id: str
    at: datetime


def _date(clock: Clock) -> datetime:
    return datetime.fromtimestamp(clock.time(), UTC)
