"""The base of the two supervisors, which start children, link to them, and decide on restarts."""

from __future__ import annotations

import logging
from abc import abstractmethod
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any, ClassVar

from hls_sessions.otp.errors import (
    AlreadyStarted,
    NeedsTimers,
    NoChild,
    NotSupported,
    StartError,
    SupervisionError,
)
from hls_sessions.otp.genserver import From, GenServer
from hls_sessions.otp.messages import Exit
from hls_sessions.otp.reasons import SHUTDOWN, Crash, ExitReason
from hls_sessions.otp.ref import Ref
from hls_sessions.otp.supervision import ChildCount, ChildInfo, CountChildren, WhichChildren

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from hls_sessions.otp.child import ChildSpec, Intensity
    from hls_sessions.otp.clock import Clock
    from hls_sessions.otp.timers import Timers

logger = logging.getLogger(__name__)


class Decision(Enum):
    """The decision on a child that needs a restart."""

    RESTART = "restart"
    GIVE_UP = "give up"
    ESCALATE = "escalate"


@dataclass(frozen=True, slots=True, eq=False)
class Retry:
    """A message of the supervisor to itself: start this child now. Ignored unless the child waits for this very one."""

    child: Child


@dataclass(slots=True, eq=False)
class Child:
    """A child, its ref while it runs, when it was restarted lately, and how often in all."""

    spec: ChildSpec
    ref: Ref | None = None
    restarts: tuple[float, ...] = ()
    restarted: int = 0
    retry: Retry | None = field(default=None, repr=False)

    def info(self) -> ChildInfo:
        """Return the child as `which_children` lists it."""
        return ChildInfo(self.spec.id, self.ref, restarting=self.retry is not None, restarts=self.restarted)


class BaseSupervisor(GenServer):
    """A server that has children and traps their exits.

    A subclass decides how a child is restarted, and whether it keeps the spec of a child that is not.
    """

    trap_exits: ClassVar[bool] = True
    refusals: ClassVar[tuple[type[Exception], ...]] = (SupervisionError, StartError)

    _children: dict[Hashable, Child]

    def _set_up(self, intensity: Intensity, clock: Clock, timers: Timers | None) -> None:
        self._intensity = intensity
        self._clock = clock
        self._timers = timers
        self._restarts: tuple[float, ...] = ()
        self._children = {}
        self._by_ref: dict[Ref, Child] = {}

    # ---- for subclasses

    @abstractmethod
    def _start_again(self, child: Child) -> None:
        """Start a child that ended or did not start; its delay, if it has one, is over."""

    @abstractmethod
    def _ended_for_good(self, child: Child) -> None:
        """Keep or drop the spec of a child that ended and is not restarted."""

    @abstractmethod
    def _give_up(self, child: Child, reason: ExitReason) -> None:
        """Keep or drop the spec of a child that exceeded its own limit."""

    # ---- callbacks

    def handle_call(self, request: Any, caller: From) -> Any:
        """Answer the requests that both kinds have, and refuse those that this kind does not have."""
        del caller
        match request:
            case WhichChildren():
                return [child.info() for child in self._children.values()]
            case CountChildren():
                return self._count()
            case _:
                raise NotSupported(request)

    def handle_info(self, message: Any) -> None:
        """Take the exit signal of a child, or the message that a child is to be started again."""
        match message:
            case Exit(ref=Ref() as ref, reason=reason):
                # A child that this supervisor has shut down is no longer in _by_ref.
                if (child := self._by_ref.pop(ref, None)) is not None:
                    child.ref = None
                    self._ended(child, reason)
            case Retry(child=child):
                if child.retry is message:
                    child.retry = None
                    self._start_again(child)
            case _:
                super().handle_info(message)

    # ---- children

    def _add(self, spec: ChildSpec) -> Ref:
        self._check(spec)
        child = Child(spec)
        ref = self._start(child)
        self._children[spec.id] = child
        return ref

    def _check(self, spec: ChildSpec) -> None:
        """Raise the SupervisionError that forbids this child, if one does."""
        if (child := self._children.get(spec.id)) is not None:
            raise AlreadyStarted(spec.id, child.ref)
        if spec.backoff is not None and self._timers is None:
            raise NeedsTimers(spec.id)

    def _find(self, child_id: Hashable) -> Child:
        try:
            return self._children[child_id]
        except KeyError:
            raise NoChild(child_id) from None

    def _start(self, child: Child) -> Ref:
        """Start a child, or raise StartError."""
        try:
            ref: object = child.spec.start()
        except StartError:
            raise
        except Exception as error:
            raise StartError(repr(child.spec.id), Crash(error)) from error
        if not isinstance(ref, Ref):
            no_ref = TypeError(f"its start returned {ref!r}, which is no ref")
            raise StartError(repr(child.spec.id), Crash(no_ref))
        child.ref = ref
        self._by_ref[ref] = child
        self._process.link_child(ref.process)
        return ref

    def _ended(self, child: Child, reason: ExitReason) -> None:
        if child.spec.restart.applies_to(reason):
            self._restart_or_give_up(child, reason, self._restart)
        else:
            self._ended_for_good(child)

    def _did_not_start(self, child: Child, error: StartError) -> None:
        # As in OTP, a restart that fails is tried again, and that counts as another restart. The supervisor sends
        # itself a message for that, so that it handles other messages in between.
        self._restart_or_give_up(child, Crash(error), self._retry)

    def _restart(self, child: Child) -> None:
        """Start a child again that ended, at once or after its delay."""
        if self._delay(child) > 0:
            self._retry(child)
        else:
            self._start_again(child)

    def _restart_or_give_up(self, child: Child, reason: ExitReason, restart: Callable[[Child], None]) -> None:
        """Restart a child in the given way, unless it needed too many restarts."""
        match self._count_restart(child):
            case Decision.RESTART:
                logger.warning("%s restarts child %r: %s", self, child.spec.id, reason)
                restart(child)
            case Decision.GIVE_UP:
                logger.error("%s gives up child %r after too many restarts: %s", self, child.spec.id, reason)
                self._give_up(child, reason)
            case Decision.ESCALATE:
                logger.error("%s ends: too many restarts, lastly of %r: %s", self, child.spec.id, reason)
                self.stop(SHUTDOWN)

    def _count_restart(self, child: Child) -> Decision:
        """Count this restart and decide whether it may happen."""
        now = self._clock.monotonic()
        limit = child.spec.intensity or self._intensity
        own = limit.admit(child.restarts, now)
        child.restarted += 1
        child.restarts = own or ()
        if child.spec.intensity is not None:
            return Decision.RESTART if own is not None else Decision.GIVE_UP
        if (all_of_them := self._intensity.admit(self._restarts, now)) is None:
            return Decision.ESCALATE
        self._restarts = all_of_them
        return Decision.RESTART

    def _retry(self, child: Child) -> None:
        """Start the child again after its delay, and handle other messages until then."""
        child.retry = Retry(child)
        delay = self._delay(child)
        if self._timers is None or delay == 0:
            self.ref.send(child.retry)
        else:
            self._timers.send_after(self.ref, child.retry, delay)

    def _delay(self, child: Child) -> float:
        return 0.0 if child.spec.backoff is None else child.spec.backoff.delay(len(child.restarts))

    def _count(self) -> ChildCount:
        children = self._children.values()
        return ChildCount(
            specs=len(children),
            active=sum(child.ref is not None for child in children),
            restarting=sum(child.retry is not None for child in children),
        )
