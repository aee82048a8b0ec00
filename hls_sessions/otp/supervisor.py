"""The supervisor of children that are known beforehand and may depend on each other.

See https://www.erlang.org/doc/apps/stdlib/supervisor.html. Its requests are in `supervision.py`.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any, Final

from hls_sessions.otp.base_supervisor import BaseSupervisor, Child
from hls_sessions.otp.child import ChildSpec, Intensity, Restart
from hls_sessions.otp.clock import SYSTEM_CLOCK, Clock
from hls_sessions.otp.errors import ChildRunning, StartError
from hls_sessions.otp.shutdown import shut_down
from hls_sessions.otp.supervision import DeleteChild, RestartChild, StartChild, TerminateChild

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Sequence

    from hls_sessions.otp.genserver import From
    from hls_sessions.otp.reasons import ExitReason
    from hls_sessions.otp.timers import Timers

DEFAULT_INTENSITY: Final = Intensity()


class Strategy(Enum):
    """Which other children are restarted with a child. See https://www.erlang.org/doc/system/sup_princ.html."""

    ONE_FOR_ONE = "one_for_one"
    """None: the children do not depend on each other."""

    ONE_FOR_ALL = "one_for_all"
    """All: each depends on each."""

    REST_FOR_ONE = "rest_for_one"
    """Those that were started after it: each depends on those before it."""


class Supervisor(BaseSupervisor):
    """Starts its children in order, restarts them by its strategy, and ends them in reverse order.

    When the children need more restarts than its intensity allows, it ends them and itself with SHUTDOWN, so that its
    own supervisor decides. While a child waits for its backoff, the children that are restarted with it wait too.
    """

    def init(
        self,
        children: Sequence[ChildSpec] = (),
        strategy: Strategy = Strategy.ONE_FOR_ONE,
        intensity: Intensity = DEFAULT_INTENSITY,
        clock: Clock = SYSTEM_CLOCK,
        timers: Timers | None = None,
    ) -> None:
        """Start the children. If one does not start, those before it are ended and its StartError is raised.

        Args:
            children: their specs, in the order in which they are started
            strategy: which other children are restarted with a child
            intensity: the limit of restarts
            clock: the clock by which restarts are counted
            timers: needed by children that have a backoff

        """
        self._set_up(intensity, clock, timers)
        self._strategy = strategy
        try:
            for spec in children:
                self._add(spec)
        except BaseException:
            self._bring_down(self._children.values())
            raise

    def handle_call(self, request: Any, caller: From) -> Any:
        """Handle a request of `supervision.py`."""
        match request:
            case StartChild(spec):
                return self._add(spec)
            case TerminateChild(child_id):
                return self._terminate_child(self._find(child_id))
            case RestartChild(child_id):
                return self._start(self._find_idle(child_id))
            case DeleteChild(child_id):
                del self._children[self._find_idle(child_id).spec.id]
                return None
            case _:
                return super().handle_call(request, caller)

    def terminate(self, reason: ExitReason) -> None:
        """End the children in reverse order, each within its bound."""
        del reason
        self._bring_down(self._children.values())

    def _find_idle(self, child_id: Hashable) -> Child:
        child = self._find(child_id)
        if child.ref is not None or child.retry is not None:
            raise ChildRunning(child_id)
        return child

    def _terminate_child(self, child: Child) -> None:
        child.retry = None
        self._bring_down([child])

    def _restart(self, child: Child) -> None:
        self._bring_down(self._affected_by(child))
        super()._restart(child)

    def _start_again(self, child: Child) -> None:
        for each in self._affected_by(child):
            if each.ref is None:
                each.retry = None
                try:
                    self._start(each)
                except StartError as error:
                    self._did_not_start(each, error)
                    return

    def _ended_for_good(self, child: Child) -> None:
        if child.spec.restart is Restart.TEMPORARY:
            del self._children[child.spec.id]

    def _give_up(self, child: Child, reason: ExitReason) -> None:
        """Keep the spec, for `restart_child`, as that of a terminated child is kept."""

    def _affected_by(self, child: Child) -> list[Child]:
        children = list(self._children.values())
        match self._strategy:
            case Strategy.ONE_FOR_ONE:
                return [child]
            case Strategy.ONE_FOR_ALL:
                return children
            case Strategy.REST_FOR_ONE:
                return children[children.index(child) :]

    def _bring_down(self, children: Iterable[Child]) -> None:
        for child in reversed(list(children)):
            if child.ref is not None:
                del self._by_ref[child.ref]
                shut_down(child.ref, child.spec.shutdown)
                child.ref = None
                self._ended_for_good(child)
