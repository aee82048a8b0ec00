"""The end of children: an exit signal, a bounded wait, a kill. See shutdown in child.py."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, TypeAlias

from hls_sessions.otp.child import BRUTAL_KILL
from hls_sessions.otp.errors import CallTimeout
from hls_sessions.otp.reasons import SHUTDOWN

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hls_sessions.otp.ref import Ref

logger = logging.getLogger(__name__)

Bound: TypeAlias = float | None
"""Seconds, as ChildSpec.shutdown."""


def request_shutdown(ref: Ref, bound: Bound) -> None:
    """Send a child the exit signal SHUTDOWN, or kill it if its bound is BRUTAL_KILL."""
    if bound == BRUTAL_KILL:
        ref.kill()
    else:
        ref.exit(SHUTDOWN)


def kill_late(ref: Ref, bound: Bound) -> None:
    """Kill a child that did not end within its bound."""
    logger.warning("%s did not end within %s s and is killed", ref, bound)
    ref.kill()


def shut_down(ref: Ref, bound: Bound) -> None:
    """End one child, and return when it is gone.

    The bound is in real time, whatever the clock by which the supervisor counts restarts, because the clean-up of a
    child takes real time. The bound also ends the wait for a child that waits for its supervisor.
    """
    shut_down_together([(ref, bound)])


def shut_down_together(children: Iterable[tuple[Ref, Bound]]) -> None:
    """End several children at once: all get their signal before any is waited for."""
    begun = time.monotonic()
    by_bound = sorted(children, key=lambda child: float("inf") if child[1] is None else child[1])
    for ref, bound in by_bound:
        request_shutdown(ref, bound)
    for ref, bound in by_bound:
        try:
            ref.wait(None if bound is None else max(0.0, begun + bound - time.monotonic()))
        except CallTimeout:
            kill_late(ref, bound)
