"""One operation on many sessions. A failure of one does not affect the others.

A session may go on between the moment at which a filter finds it and the moment of the operation. So it is judged
again where its state changes, in one step under its own lock. A session that no longer matches is left as it is.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from hls_sessions.errors import SessionError
from hls_sessions.otp import CallTimeout
from hls_sessions.session import IdleCheck
from hls_sessions.settings import LONGEST
from hls_sessions.supervisor.filter import Seen

if TYPE_CHECKING:
    from collections.abc import Callable

    from hls_sessions.otp import Clock, Registry
    from hls_sessions.session import Session, State
    from hls_sessions.supervisor.filter import Filter
    from hls_sessions.supervisor.media_roots import MediaRoots
    from hls_sessions.supervisor.sessions import Entry, SessionTable

WORKERS = 8
"""Sessions that are ended at the same time."""

PATIENCE = 15.0
"""Seconds that all sessions together have to pause."""

Seconds = Annotated[float, Field(gt=0, le=LONGEST, allow_inf_nan=False)]


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome for one session."""

    session_id: str
    done: bool
    refusal: str | None = None
    """Why it was not done, in a sentence."""


class Changes(BaseModel):
    """Changes of open sessions, in seconds. A value that is not named stays as it is."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    idle_timeout: Seconds | None = None
    """A session nobody asks anything of for this long expires."""
    subscriber_ttl: Seconds | None = None
    """One whose last subscriber has left, and which nobody asks anything of for this long, expires."""

    @model_validator(mode="after")
    def _changes_something(self) -> Self:
        if not self.named:
            raise ValueError(f"nothing says what to change: {' or '.join(type(self).model_fields)}")
        return self

    @property
    def named(self) -> dict[str, float]:
        """The changed values, by name."""
        return {name: value for name, value in self if value is not None}


class BulkOperations:
    """Does one thing with all sessions that a filter matches. Any thread may use it; a call returns when it is done."""

    def __init__(self, entries: SessionTable, media_roots: MediaRoots, clock: Clock, registry: Registry) -> None:
        self._table = entries
        self._media_roots = media_roots
        self._clock = clock
        self._registry = registry

    def find(self, wanted: Filter) -> list[Session]:
        """Return the sessions that a filter matches at this moment, the oldest first."""
        return [meant.entry.session for meant in self._meant(wanted)]

    def stop(self, wanted: Filter, reason: str, end: Callable[[Entry], None]) -> list[Outcome]:
        """End sessions; ``end`` frees all that a session used."""

        def stop(meant: _Meant) -> Outcome:
            return meant.tried(lambda: end(self._table.complete(meant.session_id, reason, meant.still)))

        with ThreadPoolExecutor(WORKERS, thread_name_prefix="stop many") as pool:
            return list(pool.map(stop, self._meant(wanted)))

    def pause(self, wanted: Filter) -> list[Outcome]:
        """Stop the encoders of sessions."""
        asked = [(meant, meant.entry.session.ask_pause_if(meant.still)) for meant in self._meant(wanted)]
        deadline = time.monotonic() + PATIENCE
        outcomes = []
        for meant, reply in asked:
            try:
                outcomes.append(meant.tried(partial(reply.get, max(0.0, deadline - time.monotonic()))))
            except CallTimeout:
                reply.cancel()
                outcomes.append(Outcome(meant.session_id, False, f"It did not answer within {PATIENCE:g} seconds."))
        return outcomes

    def update(self, wanted: Filter, changes: Changes) -> list[Outcome]:
        """Change sessions."""
        return [self._update(meant, changes) for meant in self._meant(wanted)]

    # ---- within

    def _update(self, meant: _Meant, changes: Changes) -> Outcome:
        outcome = meant.tried(lambda: meant.entry.record.change(changes.named, meant.still))
        if outcome.done and (actor := self._registry.whereis(meant.session_id)) is not None:
            actor.send(IdleCheck())  # its time may be up sooner now
        return outcome

    def _meant(self, wanted: Filter) -> list[_Meant]:
        files = frozenset[Path]() if wanted.media is None else self._media_roots.named(wanted.media)

        def judge(entry: Entry) -> Callable[[State], bool]:
            return lambda state: wanted.matches(self._seen(entry, state), files)

        found = (_Meant(entry, judge(entry)) for entry in self._table.all())
        return [meant for meant in found if meant.still(meant.entry.record.state)]

    def _seen(self, entry: Entry, state: State) -> Seen:
        spec = entry.spec
        return Seen(
            session_id=spec.session_id,
            user=spec.user,
            state=state.value,
            path=spec.path,
            age=self._clock.time() - spec.created_at.timestamp(),
            idle=0.0 if entry.session.is_awaited else entry.record.presence.idle,
        )


@dataclass(frozen=True, slots=True)
class _Meant:
    """A session that a filter has found."""

    entry: Entry
    still: Callable[[State], bool]
    """Whether the filter still matches it, in this state."""

    @property
    def session_id(self) -> str:
        return self.entry.spec.session_id

    def tried(self, act: Callable[[], object]) -> Outcome:
        """Do something with it, and return the outcome."""
        try:
            act()
        except SessionError as error:
            return Outcome(self.session_id, False, str(error))
        return Outcome(self.session_id, True)
