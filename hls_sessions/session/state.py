"""The states of a session and every step between them, as one table. Nothing else changes a state.

``scripts/states`` draws the table into ``guide/states.md``.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from hls_sessions.errors import IllegalTransition

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class State(Enum):
    """The state of a session."""

    PENDING = "pending"
    """Accepted; not yet playable."""
    ACTIVE = "active"
    """Playable."""
    PAUSED = "paused"
    """Paused by its viewer: no encoder runs, the segments on disk stay, and a snapshot is kept."""
    COMPLETED = "completed"
    """Stopped by its user, an operator or the daemon's end; or a recording that is over and not watched any more."""
    FAILED = "failed"
    """Gave up; the reason says why."""
    EXPIRED = "expired"
    """Nothing was asked of it for too long, or it was displaced by another while nobody watched."""

    @property
    def is_final(self) -> bool:
        """Whether no step leads out of it."""
        return self not in _LEFT


class Step(Enum):
    """A step of a session. Its value is the verb in the sentence of its refusal."""

    START = "start"
    PAUSE = "pause"
    RESUME = "resume"
    COMPLETE = "complete"
    FAIL = "fail"
    EXPIRE = "expire"
    DISPLACE = "yield"  # the word in the histories that are already written


class Who(Enum):
    """The asker of a step."""

    VIEWER = "viewer"
    """The viewer, or an agent of the viewer: a player, a media server, an operator."""
    SESSION = "session"
    """The session's own actor."""
    REAPER = "reaper"
    """The rule that ends sessions that nobody uses any more."""
    SUPERVISOR = "supervisor"
    """The supervisor, which starts the sessions and ends them all."""


@dataclass(frozen=True, slots=True)
class Circumstances:
    """The circumstances of a session that guards judge when a step is asked for."""

    viewers_waiting: int = 0
    """Viewers who wait for a segment at this moment."""
    overdue: bool = False
    """Whether its time without a viewer has run out."""
    watched: bool = False
    """Whether a viewer listens, or was there a short time ago."""


@dataclass(frozen=True, slots=True)
class Guard:
    """A condition of a step; ``unless`` completes the sentence of its refusal."""

    unless: str
    holds: Callable[[Circumstances], bool]


@dataclass(frozen=True, slots=True)
class Rule:
    """The state that a step leads to, its allowed askers, and its conditions."""

    to: State
    by: tuple[Who, ...]
    guards: tuple[Guard, ...] = ()


NOBODY_WAITS = Guard("while a viewer waits for a segment", lambda now: now.viewers_waiting == 0)
TIME_IS_UP = Guard("before its time without a viewer has run out", lambda now: now.overdue)

NOBODY_IS_THERE = Guard("while a viewer is there", lambda now: not now.watched)

_COMPLETE = Rule(State.COMPLETED, (Who.VIEWER, Who.SUPERVISOR, Who.REAPER))
_FAIL = Rule(State.FAILED, (Who.SESSION, Who.SUPERVISOR))
_EXPIRE = Rule(State.EXPIRED, (Who.REAPER,), (NOBODY_WAITS, TIME_IS_UP))
_DISPLACE = Rule(State.EXPIRED, (Who.SUPERVISOR,), (NOBODY_WAITS, NOBODY_IS_THERE))

TABLE: Mapping[tuple[State, Step], Rule] = {
    (State.PENDING, Step.START): Rule(State.ACTIVE, (Who.SESSION,)),
    (State.PENDING, Step.COMPLETE): _COMPLETE,
    (State.PENDING, Step.FAIL): _FAIL,
    (State.PENDING, Step.EXPIRE): _EXPIRE,
    (State.PENDING, Step.DISPLACE): _DISPLACE,
    (State.ACTIVE, Step.PAUSE): Rule(State.PAUSED, (Who.VIEWER,)),
    (State.ACTIVE, Step.COMPLETE): _COMPLETE,
    (State.ACTIVE, Step.FAIL): _FAIL,
    (State.ACTIVE, Step.EXPIRE): _EXPIRE,
    (State.ACTIVE, Step.DISPLACE): _DISPLACE,
    (State.PAUSED, Step.RESUME): Rule(State.ACTIVE, (Who.VIEWER,)),
    (State.PAUSED, Step.COMPLETE): _COMPLETE,
    (State.PAUSED, Step.FAIL): _FAIL,
    (State.PAUSED, Step.EXPIRE): _EXPIRE,
    (State.PAUSED, Step.DISPLACE): _DISPLACE,
}
"""Every legal step. All others are refused."""

_LEFT = frozenset(state for state, _ in TABLE)
"""The states out of which a step leads."""


def next_state(state: State, step: Step, by: Who, reason: str, now: Circumstances) -> State:
    """Return the state a step leads to.

    Raises:
        IllegalTransition: the table has no such step, the asker may not ask for it, a guard does not hold, or no
            reason is given.
    """
    rule = TABLE.get((state, step))
    if rule is None:
        raise IllegalTransition(state.value, step.value, f"A session that is {state.value} cannot {step.value}.")
    if by not in rule.by:
        may = " or ".join(who.value for who in rule.by)
        raise IllegalTransition(
            state.value, step.value, f"A session does not {step.value} for its {by.value}, only for its {may}."
        )
    for guard in rule.guards:
        if not guard.holds(now):
            sentence = f"A session that is {state.value} cannot {step.value} {guard.unless}."
            raise IllegalTransition(state.value, step.value, sentence)
    if not reason.strip():
        raise IllegalTransition(state.value, step.value, f"A session does not {step.value} without a reason.")
    return rule.to
