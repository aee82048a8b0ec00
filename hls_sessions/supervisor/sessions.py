"""The table of a supervisor: which sessions are to exist, and whose they are."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from hls_sessions.errors import IllegalTransition
from hls_sessions.session import Session, SessionRecord, SessionServer, SessionSpec, Step, Who, end_error

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from hls_sessions.errors import SessionError
    from hls_sessions.otp import Clock, Ref, Registry
    from hls_sessions.session import Event, Services, Spec, State
    from hls_sessions.settings import Settings


class Server(Protocol):
    """The class of a session's actor."""

    @classmethod
    def start_link(cls, spec: Any, services: Services, record: SessionRecord, /) -> Ref:
        """Start an actor."""


@dataclass(eq=False)
class Entry:
    """One session that is to exist."""

    spec: Spec
    record: SessionRecord
    session: Session
    server: type[Server] = SessionServer
    actor: Ref | None = None
    """Its latest actor."""

    def complete(self, why: str) -> bool:
        """Take the step that ends it when the supervisor stops; False when it has ended already."""
        return self._took(Step.COMPLETE, why)

    def fail(self, why: str) -> bool:
        """Take the step that gives it up; False when it has ended already."""
        return self._took(Step.FAIL, why)

    def _took(self, step: Step, why: str) -> bool:
        try:
            self.record.take(step, Who.SUPERVISOR, why)
        except IllegalTransition:
            return False
        return True


class SessionFactory:
    """Makes entries. An entry goes by the settings for as long as it has no times of its own."""

    def __init__(
        self,
        clock: Clock,
        registry: Registry,
        tell: Callable[[Event], None],
        close: Callable[[str], None],
        settings: Settings,
        tell_phases: Callable[[Mapping[str, float]], None],
    ) -> None:
        """Prepare to make entries.

        Args:
            clock: what time it is.
            registry: where actors are found by session id.
            tell: hears every event of every session, and must be quick.
            close: ends a session by its id.
            settings: the times of sessions that have none of their own.
            tell_phases: hears how long the phases of awaited segments took, and must be quick.
        """
        self._clock = clock
        self._registry = registry
        self._tell = tell
        self._close = close
        self._settings = settings
        self._tell_phases = tell_phases

    def make(self, spec: SessionSpec, idle_timeout: float | None = None) -> Entry:
        """Return a new entry of a film, whose session is pending; ``idle_timeout`` is a time of its own, in seconds."""
        record = self.record(spec, idle_timeout)
        return Entry(spec, record, Session(spec, record, self._registry, self._close))

    def record(self, spec: Spec, idle_timeout: float | None = None) -> SessionRecord:
        """Return the record of a new session, which is pending; ``idle_timeout`` is a time of its own, in seconds."""
        record = SessionRecord(
            spec.session_id,
            self._clock,
            self._tell,
            user=spec.user,
            media=str(spec.path),
            idle_timeout=self._settings.idle_timeout,
            subscriber_ttl=self._settings.subscriber_ttl,
            start_at=spec.start_at,
            tell_phases=self._tell_phases,
        )
        record.presence.change(idle_timeout=idle_timeout)
        return record

    def update(self, entry: Entry) -> None:
        """Have an entry go by the settings, which may have changed since it was made."""
        entry.record.presence.set_defaults(self._settings.idle_timeout, self._settings.subscriber_ttl)

    def reconfigure(self, settings: Settings, entries: Iterable[Entry]) -> None:
        """Make entries by other settings from now on, and have the existing ones go by them too."""
        self._settings = settings
        for entry in entries:
            self.update(entry)


class SessionTable:
    """All entries, by id and by user and file. Any thread may use them."""

    def __init__(self, why_not: Callable[[str], SessionError]) -> None:
        """Begin without any; ``why_not`` says why there is no session of an id."""
        self._why_not = why_not
        self.opening = threading.Lock()
        """Held while a session is opened or brought back: two opens of one file by one user give one session."""
        self._by_id: dict[str, Entry] = {}
        self._by_spec: dict[tuple[str, Path], Entry] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._by_id)

    def add(self, entry: Entry) -> None:
        """Note a session that is about to be started."""
        with self._lock:
            self._by_id[entry.spec.session_id] = entry
            if (key := _key(entry)) is not None:
                self._by_spec[key] = entry

    def all(self) -> list[Entry]:
        """Return all entries, the oldest first."""
        with self._lock:
            return list(self._by_id.values())

    def find(self, session_id: str) -> Entry:
        """Return the entry of a session.

        Raises:
            SessionEnded: it failed or expired; says when and why.
            SessionNotFound: there is none of this id.
        """
        with self._lock:
            entry = self._by_id.get(session_id)
        if entry is not None:
            return entry
        raise self._why_not(session_id)

    def has(self, session_id: str) -> bool:
        """Whether there is a session of this id."""
        return session_id in self._by_id

    def watched_by(self, user: str, path: Path) -> Entry | None:
        """Return the entry in which this user watches this file."""
        with self._lock:
            entry = self._by_spec.get((user, path))
        return None if entry is None or entry.record.state.is_final else entry

    def successor_of(self, session_id: str, user: str | None, path: Path) -> Entry | None:
        """Return the entry in which this user goes on with this file from a snapshot of a session that is gone."""
        for entry in self.all():
            spec = entry.spec
            if (spec.user, spec.path) != (user, path) or entry.record.state.is_final:
                continue
            earlier = spec.resumed_from if isinstance(spec, SessionSpec) else None
            if earlier is not None and earlier.session_id == session_id:
                return entry
        return None

    def complete(self, session_id: str, reason: str, provided: Callable[[State], bool] | None = None) -> Entry:
        """Take the step that ends a session for its viewer, and return its entry to the first caller.

        Raises:
            SessionEnded, SessionNotFound: there is none, or another caller ends it.
            IllegalTransition: the condition ``provided`` does not hold.
        """
        entry = self.find(session_id)
        try:
            entry.record.take(Step.COMPLETE, Who.VIEWER, reason, provided=provided)
        except IllegalTransition:
            if not entry.record.state.is_final:
                raise
            raise end_error(entry.record) from None
        return entry

    def forget(self, entry: Entry, error: SessionError) -> None:
        """Remove an entry, and answer the callers that wait for its session."""
        entry.record.over()  # first, so that others know from now on how it ended
        with self._lock:
            self._by_id.pop(entry.spec.session_id, None)
            if (key := _key(entry)) is not None and self._by_spec.get(key) is entry:
                del self._by_spec[key]
        entry.session.ended(error)


def _key(entry: Entry) -> tuple[str, Path] | None:
    spec = entry.spec
    return None if spec.user is None else (spec.user, spec.path)
