"""Writes down the states and counters of the sessions: the one place between the supervisor and the store.

It gets every event in the thread in which the event happens. Nothing here waits for the disk, asks a session, or
fails. The counters of a session are read from its record.
"""

from __future__ import annotations

import json
import threading
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from hls_sessions.counters import Sums, sums_of
from hls_sessions.errors import SessionEnded, SessionNotFound
from hls_sessions.otp import shielded
from hls_sessions.session import (
    Earlier,
    Ended,
    Snapshot,
    State,
    StateChanged,
    Step,
    Transition,
    Updated,
    Who,
)
from hls_sessions.store import ProbeRow, SessionRow, TransitionRow
from hls_sessions.supervisor.totals import Totals

if TYPE_CHECKING:
    from collections.abc import Callable

    from hls_sessions.errors import SessionError
    from hls_sessions.ffmpeg import FileVersion
    from hls_sessions.otp import Clock
    from hls_sessions.session import Event, SessionRecord, Spec
    from hls_sessions.store import Retention, Store

KILLED: Final = "its daemon was killed"
STOPPED: Final = "its daemon was stopped"

REMEMBERED: Final = 10_000
"""The most ended sessions that still say when and why they ended. The number is limited, because a caller that opens
sessions without end would fill the memory."""

GOING: Final = {State.ACTIVE.value, State.PAUSED.value}
"""States from which a session goes on in another daemon."""


class Recorder:
    """The rows of the sessions that live, and the counts of all since the start. Any thread may use it."""

    def __init__(self, store: Store, clock: Clock, rule: Retention, encoder: str, interval: float) -> None:
        """Write into an open store.

        Args:
            store: where to.
            clock: what time it is.
            rule: for how long rows are kept.
            encoder: the ffmpeg that makes the segments.
            interval: seconds between two refreshes.
        """
        self._store = store
        self._clock = clock
        self.rule = rule
        """For how long ended sessions are kept."""
        self._encoder = encoder
        self._interval = interval
        self._living: dict[str, tuple[SessionRow, SessionRecord]] = {}
        self._past: dict[str, SessionRow] = {}
        """The latest sessions that ended by themselves, for as long as they are kept."""
        self._unfinished: dict[str, SessionRow] = {}
        """The sessions of an earlier daemon that are to go on, until they do."""
        self._totals = Totals()
        """Of the sessions that have ended."""
        self._before = Totals()
        """The counts that earlier daemons made of the sessions that go on."""
        self._lock = threading.Lock()
        store.when_begun_anew = self._write_again

    # ---- what happens

    def settle(self, is_recording: Callable[[str], bool]) -> tuple[list[SessionRow], list[SessionRow]]:
        """Return the sessions of an earlier daemon that are to go on: those of films, and the recordings.

        The end of those that cannot go on is written down.
        """
        recordings = []
        for row in self._store.sessions():
            if row.ended_at is not None:
                self._remember(row)
            elif row.state not in GOING:
                self.cannot_go_on(row, KILLED)
            elif row.fingerprint is not None:
                self._unfinished[row.id] = row
            elif is_recording(row.id):
                recordings.append(row)
            else:
                self.cannot_go_on(row, KILLED)
        return list(self._unfinished.values()), recordings

    def earlier(self, row: SessionRow) -> Earlier:
        """Return the earlier record of a session that is to go on. Reads the history."""
        return Earlier(
            state=State(row.state),
            history=self._steps(row.id),
            sums=Sums(**sums_of(row)),
            position=row.start_at if row.position is None else row.position,
            first_segment_after=row.first_segment_after,
            last_activity_at=_date(self._last_activity(row)),
            cause=KILLED if row.left_at is None else STOPPED,
            snapshot=_read(row.snapshot),
            own=(row.own_idle_timeout, row.subscriber_ttl),
            had_subscribers=row.had_subscribers,
        )

    @shielded
    def goes_on(self, row: SessionRow, spec: Spec, record: SessionRecord) -> None:
        """Note that a session of an earlier daemon goes on in this one, perhaps with another directory."""
        with self._lock:
            self._before = self._before.with_all([row])
            row = replace(row, encoder=self._encoder, directory=str(spec.directory), left_at=None)
            row = self._as_now(row, record)
            self._unfinished.pop(row.id, None)
            self._living[row.id] = row, record
        self._store.record_session(row)

    @shielded
    def cannot_go_on(self, row: SessionRow, why: str) -> None:
        """Write down that a session of an earlier daemon has failed."""
        self._ended(row, Step.FAIL, State.FAILED, why)

    @shielded
    def completed(self, row: SessionRow, why: str) -> None:
        """Write down that a session of an earlier daemon was ended before it was back."""
        self._ended(row, Step.COMPLETE, State.COMPLETED, why)

    @shielded
    def moved(self, session_id: str, why: str) -> None:
        """Write down that a session goes on in another daemon. What still happens in it here is not noted."""
        with self._lock:
            known = self._living.pop(session_id, None)
            if known is None:
                return
            row = self._as_now(*known)
            self._totals = self._totals.with_all([row])
        self.completed(row, why)

    @shielded
    def leave(self) -> None:
        """Leave the sessions that live to the next daemon. Nothing more happens in them."""
        self.refresh()
        now = self._clock.time()
        with self._lock:
            rows = [replace(row, left_at=now) for row, _ in self._living.values()]
            self._living.clear()
        for row in rows:
            self._store.record_session(row)

    @shielded
    def opened(self, spec: Spec, record: SessionRecord) -> None:
        """Note that a session is opened. Its events follow."""
        row = SessionRow(
            id=spec.session_id,
            user=spec.user,
            media=str(spec.path),
            duration=float(spec.duration),
            segment_length=spec.segment_length,
            start_at=spec.start_at,
            idle_timeout=spec.idle_timeout,
            directory=str(spec.directory),
            created_at=spec.created_at.timestamp(),
            updated_at=self._clock.time(),
            state=record.state.value,
            encoder=self._encoder,
            **spec.promised(),
        )
        with self._lock:
            self._living[row.id] = row, record
        self._store.record_session(row)

    @shielded
    def heard(self, event: Event) -> None:
        """Note an event of a session."""
        match event:
            case StateChanged():
                self._stepped(event)
            case Updated():
                self._updated(event)
            case Ended():
                with self._lock:
                    known = self._living.pop(event.session_id, None)
                    if known is None:
                        return
                    row = self._as_now(*known)
                    self._remember(row)
                    self._totals = self._totals.with_all([row])
                self._store.record_session(row)

    @shielded
    def refresh(self) -> list[SessionRow]:
        """Note the counters of the sessions that live, where they have changed; return the rows of these sessions."""
        with self._lock:
            rows = {session_id: self._as_now(row, record) for session_id, (row, record) in self._living.items()}
            changed = [row for session_id, row in rows.items() if row is not self._living[session_id][0]]
            self._living |= {row.id: (row, self._living[row.id][1]) for row in changed}
        for row in changed:
            self._store.record_session(row)
        return list(rows.values())

    # ---- what is known

    def rows(self) -> list[SessionRow]:
        """Return all sessions that are known: those that live, as they are now, and those that are kept."""
        living = {row.id: row for row in self.refresh()}
        return list(({row.id: row for row in self._store.sessions()} | living).values())

    def why_not(self, session_id: str) -> SessionError:
        """Return the error for a session that is not there: when and why it ended by itself, while it is kept."""
        row = self._kept(session_id)
        if row is None or row.ended_at is None:
            return SessionNotFound(session_id)
        return SessionEnded(row.id, row.state, row.reason or "", _date(row.ended_at).isoformat(timespec="seconds"))

    def past_steps(self, session_id: str) -> tuple[Transition, ...]:
        """Return the steps of an ended session while it is kept, and none of any other. Reads the history."""
        row = self._store.session(session_id)
        return () if row is None or row.ended_at is None or self._is_over(row) else self._steps(session_id)

    @shielded
    def tidy(self) -> None:
        """Forget the ended sessions that were kept for long enough."""
        with self._lock:
            self._past = {session_id: row for session_id, row in self._past.items() if not self._is_over(row)}

    def totals(self) -> Totals:
        """Return the counts since the start."""
        rows = self.refresh()
        with self._lock:
            return self._totals.with_all(row for row in rows if row.id in self._living).without(self._before)

    # ---- within

    @shielded
    def _write_again(self) -> set[str]:
        """Write all known sessions again after the database was lost; return those whose steps are written too."""
        with self._lock:
            records = [record for _, record in self._living.values()]
            others = [*self._past.values(), *self._unfinished.values()]
        for row in others:
            self._store.record_session(row)
        for record in records:
            record.recount(partial(self._write_living_again, record.session_id))
        return {record.session_id for record in records}

    def _write_living_again(self, session_id: str, steps: tuple[Transition, ...]) -> None:
        with self._lock:
            known = self._living.get(session_id)
        if known is not None:
            self._store.record_again(known[0], [_step_row(session_id, step) for step in steps])

    def _remember(self, row: SessionRow) -> None:
        """Note how a session ended. One that its viewer ended is left out, because nobody is told of its end."""
        if row.state != State.COMPLETED.value:
            self._past[row.id] = row
            while len(self._past) > REMEMBERED:
                del self._past[next(iter(self._past))]

    def _kept(self, session_id: str) -> SessionRow | None:
        row = self._past.get(session_id)
        return None if row is None or self._is_over(row) else row

    def _is_over(self, row: SessionRow) -> bool:
        return self.rule.is_over(row.state, row.ended_at, self._clock.time())

    def _stepped(self, event: StateChanged) -> None:
        step = _step_row(event.session_id, event)
        with self._lock:
            known = self._living.get(event.session_id)
            if known is None:
                return
            row, record = known
            row = replace(self._as_now(row, record), state=event.to_state, snapshot=_written(event.snapshot))
            if event.step == Step.START.value:
                row = replace(row, started_at=event.at.timestamp())
            if State(event.to_state).is_final:
                row = replace(row, ended_at=event.at.timestamp(), reason=event.reason)
            self._living[row.id] = row, record
        self._store.record_transition(step)
        self._store.record_session(row)

    def _updated(self, event: Updated) -> None:
        """Write a change down at once, because the caller that made it is told that it is done."""
        with self._lock:
            known = self._living.get(event.session_id)
            if known is None:
                return
            row = self._as_now(*known)
            self._living[row.id] = row, known[1]
        self._store.record_session(row)

    def _as_now(self, row: SessionRow, record: SessionRecord) -> SessionRow:
        """Return a row with the values of its record; the same row where none has changed."""
        sums = sums_of(record.counters.sums)
        own_idle_timeout, subscriber_ttl = record.presence.own
        now = replace(
            row,
            idle_timeout=record.presence.idle_timeout,
            position=record.position,
            first_segment_after=record.first_segment_after,
            last_activity_at=record.presence.last_activity_at.timestamp(),
            own_idle_timeout=own_idle_timeout,
            subscriber_ttl=subscriber_ttl,
            had_subscribers=record.presence.had_subscribers,
            **sums,
        )
        return row if now == row else replace(now, updated_at=self._clock.time())

    def _ended(self, row: SessionRow, step: Step, state: State, why: str) -> None:
        now = self._clock.time()
        taken = TransitionRow(row.id, now, step.value, row.state, state.value, Who.SUPERVISOR.value, why)
        ended = replace(row, state=state.value, reason=why, ended_at=now, updated_at=now)
        with self._lock:
            self._unfinished.pop(row.id, None)
            self._remember(ended)
        self._store.record_transition(taken)
        self._store.record_session(ended)

    def _steps(self, session_id: str) -> tuple[Transition, ...]:
        steps = self._store.transitions(session_id)
        return tuple(Transition(_date(s.at), s.step, s.before, s.after, s.by, s.reason) for s in steps)

    def _last_activity(self, row: SessionRow) -> float:
        """Return when something was last asked of a session, by the wall clock.

        After a daemon was killed, return the latest time possible, because anything asked after the last refresh is not
        known.
        """
        known = row.created_at if row.last_activity_at is None else row.last_activity_at
        return min(self._clock.time(), known if row.left_at is not None else row.updated_at + self._interval)


class ProbeMemory:
    """The store, as the prober's memory."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def recall(self, file: FileVersion) -> bytes | None:
        """Return the answer that was kept for this version of a file."""
        return self._store.probe(str(file.path), file.size, file.modified, self._clock.time())

    def keep(self, file: FileVersion, answer: bytes) -> None:
        """Keep an answer."""
        self._store.record_probe(ProbeRow(str(file.path), file.size, file.modified, answer, self._clock.time()))


def _step_row(session_id: str, step: StateChanged | Transition) -> TransitionRow:
    return TransitionRow(
        session_id, step.at.timestamp(), step.step, step.from_state, step.to_state, step.by, step.reason
    )


def _written(snapshot: Snapshot | None) -> str | None:
    # Not by pydantic, because a path may hold bytes that are no text.
    return None if snapshot is None else json.dumps(snapshot.model_dump(warnings=False), default=_isoformat)


def _isoformat(value: Any) -> str:
    assert isinstance(value, datetime)  # noqa: S101 - a snapshot holds nothing else that JSON does not
    return value.isoformat()


def _read(text: str | None) -> Snapshot | None:
    """Return a snapshot; None where there is none or it cannot be read. A pause goes on without it."""
    if text is None:
        return None
    with suppress(ValueError):
        return Snapshot.model_validate(json.loads(text), strict=False)
    return None


def _date(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)
