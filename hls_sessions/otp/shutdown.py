"""The end of children: told politely, waited for with a bound, killed."""

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
    """Tell a child to end, if it is to be told."""
    if bound == BRUTAL_KILL:
        ref.kill()
    else:
        ref.exit(SHUTDOWN)


def kill_late(ref: Ref, bound: Bound) -> None:
    """Kill a child that has had its time."""
    logger.warning("%s did not end within %s s and is killed", ref, bound)
    ref.kill()


def shut_down(ref: Ref, bound: Bound) -> None:
    """End one child. When this returns it is gone.

    The bound is one of real time, whatever clock the supervisor counts its restarts by, because what a child
    does while it ends takes real time. It also ends the wait for a child that is itself waiting for its
    supervisor.
    """
    shut_down_together([(ref, bound)])


def shut_down_together(children: Iterable[tuple[Ref, Bound]]) -> None:
    """End several children at once: all are told before any is waited for."""
    begun = time.monotonic()
    by_bound = sorted(children, key=lambda child: float("inf") if child[1] is None else child[1])
    for ref, bound in by_bound:
        request_shutdown(ref, bound)
    for ref, bound in by_bound:
        try:
            ref.wait(None if bound is None else max(0.0, begun + bound - time.monotonic()))
        except CallTimeout:
            kill_late(ref, bound)
