"""The spec of a child: how to start it, when to restart it, how to end it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final

from hls_sessions.otp.reasons import ExitReason, is_abnormal

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

    from hls_sessions.otp.ref import Ref

BRUTAL_KILL: Final = 0.0
"""As ChildSpec.shutdown: the child is killed without being asked."""


class Restart(Enum):
    """When a child is started again after it ended. See https://www.erlang.org/doc/system/sup_princ.html."""

    PERMANENT = "permanent"
    """Always."""

    TRANSIENT = "transient"
    """When it ended abnormally."""

    TEMPORARY = "temporary"
    """Never, not even when the strategy restarts its siblings. The supervisor forgets it."""

    def applies_to(self, reason: ExitReason) -> bool:
        """Tell whether a child of this kind is restarted when it ended for this reason."""
        match self:
            case Restart.PERMANENT:
                return True
            case Restart.TRANSIENT:
                return is_abnormal(reason)
            case Restart.TEMPORARY:
                return False


@dataclass(frozen=True, slots=True)
class Intensity:
    """How many `restarts` within how many `seconds` are still bad luck. OTP's intensity and period."""

    restarts: int = 3
    seconds: float = 5.0

    def __post_init__(self) -> None:
        if self.restarts < 0:
            raise ValueError(f"restarts cannot be negative: {self.restarts}")
        if self.seconds <= 0:
            raise ValueError(f"the period must be longer than nothing: {self.seconds} s")

    def admit(self, past: Sequence[float], now: float) -> tuple[float, ...] | None:
        """Decide whether one more restart may happen now.

        Args:
            past: when the restarts before this one were, as this method returned them
            now: the time, in seconds of the same clock

        Returns:
            the restarts within the period with this one among them, or None if that is too many

        """
        recent = (*(then for then in past if then >= now - self.seconds), now)
        return recent if len(recent) <= self.restarts else None


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long to wait before a restart, growing with every one that the child needed within its period."""

    first: float = 0.0
    factor: float = 2.0
    limit: float = 5.0

    def __post_init__(self) -> None:
        if self.first < 0:
            raise ValueError(f"the first delay cannot be negative: {self.first} s")
        if self.factor < 1:
            raise ValueError(f"delays cannot shrink: {self.factor}")
        if self.limit < 0:
            raise ValueError(f"the longest delay cannot be negative: {self.limit} s")

    def delay(self, attempt: int) -> float:
        """Tell how many seconds to wait before this attempt, the first being 1."""
        # A float overflows at two to the 1024th; nobody waits that long.
        return min(self.limit, self.first * self.factor ** min(attempt - 1, 64))


@dataclass(frozen=True, slots=True)
class ChildSpec:
    """One child of a supervisor, as data.

    See https://www.erlang.org/doc/apps/stdlib/supervisor.html#t:child_spec/0.

    `id` is its name among the children of this supervisor.

    `start` starts it and returns its ref. It is called in the supervisor's thread, which waits for it, so it
    should be quick. Let it call `start_link`: then the child is linked when it begins. One that was started
    with `start` is linked by the supervisor afterwards, and a supervisor killed in between leaves it behind.

    `shutdown` is how many seconds the child has to end when it is told to, before it is killed. None means as
    long as it takes, which is for supervisors, who need the time to end their own children.

    `intensity` is a limit of this child's own, which OTP does not have. Without it a child that needs too
    many restarts ends its supervisor, and all its siblings with it. That is right where they depend on each
    other, and wrong where they are many and independent, because one bad child must never take the others
    down. A child with a limit of its own is not counted by the supervisor, and when it exceeds the limit it
    alone is given up.

    `backoff` delays the restarts. Without it the first is immediate.
    """

    id: Hashable
    start: Callable[[], Ref]
    restart: Restart = Restart.PERMANENT
    shutdown: float | None = 5.0
    intensity: Intensity | None = None
    backoff: Backoff | None = None

    def __post_init__(self) -> None:
        if not callable(self.start):
            raise TypeError(f"the start of child {self.id!r} cannot be called: {self.start!r}")
        if self.shutdown is not None and self.shutdown < 0:
            raise ValueError(f"the shutdown of child {self.id!r} cannot be negative: {self.shutdown} s")
