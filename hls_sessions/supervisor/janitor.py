"""The janitor: a process that sweeps every so often, and whenever it is told to.

A sweep forgets ended sessions and probed files that were kept for long enough, and clears away the directories of
daemons that are gone.
"""

from __future__ import annotations

import logging
from concurrent.futures import CancelledError
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from hls_sessions.otp import GenServer

if TYPE_CHECKING:
    from collections.abc import Callable

    from hls_sessions.otp import Clock, From, Timers
    from hls_sessions.store import Store
    from hls_sessions.supervisor.recorder import Recorder

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Sweep:
    """One sweep of the janitor."""

    number: int
    """Which, since the start; the first is 1."""
    at: datetime
    """When it was over."""
    sessions_forgotten: int
    """Sessions whose history was kept for long enough."""
    probes_forgotten: int
    """Probed files that nobody has opened for long enough."""
    directories_cleared: int
    """Session directories of daemons that are gone."""


class Janitor:
    """The work of a sweep. Used by the janitor's process alone, but for ``last``."""

    def __init__(self, store: Store, recorder: Recorder, clock: Clock, clear: Callable[[], int]) -> None:
        """Prepare to sweep.

        Args:
            store: where sessions and probed files are kept.
            recorder: writes down how sessions are; it knows how long they are kept.
            clock: what time it is.
            clear: clears away directories of daemons that are gone; returns how many.
        """
        self.last: Sweep | None = None
        """The last sweep; None while there was none."""
        self._store = store
        self._recorder = recorder
        self._clock = clock
        self._clear = clear

    def sweep(self) -> Sweep:
        """Sweep once."""
        self._recorder.refresh()
        self._recorder.tidy()
        now, forgotten = self._clock.time(), None
        with suppress(TimeoutError, CancelledError):  # rows that cannot be deleted now are forgotten later
            forgotten = self._store.forget(self._recorder.rule, now).result(PATIENCE)
        cleared = self._clear()
        self.last = Sweep(
            number=self.last.number + 1 if self.last else 1,
            at=datetime.fromtimestamp(self._clock.time(), UTC),
            sessions_forgotten=forgotten.sessions if forgotten else 0,
            probes_forgotten=forgotten.probes if forgotten else 0,
            directories_cleared=cleared,
        )
        return self.last


@dataclass(frozen=True, slots=True)
class SweepNow:
    """A request: sweep now, and answer with the Sweep."""


@dataclass(frozen=True, slots=True)
class _Time:
    """The janitor's own reminder."""


SWEEP_NOW: Final = SweepNow()

PATIENCE: Final = 10.0
"""Seconds a sweep waits until the history has forgotten the rows that were kept for long enough."""


class JanitorServer(GenServer):
    """Sweeps every ``interval`` seconds."""

    def init(self, sweep: Callable[[], Sweep], interval: float, timers: Timers) -> None:
        """Take up the work."""
        self._sweep = sweep
        self._interval = interval
        self._timers = timers
        timers.send_after(self.ref, _Time(), interval)

    def handle_call(self, request: Any, caller: From) -> Any:
        """Sweep out of turn."""
        match request:
            case SweepNow():
                return self._sweep()
            case _:
                return super().handle_call(request, caller)

    def handle_info(self, message: Any) -> None:
        """Sweep when it is time."""
        match message:
            case _Time():
                self._timers.send_after(self.ref, message, self._interval)
                self._sweep()
            case _:
                super().handle_info(message)
