"""The supervisor of many children of one kind, which are started on demand and do not depend on each other.

See https://hexdocs.pm/elixir/DynamicSupervisor.html. Its requests are in `supervision.py`.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

from hls_sessions.otp.base_supervisor import BaseSupervisor, Child
from hls_sessions.otp.clock import SYSTEM_CLOCK, Clock
from hls_sessions.otp.errors import MaxChildren, StartError
from hls_sessions.otp.genserver import NO_REPLY, From
from hls_sessions.otp.shutdown import kill_late, request_shutdown, shut_down_together
from hls_sessions.otp.supervision import StartChild, TerminateChild
from hls_sessions.otp.supervisor import DEFAULT_INTENSITY

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from hls_sessions.otp.child import ChildSpec, Intensity
    from hls_sessions.otp.reasons import ExitReason
    from hls_sessions.otp.ref import Ref
    from hls_sessions.otp.timers import Timers

logger = logging.getLogger(__name__)


class DynamicSupervisor(BaseSupervisor):
    """Starts children on demand, restarts each alone, and ends all of them at once.

    It waits for a child that starts, as OTP does, so the `init` of a child should be quick. It does not wait for a
    child that it terminates, so a child that is slow to end delays only the callers that asked for its end.
    """

    def init(
        self,
        max_children: int | None = None,
        intensity: Intensity = DEFAULT_INTENSITY,
        clock: Clock = SYSTEM_CLOCK,
        timers: Timers | None = None,
        on_give_up: Callable[[ChildSpec, ExitReason], None] | None = None,
    ) -> None:
        """Begin without children.

        Args:
            max_children: the limit of children, including those about to be restarted; None for no limit
            intensity: the limit of restarts of all children that have no limit of their own
            clock: the clock by which restarts are counted
            timers: needed by children that have a backoff
            on_give_up: called in the supervisor's thread when a child exceeds its own limit, with the reason of its
                last end

        """
        if max_children is not None and max_children < 0:
            raise ValueError(f"max_children cannot be negative: {max_children}")
        self._set_up(intensity, clock, timers)
        self._max_children = max_children
        self._on_give_up = on_give_up
        self._terminating: dict[Hashable, _Terminating] = {}

    def handle_call(self, request: Any, caller: From) -> Any:
        """Handle a request of `supervision.py`."""
        match request:
            case StartChild(spec):
                return self._add(spec)
            case TerminateChild(child_id):
                return self._terminate_child(self._find(child_id), caller)
            case _:
                return super().handle_call(request, caller)

    def handle_wake(self) -> None:
        """Kill the children whose time to end is over."""
        now = time.monotonic()
        for terminating in list(self._terminating.values()):
            if terminating.deadline <= now:
                terminating.deadline = float("inf")
                kill_late(terminating.ref, terminating.bound)
        self._set_wake()

    def terminate(self, reason: ExitReason) -> None:
        """End all children at once, each within its bound."""
        del reason
        shut_down_together(
            (child.ref, child.spec.shutdown) for child in self._children.values() if child.ref is not None
        )

    def _check(self, spec: ChildSpec) -> None:
        super()._check(spec)
        if self._max_children is not None and len(self._children) >= self._max_children:
            raise MaxChildren(self._max_children)

    def _terminate_child(self, child: Child, caller: From) -> Any:
        if child.ref is None:
            self._ended_for_good(child)
            return None
        terminating = self._terminating.get(child.spec.id)
        if terminating is None:
            terminating = self._terminating[child.spec.id] = _Terminating(child.ref, child.spec.shutdown)
            request_shutdown(child.ref, child.spec.shutdown)
            self._set_wake()
        terminating.callers.append(caller)
        return NO_REPLY

    def _ended(self, child: Child, reason: ExitReason) -> None:
        if child.spec.id in self._terminating:
            self._ended_for_good(child)
        else:
            super()._ended(child, reason)

    def _start_again(self, child: Child) -> None:
        try:
            self._start(child)
        except StartError as error:
            self._did_not_start(child, error)

    def _ended_for_good(self, child: Child) -> None:
        child.retry = None
        del self._children[child.spec.id]
        terminating = self._terminating.pop(child.spec.id, None)
        if terminating is not None:
            for caller in terminating.callers:
                caller.reply()

    def _give_up(self, child: Child, reason: ExitReason) -> None:
        self._ended_for_good(child)
        if self._on_give_up is not None:
            try:
                self._on_give_up(child.spec, reason)
            except Exception:
                # An error of the listener must not end the other children.
                logger.exception("on_give_up raised for child %r", child.spec.id)

    def _set_wake(self) -> None:
        self.wake_at = min((terminating.deadline for terminating in self._terminating.values()), default=None)


class _Terminating:
    """A child that was told to end, the time by which it must, and the callers that wait for its end."""

    def __init__(self, ref: Ref, bound: float | None) -> None:
        self.ref = ref
        self.bound = bound
        self.deadline = float("inf") if bound is None else time.monotonic() + bound
        self.callers: list[From] = []
