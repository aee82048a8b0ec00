"""The states of a session and every step between them, as one table. Nothing else changes a state."""

from __future__ import annotations

from enum import Enum

from hls_sessions.errors import IllegalTransition


class State(Enum):
    """Where a session is in its life."""

    PENDING = "pending"
    """Accepted; not yet playable."""
    ACTIVE = "active"
    """Playable."""
    COMPLETED = "completed"
    """Stopped by its user, an operator or the daemon's end."""
    FAILED = "failed"
    """Gave up; the reason says why."""
    EXPIRED = "expired"
    """Nobody asked anything of it for too long."""

    @property
    def is_final(self) -> bool:
        """Whether no step leads out of it."""
        return not STEPS[self]


STEPS: dict[State, frozenset[State]] = {
    State.PENDING: frozenset({State.ACTIVE, State.COMPLETED, State.FAILED, State.EXPIRED}),
    State.ACTIVE: frozenset({State.COMPLETED, State.FAILED, State.EXPIRED}),
    State.COMPLETED: frozenset(),
    State.FAILED: frozenset(),
    State.EXPIRED: frozenset(),
}


def step(state: State, to: State) -> State:
    """Take one step, and return the new state.

    Raises:
        IllegalTransition: the table has no such step; nothing has changed.
    """
    if to not in STEPS[state]:
        raise IllegalTransition(state.value, to.value)
    return to
