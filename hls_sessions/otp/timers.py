"""Messages to be sent later: OTP's send_after and cancel_timer, on a clock that can be handed in."""

from __future__ import annotations

import heapq
import threading
import time
from itertools import count
from typing import TYPE_CHECKING, Any, Final

from hls_sessions.otp.clock import SYSTEM_CLOCK, Clock, ManualClock
from hls_sessions.otp.genserver import GenServer
from hls_sessions.otp.shield import shielded

if TYPE_CHECKING:
    from hls_sessions.otp.ref import Ref


class Timer:
    """A message to be sent at its deadline. Keep it to cancel it."""

    __slots__ = ("deadline", "message", "pending", "ref")

    def __init__(self, ref: Ref, message: Any, deadline: float) -> None:
        self.ref = ref
        self.message = message
        self.deadline = deadline
        """In seconds of the clock's `monotonic`."""
        self.pending = True

    def __repr__(self) -> str:
        state = "pending" if self.pending else "over"
        return f"<Timer to {self.ref} at {self.deadline:g} s [{state}]>"

    def can_fire(self) -> bool:
        """Tell whether anything would happen if it fired."""
        return self.pending and self.ref.is_alive()


class Timers:
    """All the timers of a system, for any thread to set and cancel.

    A ManualClock fires them as it is advanced. On any other clock they fire in the thread of a TimerServer. While there
    is none, because it is being restarted, they wait, and none is lost.
    """

    def __init__(self, clock: Clock = SYSTEM_CLOCK) -> None:
        self.clock = clock
        self._heap: list[tuple[float, int, Timer]] = []
        self._numbers = count()
        self._sweep_at = _SWEEP_FROM
        self._server: Ref | None = None
        self._lock = threading.Lock()
        if isinstance(clock, ManualClock):
            clock.drive(self)

    def __len__(self) -> int:
        """Count the timers in the heap, among them those that are cancelled but not yet swept out."""
        return len(self._heap)

    @shielded
    def send_after(self, ref: Ref, message: Any, seconds: float) -> Timer:
        """Send the message to the server's `handle_info` after so many seconds.

        Zero or less means as soon as the timers next fire. If the server is dead by then nothing happens.
        Timers that are due at the same moment fire in the order in which they were set.
        """
        timer = Timer(ref, message, self.clock.monotonic() + max(0.0, seconds))
        with self._lock:
            self._sweep()
            heapq.heappush(self._heap, (timer.deadline, next(self._numbers), timer))
            server = self._server if self._heap[0][2] is timer else None
        if server is not None:
            server.cast(_RESCHEDULE)
        return timer

    @shielded
    def cancel(self, timer: Timer) -> bool:
        """Cancel a timer. True if it had not fired, and then its message never arrives."""
        with self._lock:
            was_pending, timer.pending = timer.pending, False
            return was_pending

    def next_deadline(self) -> float | None:
        """Tell when the next timer is due, in seconds of the clock's `monotonic`; None if there is none."""
        with self._lock:
            while self._heap and not self._heap[0][2].pending:
                heapq.heappop(self._heap)
            return self._heap[0][0] if self._heap else None

    @shielded
    def fire(self) -> None:
        """Send every message that is due."""
        now = self.clock.monotonic()
        while (timer := self._take_due(now)) is not None:
            timer.ref.send(timer.message)

    @shielded
    def set_server(self, server: Ref) -> None:
        """Name the server that is sent a message whenever the next deadline comes closer."""
        self._server = server

    def _take_due(self, now: float) -> Timer | None:
        with self._lock:
            while self._heap and self._heap[0][0] <= now:
                timer = heapq.heappop(self._heap)[2]
                if timer.pending:
                    timer.pending = False
                    return timer
            return None

    def _sweep(self) -> None:
        # A server that renews an idle timeout with every message leaves thousands of cancelled timers behind, each
        # due in half an hour. A sweep whenever the heap has doubled has a constant cost per timer, and the heap never
        # holds more than twice as many timers as can fire.
        if len(self._heap) >= self._sweep_at:
            self._heap = [entry for entry in self._heap if entry[2].can_fire()]
            heapq.heapify(self._heap)
            self._sweep_at = max(_SWEEP_FROM, 2 * len(self._heap))


class TimerServer(GenServer):
    """The thread in which all timers fire when their clock is not a ManualClock.

    Start it under a supervisor with `TimerServer.start_link(timers)`. On a ManualClock it does nothing.
    """

    def init(self, timers: Timers) -> None:
        """Serve these timers, beginning with those that became due while there was no server."""
        self._timers = timers
        if not isinstance(timers.clock, ManualClock):
            timers.set_server(self.ref)
            self._fire_due()

    def handle_cast(self, message: Any) -> None:
        """Wake earlier: a timer was set that is due before all others."""
        del message
        self._fire_due()

    def handle_wake(self) -> None:
        """Fire the timers that are due."""
        self._fire_due()

    def _fire_due(self) -> None:
        self._timers.fire()
        deadline = self._timers.next_deadline()
        now = self._timers.clock.monotonic()
        self.wake_at = None if deadline is None else time.monotonic() + (deadline - now)


_RESCHEDULE: Final = object()
_SWEEP_FROM: Final = 64
"""Timers. Fewer are not worth a sweep."""
