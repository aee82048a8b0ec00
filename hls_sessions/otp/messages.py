"""The messages to a server: those that its callbacks get, and those that stay inside this package."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pykka._envelope import Envelope

if TYPE_CHECKING:
    from hls_sessions.otp.address import Address
    from hls_sessions.otp.reasons import ExitReason

__all__ = ["WAKE", "Cast", "Down", "DownSignal", "Envelope", "Exit", "Monitor", "Stop"]


@dataclass(frozen=True, slots=True, eq=False)
class Monitor:
    """One monitor of one server on another, made by `GenServer.monitor`. No two are equal."""

    ref: Address


@dataclass(frozen=True, slots=True)
class Down:
    """A monitored server has ended. Sent once for each monitor."""

    monitor: Monitor
    ref: Address
    reason: ExitReason


@dataclass(frozen=True, slots=True)
class Exit:
    """An exit signal as a message, which a server that traps exits gets instead of ending itself.

    `ref` is the linked server that ended, or the server that called `Ref.exit`. It is None if the caller was no server.
    """

    ref: Address | None
    reason: ExitReason


@dataclass(frozen=True, slots=True)
class Cast:
    """Marks a message for `handle_cast`."""

    message: Any


@dataclass(frozen=True, slots=True)
class Stop:
    """Asks the server to end once it has handled all earlier messages."""

    reason: ExitReason


@dataclass(frozen=True, slots=True)
class DownSignal:
    """A Down on its way. It is dropped on arrival if its monitor has been removed meanwhile."""

    down: Down


WAKE: Final[Envelope[Any]] = Envelope(object())
"""Has the server stop waiting for a message, because something else has changed."""
