"""What becomes of the sessions, written down: the one place between the supervisor and the store.

It hears of every event in the thread in which it happens, and nothing here waits for the disk, asks a session, or
fails. What a session has made is read from its life.
"""

from __future__ import annotations

import threading
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from hls_sessions.errors import SessionEnded
from hls_sessions.otp import shielded
from hls_sessions.session import Ended, State, StateChanged, Step, Transition, Who
from hls_sessions.store import ProbeRow, SessionRow, TransitionRow
from hls_sessions.supervisor.totals import Totals

if TYPE_CHECKING:
    from hls_sessions.ffmpeg import FileVersion
    from hls_sessions.otp import Clock
    from hls_sessions.session import Event, Life, Viewing
    from hls_sessions.store import Retention, Store

KILLED: Final = "its daemon was killed"


class Recorder:
    """The rows of the sessions that live, and the counts of all since the start. Any thread may use it."""

    def __init__(self, store: Store, clock: Clock, rule: Retention) -> None:
        """Write into an open store, which keeps what is written for as long as ``rule`` says."""
        self._store = store
        self._clock = clock
        self._rule = rule
        self._living: dict[str, tuple[SessionRow, Life]] = {}
        self._past: dict[str, SessionRow] = {}
        """Sessions of earlier daemons, for as long as they are kept."""
        self._totals = Totals()
        """Of the sessions that have ended."""
        self._lock = threading.Lock()

    # ---- what happens

    def settle(self) -> None:
        """Write down the end of the sessions that an earlier daemon could not end."""
        for row in self._store.sessions():
            self._past[row.id] = row if row.ended_at is not None else self._killed(row)

    @shielded
    def opened(self, viewing: Viewing, life: Life) -> None:
        """Note that a session is opened. Its events follow."""
        media = viewing.presentation.media
        row = SessionRow(
            id=viewing.session_id,
            user=viewing.user,
            media=str(media.path),
            duration=float(media.duration),
            segment_length=viewing.segment_length,
            start_at=viewing.start_at,
            idle_timeout=viewing.idle_timeout,
            directory=str(viewing.directory),
            created_at=viewing.created_at.timestamp(),
            updated_at=self._clock.time(),
            state=life.state.value,
        )
        with self._lock:
            self._living[row.id] = row, life
        self._store.record_session(row)

    @shielded
    def heard(self, event: Event) -> None:
        """Note what happened in a session's life."""
        match event:
            case StateChanged():
                self._stepped(event)
            case Ended():
                with self._lock:
                    known = self._living.pop(event.session_id, None)
                    if known is None:
                        return
                    row = self._as_now(*known)
                    self._totals = self._totals.with_all([row])
                self._store.record_session(row)

    @shielded
    def refresh(self) -> list[SessionRow]:
        """Note what the sessions that live have made, where that has changed; return their rows."""
        with self._lock:
            rows = {session_id: self._as_now(row, life) for session_id, (row, life) in self._living.items()}
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

    def past(self, session_id: str) -> SessionEnded | None:
        """Return how a session of an earlier daemon ended by itself; None when that is not known, or not any more."""
        row = self._past.get(session_id)
        if row is None or row.state == State.COMPLETED.value or row.ended_at is None:
            return None
        if self._rule.is_over(row.state, row.ended_at, self._clock.time()):
            return None
        return SessionEnded(row.id, row.state, row.reason or "", _date(row.ended_at).isoformat(timespec="seconds"))

    def past_steps(self, session_id: str) -> tuple[Transition, ...]:
        """Return the steps of a session of an earlier daemon. Reads the history."""
        if session_id not in self._past:
            return ()
        steps = self._store.transitions(session_id)
        return tuple(Transition(_date(s.at), s.step, s.before, s.after, s.by, s.reason) for s in steps)

    def totals(self) -> Totals:
        """Return the counts since the start."""
        rows = self.refresh()
        with self._lock:
            return self._totals.with_all(row for row in rows if row.id in self._living)

    # ---- within

    def _stepped(self, event: StateChanged) -> None:
        step = TransitionRow(
            event.session_id,
            event.at.timestamp(),
            event.step,
            event.from_state,
            event.to_state,
            event.by,
            event.reason,
        )
        with self._lock:
            known = self._living.get(event.session_id)
            if known is None:
                return
            row, life = known
            row = replace(self._as_now(row, life), state=event.to_state)
            if event.step == Step.START.value:
                row = replace(row, started_at=event.at.timestamp())
            if State(event.to_state).is_final:
                row = replace(row, ended_at=event.at.timestamp(), reason=event.reason)
            self._living[row.id] = row, life
        self._store.record_transition(step)
        self._store.record_session(row)

    def _as_now(self, row: SessionRow, life: Life) -> SessionRow:
        """Return a row with what its life says; the same row where that is nothing new."""
        sums = asdict(life.tally.sums)
        now = replace(
            row,
            idle_timeout=life.presence.idle_timeout,
            position=life.position,
            first_segment_after=life.first_segment_after,
            **sums,
        )
        return row if now == row else replace(now, updated_at=self._clock.time())

    def _killed(self, row: SessionRow) -> SessionRow:
        now = self._clock.time()
        step = TransitionRow(row.id, now, Step.FAIL.value, row.state, State.FAILED.value, Who.SUPERVISOR.value, KILLED)
        ended = replace(row, state=State.FAILED.value, reason=KILLED, ended_at=now, updated_at=now)
        self._store.record_transition(step)
        self._store.record_session(ended)
        return ended


class ProbeMemory:
    """The store, as the prober's memory."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def recall(self, file: FileVersion) -> bytes | None:
        """Return what was kept of this version of a file."""
        return self._store.probe(str(file.path), file.size, file.modified, self._clock.time())

    def keep(self, file: FileVersion, answer: bytes) -> None:
        """Keep an answer."""
        self._store.record_probe(ProbeRow(str(file.path), file.size, file.modified, answer, self._clock.time()))


def _date(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)
