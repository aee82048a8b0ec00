"""The time, from the machine or from a test."""

from __future__ import annotations

import threading
import time
from typing import Final, Protocol


class Clock(Protocol):
    """Two readings of the time, both in seconds."""

    def monotonic(self) -> float:
        """Seconds since some fixed moment: for how long, and until when. Never goes back."""
        ...

    def time(self) -> float:
        """Seconds since the epoch: for dates. May jump when the machine's clock is set."""
        ...


class SystemClock:
    """The machine's own time."""

    def monotonic(self) -> float:
        """Read `time.monotonic`."""
        return time.monotonic()

    def time(self) -> float:
        """Read `time.time`."""
        return time.time()


SYSTEM_CLOCK: Final = SystemClock()


class Alarms(Protocol):
    """Things that are due at times of a clock, such as `Timers`."""

    def next_deadline(self) -> float | None:
        """Tell when the next one is due, in seconds of the clock's `monotonic`."""
        ...

    def fire(self) -> None:
        """Do all that is due."""
        ...


class ManualClock:
    """A clock that stands still until it is advanced, by any thread. For tests."""

    def __init__(self, monotonic: float = 0.0, time: float = 1_700_000_000.0) -> None:
        self._monotonic = monotonic
        self._ahead = time - monotonic
        self._alarms: list[Alarms] = []
        self._advancing = threading.Lock()

    def __repr__(self) -> str:
        return f"<ManualClock at {self._monotonic:g} s>"

    def monotonic(self) -> float:
        """Seconds advanced since the start."""
        return self._monotonic

    def time(self) -> float:
        """Seconds since the epoch, as set and advanced."""
        return self._monotonic + self._ahead

    def set_time(self, time: float) -> None:
        """Set the wall clock, as an administrator might, to seconds since the epoch. This moves no timer."""
        with self._advancing:
            self._ahead = time - self._monotonic

    def advance(self, seconds: float) -> None:
        """Let time pass, and fire all that becomes due meanwhile, in the order of the deadlines.

        While a timer fires, the clock stands at its deadline. When this returns, every message that became due is
        in the inbox of its server, though the server may not have handled it yet.
        """
        if seconds < 0:
            raise ValueError(f"time does not go back: {seconds} s")
        with self._advancing:
            target = self._monotonic + seconds
            while (alarms := self._due_before(target)) is not None:
                alarms.fire()
            self._monotonic = target

    def drive(self, alarms: Alarms) -> None:
        """Have `advance` fire these alarms."""
        with self._advancing:
            self._alarms.append(alarms)

    def _due_before(self, target: float) -> Alarms | None:
        """Move on to the next deadline that is not after the target, and return the alarms that have it."""
        deadlines = [
            (deadline, number)
            for number, alarms in enumerate(self._alarms)
            if (deadline := alarms.next_deadline()) is not None and deadline <= target
        ]
        if not deadlines:
            return None
        deadline, number = min(deadlines)
        self._monotonic = max(self._monotonic, deadline)
        return self._alarms[number]
