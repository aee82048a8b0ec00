"""A process that does something every so many seconds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from hls_sessions.otp import GenServer

if TYPE_CHECKING:
    from collections.abc import Callable

    from hls_sessions.otp import Timers

CYCLE: Final = "cycle"


class Periodic(GenServer):
    """Runs a cycle every so many seconds."""

    def init(self, cycle: Callable[[], object], timers: Timers, interval: float) -> None:
        """Begin with a first cycle in ``interval`` seconds."""
        self._cycle = cycle
        self._timers = timers
        self._interval = interval
        self._again()

    def handle_info(self, message: Any) -> None:
        """Run a cycle when it is time."""
        if message != CYCLE:
            super().handle_info(message)
            return
        self._cycle()
        self._again()

    def _again(self) -> None:
        self._timers.send_after(self.ref, CYCLE, self._interval)
