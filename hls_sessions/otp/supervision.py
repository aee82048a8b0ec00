"""The requests to a supervisor, static or dynamic, as in https://www.erlang.org/doc/apps/stdlib/supervisor.html.

Each function takes the ref of a supervisor, calls it, and returns the answer. Both kinds of supervisors have the same
requests. Each function has a message of the same name, for a coroutine that must not block its thread:
`await supervisor.ask(StartChild(spec))`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Hashable

    from hls_sessions.otp.child import ChildSpec
    from hls_sessions.otp.ref import Ref


@dataclass(frozen=True, slots=True)
class StartChild:
    """Start a child, and keep it."""

    spec: ChildSpec


@dataclass(frozen=True, slots=True)
class TerminateChild:
    """End a child, and do not restart it."""

    child_id: Hashable


@dataclass(frozen=True, slots=True)
class RestartChild:
    """Start again a child that does not run."""

    child_id: Hashable


@dataclass(frozen=True, slots=True)
class DeleteChild:
    """Forget a child that does not run."""

    child_id: Hashable


@dataclass(frozen=True, slots=True)
class WhichChildren:
    """List the children."""


@dataclass(frozen=True, slots=True)
class CountChildren:
    """Count the children."""


@dataclass(frozen=True, slots=True)
class ChildInfo:
    """One child as it is now. `ref` is None if it does not run; `restarting` tells whether it is about to.

    `restarts` is how often it needed a restart since its supervisor began.
    """

    id: Hashable
    ref: Ref | None
    restarting: bool
    restarts: int = 0


@dataclass(frozen=True, slots=True)
class ChildCount:
    """How many children there are (`specs`), how many of them run, and how many are about to be restarted."""

    specs: int
    active: int
    restarting: int


def start_child(supervisor: Ref, spec: ChildSpec) -> Ref:
    """Start a child and have it supervised from then on. Returns its ref.

    A static supervisor puts it after all the others.

    Raises:
        StartError: if the child did not start; it is not kept
        AlreadyStarted: if there is a child of this id
        MaxChildren: if a dynamic supervisor has as many as it may have

    """
    ref: Ref = supervisor.call(StartChild(spec), timeout=None)
    return ref


def terminate_child(supervisor: Ref, child_id: Hashable) -> None:
    """End a child, within the bound of its spec, and do not restart it. When this returns it is gone.

    A static supervisor keeps the spec, for `restart_child`, unless the child is temporary; a dynamic one
    forgets it.

    Raises:
        NoChild: if there is no child of this id

    """
    supervisor.call(TerminateChild(child_id), timeout=None)


def restart_child(supervisor: Ref, child_id: Hashable) -> Ref:
    """Start again a child of a static supervisor that does not run. Returns its new ref.

    Raises:
        NoChild: if there is no child of this id
        ChildRunning: if it runs, or is about to be restarted
        StartError: if it did not start; it can be tried again

    """
    ref: Ref = supervisor.call(RestartChild(child_id), timeout=None)
    return ref


def delete_child(supervisor: Ref, child_id: Hashable) -> None:
    """Have a static supervisor forget a child that does not run.

    Raises:
        NoChild: if there is no child of this id
        ChildRunning: if it runs, or is about to be restarted

    """
    supervisor.call(DeleteChild(child_id), timeout=None)


def which_children(supervisor: Ref, timeout: float | None = None) -> list[ChildInfo]:
    """List the children, in the order in which they were started.

    Args:
        supervisor: whose
        timeout: seconds to wait for the answer, because a supervisor answers nothing while it starts a child; or None

    Raises:
        CallTimeout: if the answer did not come in time

    """
    children: list[ChildInfo] = supervisor.call(WhichChildren(), timeout=timeout)
    return children


def count_children(supervisor: Ref) -> ChildCount:
    """Count the children."""
    count: ChildCount = supervisor.call(CountChildren(), timeout=None)
    return count
