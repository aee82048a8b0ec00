"""Access of tests to the inside of a supervisor: a crash, a full or a broken disk, lost timers, the written history.

Tests that use these reach into no private members, and go on working when those change.
"""

from __future__ import annotations

import errno
import os
import socket
import subprocess
import threading
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Never

from hls_sessions.otp import which_children
from hls_sessions.segments import SegmentDirectory
from hls_sessions.session.base_server import BaseSessionServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from hls_sessions import Session, Supervisor
    from hls_sessions.otp import Ref
    from hls_sessions.store import Store
    from hls_sessions.supervisor.runtime import Runtime

PATIENCE = 30.0
"""Seconds after which an event that did not happen counts as never."""


class Disk:
    """A disk whose free bytes a test sets: ``Supervisor(free_bytes=Disk(1_000_000))``."""

    def __init__(self, free: int | None) -> None:
        """Have so many bytes free; None for a number that cannot be found out."""
        self.free = free
        """It may be changed at any time."""

    def __call__(self, folder: Path) -> int | None:  # noqa: ARG002 - this disk is the only one
        """Return how many bytes are free, whatever the folder."""
        return self.free


def crash(session: Session) -> Callable[[], bool]:
    """Crash a session's actor, as a fault in this package would, and return when it has ended.

    Its supervisor brings it back, unless it has crashed too often. With a manual clock that takes an advance.

    Returns:
        A function that returns whether the next actor is there.

    Raises:
        TimeoutError: there is no actor, or it does not end.
    """
    actor = actor_of(session)
    actor.cast(_Fault())
    actor.wait(PATIENCE)
    return lambda: session._registry.whereis(session.id) not in {None, actor}  # noqa: SLF001 - the seam for tests


def actor_of(session: Session) -> Ref:
    """Return a session's actor, as soon as there is one.

    Raises:
        TimeoutError: there is none for 30 seconds.
    """
    return session._registry.wait_for(session.id).get(PATIENCE)  # noqa: SLF001 - the seam for tests


@contextmanager
def busy(session: Session) -> Iterator[None]:
    """Keep a session's actor busy while the block runs, so that it answers nothing."""
    go_on, handle = threading.Event(), BaseSessionServer.handle_call

    def wait(server: BaseSessionServer, request: Any, caller: Any) -> Any:
        return go_on.wait() if request is go_on else handle(server, request, caller)

    BaseSessionServer.handle_call = wait  # type: ignore[method-assign,assignment]
    kept_busy = session._ask(go_on)  # noqa: SLF001 - the seam for tests
    try:
        yield
    finally:
        go_on.set()
        BaseSessionServer.handle_call = handle  # type: ignore[method-assign]
        kept_busy.get(PATIENCE)


def process_of(supervisor: Supervisor, name: str | None = None) -> Ref:
    """Return a process of a supervisor's tree: the root, or its child of a name.

    Raises:
        Unavailable: the supervisor does not run.
        StopIteration: there is no such child, or it is being restarted.
    """
    root = _runtime(supervisor).tree.root
    if name is None:
        return root
    return next(child.ref for child in which_children(root) if child.id == name and child.ref is not None)


def written(supervisor: Supervisor) -> Store:
    """Return the history of a supervisor, once everything that has happened so far is written to it.

    Raises:
        Unavailable: the supervisor does not run.
    """
    store = _runtime(supervisor).store
    store.flush()
    return store


def counted_bytes(supervisor: Supervisor) -> int:
    """Return how many bytes of segments a supervisor counts against ``disk_budget``.

    Raises:
        Unavailable: the supervisor does not run.
    """
    return _runtime(supervisor).tree.services.quota.bytes


@contextmanager
def lost_timers(supervisor: Supervisor) -> Iterator[None]:
    """Keep all timers of a supervisor from firing while the block runs.

    Raises:
        Unavailable: the supervisor does not run.
    """
    timers = _runtime(supervisor).tree.services.timers
    timers.fire = timers.next_deadline = lambda: None  # type: ignore[method-assign]
    try:
        yield
    finally:
        del timers.fire, timers.next_deadline  # those of the class are seen again


@contextmanager
def storage_that_fails(*, times: int | None = None, error: int = errno.EIO) -> Iterator[None]:
    """Make the writing of segments fail, in all sessions of this process, while the block runs.

    Args:
        times: how many fail; all when omitted.
        error: the error of each failure.
    """
    left = iter(range(times)) if times is not None else None
    turn = threading.Lock()
    publish = SegmentDirectory.publish

    def fail(directory: SegmentDirectory, *what: Any) -> None:
        with turn:
            fails = left is None or next(left, None) is not None
        if fails:
            raise OSError(error, os.strerror(error))
        publish(directory, *what)

    SegmentDirectory.publish = fail  # type: ignore[method-assign,assignment]
    try:
        yield
    finally:
        SegmentDirectory.publish = publish  # type: ignore[method-assign]


@contextmanager
def out_of_resources(error: int = errno.EMFILE) -> Iterator[None]:
    """Make the start of every child process fail, in this process, while the block runs.

    Args:
        error: the error of the system: EMFILE or ENFILE for descriptors, EAGAIN for processes, ENOMEM for memory.
    """

    def fail(*_: Any, **__: Any) -> Never:
        raise OSError(error, os.strerror(error))

    start, pair = subprocess.Popen.__init__, socket.socketpair
    subprocess.Popen.__init__ = fail  # type: ignore[method-assign]
    socket.socketpair = fail  # packagers are forked elsewhere, and reached through a pair of sockets
    try:
        yield
    finally:
        subprocess.Popen.__init__ = start  # type: ignore[method-assign]
        socket.socketpair = pair


@contextmanager
def hanging_share(folder: Path) -> Iterator[None]:
    """Make every look at a file under a folder hang while the block runs, as on a network share without its server.

    Only calls of this process hang, and those that hang go on after the block.
    """
    over, real = threading.Event(), {name: getattr(os, name) for name in ("stat", "lstat")}
    below = str(folder) + os.sep

    def hang(call: Callable[..., Any], path: Any, *rest: Any, **more: Any) -> Any:
        if isinstance(path, str | bytes | os.PathLike) and os.fsdecode(path).startswith(below):
            over.wait()
        return call(path, *rest, **more)

    for name, call in real.items():
        setattr(os, name, partial(hang, call))
    try:
        yield
    finally:
        for name, call in real.items():
            setattr(os, name, call)
        over.set()


class _Fault:
    """A message that no server knows."""


def _runtime(supervisor: Supervisor) -> Runtime:
    return supervisor._running()  # noqa: SLF001 - the seam for tests
