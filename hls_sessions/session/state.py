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
    """Where a session is in its life."""

    PENDING = "pending"
    """Accepted; not yet playable."""
    ACTIVE = "active"
    """Playable."""
    PAUSED = "paused"
    """Its viewer asked for a rest: no encoder runs, what is on disk stays, and a snapshot says how it was."""
    COMPLETED = "completed"
    """Stopped by its user, an operator or the daemon's end."""
    FAILED = "failed"
    """Gave up; the reason says why."""
    EXPIRED = "expired"
    """Nobody asked anything of it for too long, or it made room for another while nobody did."""

    @property
    def is_final(self) -> bool:
        """Whether no step leads out of it."""
        return self not in _LEFT


class Step(Enum):
    """What can be done with a session, in the word of the sentence that refuses it."""

    START = "start"
    PAUSE = "pause"
    RESUME = "resume"
    COMPLETE = "complete"
    FAIL = "fail"
    EXPIRE = "expire"
    DISPLACE = "yield"  # as it is called in histories that are written already


class Who(Enum):
    """Who may ask for a step."""

    VIEWER = "viewer"
    """Who watches, and whoever acts for them: a player, a media server, an operator."""
    SESSION = "session"
    """The session's own actor."""
    REAPER = "reaper"
    """The rule that ends what nobody wants any more."""
    SUPERVISOR = "supervisor"
    """What starts the sessions and ends them all."""


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What a guard judges: how it is around a session when a step is asked for."""

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
    """Where a step leads, who may ask for it, and what must hold."""

    to: State
    by: tuple[Who, ...]
    guards: tuple[Guard, ...] = ()


NOBODY_WAITS = Guard("while a viewer waits for a segment", lambda now: now.viewers_waiting == 0)
TIME_IS_UP = Guard("before its time without a viewer has run out", lambda now: now.overdue)

NOBODY_IS_THERE = Guard("while a viewer is there", lambda now: not now.watched)

_COMPLETE = Rule(State.COMPLETED, (Who.VIEWER, Who.SUPERVISOR))
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
"""Every step there is. Whatever is not here is refused."""

_LEFT = frozenset(state for state, _ in TABLE)
"""The states out of which a step leads."""


def follow(state: State, step: Step, by: Who, reason: str, now: Circumstances) -> State:
    """Return the state a step leads to.

    Raises:
        IllegalTransition: the table has no such step, who asks may not ask for it, a guard does not hold, or no
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
