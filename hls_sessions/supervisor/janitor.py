"""The janitor: a process that goes its round every so often, and whenever it is told to."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from hls_sessions.otp import GenServer

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from hls_sessions.otp import From, Timers

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Round:
    """One round of the janitor."""

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


@dataclass(frozen=True, slots=True)
class GoRound:
    """Asked: go a round now, and answer with it."""


@dataclass(frozen=True, slots=True)
class _Time:
    """The janitor's own reminder."""


GO_ROUND: Final = GoRound()


class JanitorServer(GenServer):
    """Goes a round every ``interval`` seconds."""

    def init(self, go_round: Callable[[], Round], interval: float, timers: Timers) -> None:
        """Take up the work."""
        self._go_round = go_round
        self._interval = interval
        self._timers = timers
        timers.send_after(self.ref, _Time(), interval)

    def handle_call(self, request: Any, caller: From) -> Any:
        """Go a round out of turn."""
        match request:
            case GoRound():
                return self._go_round()
            case _:
                return super().handle_call(request, caller)

    def handle_info(self, message: Any) -> None:
        """Go a round when it is time."""
        match message:
            case _Time():
                self._timers.send_after(self.ref, message, self._interval)
                self._go_round()
            case _:
                super().handle_info(message)
