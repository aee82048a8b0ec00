"""How KillSignal is raised in the thread of a killed server, and blocked where it would do harm.

Python cannot kill a thread. It can have an exception raised in one, at some later bytecode, wherever that is: see
PyThreadState_SetAsyncExc in https://docs.python.org/3/c-api/threads.html. Inside a callback of the server this is as
good as a kill. While the thread holds a lock of this package, or between two steps that belong together, it would break
servers that did nothing wrong.

So every server's thread has a shield, which blocks the signal as POSIX threads block theirs (sigprocmask). The signal
is unblocked only while a callback of the server runs, and blocked again during every call of the callback into this
package. A kill that finds it unblocked has KillSignal raised in the thread. Otherwise the signal is pending, and the
thread raises it itself when it next unblocks.

A token decides races: it is there while the signal is unblocked. The killer must take it before it has the signal
raised, and the thread must take it to block. Popping from a deque is atomic, so exactly one of them has it. Therefore
KillSignal is raised once at most, and has arrived before the thread runs anything that is shielded.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import sys
import threading
import time
from collections import deque
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
T = TypeVar("T")


class KillSignal(BaseException):
    """Ends the thread of a killed server. A callback that catches it may clean up, but the server ends all the same."""


class _AsyncKillSignal(KillSignal):
    """A KillSignal from another thread. Python makes it in the thread in which it is raised."""

    def __init__(self) -> None:
        super().__init__()
        if (shield := _local.shield) is not None:
            shield.signal_has_arrived()


class Shield:
    """Blocks KillSignal everywhere but in the callbacks of one server.

    All methods but `kill` belong to the thread it is installed in.
    """

    def __init__(self) -> None:
        self._depth = 1
        """How many calls into this package are in progress. The signal is unblocked at 0."""
        self._token: deque[None] = deque(maxlen=1)
        self._pending = False
        self._arrived = False
        self._thread = 0
        self._wakeup: SimpleQueue[None] | None = None
        self._raised = threading.Lock()
        """Held until the killer that has the token has also had the signal raised."""
        self._raised.acquire()

    def install(self) -> None:
        """Make this the shield of the calling thread, for as long as the thread lives."""
        self._thread = threading.get_ident()
        _local.shield = self

    def unblocked(self, callback: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a callback of the server with the signal unblocked.

        Raises:
            KillSignal: if the server was killed, even if the callback caught it

        """
        try:
            self._depth = 0
            self._put_token()
            return callback(*args, **kwargs)
        finally:
            self._depth = 1
            self._take_token()

    def __enter__(self) -> None:
        if self._depth == 0:
            if self._pending:
                raise KillSignal
            self._take_token()
        self._depth += 1

    def __exit__(self, *_: object) -> None:
        self._depth -= 1
        if self._depth == 0:
            self._put_token()

    def kill(self) -> None:
        """Have KillSignal raised in the thread. Called once, by any thread.

        A thread that waits for an answer in this package is woken. A thread that is blocked elsewhere, in a system call
        or in C code, gets the signal only when it comes back to Python.

        Under a debugger or coverage the signal is left pending, and the thread ends when it next calls this package. A
        tracer runs inside the thread it traces, where the signal could arrive while it holds its own locks; and
        on CPython 3.11 a signal that is pending in one thread hangs every other that is traced.
        """
        self._pending = True
        if not _is_traced():
            self._raise_in_thread()
        if (wakeup := self._wakeup) is not None:
            wakeup.put(None)

    def signal_has_arrived(self) -> None:
        """Note that a signal from another thread need not be waited for any more."""
        self._arrived = True

    def wait(self, wakeup: SimpleQueue[None], seconds: float | None) -> None:
        """Wait for an item in the queue, or for a kill, which puts one there too."""
        self._wakeup = wakeup
        try:
            if not self._pending:
                _wait(wakeup, seconds)
        finally:
            self._wakeup = None
        if self._pending:
            raise KillSignal

    def _raise_in_thread(self) -> None:
        with contextlib.suppress(IndexError):
            self._token.pop()
            _raise_in(self._thread)
            self._raised.release()

    def _put_token(self) -> None:
        self._token.append(None)
        if self._pending:
            raise KillSignal

    def _take_token(self) -> None:
        try:
            self._token.pop()
        except IndexError:
            # The killer has it. The signal is waited for and not taken back, because CPython before 3.13 would check
            # for it ever after, in all threads. A plain lock in a `with` is safe here: CPython delivers such signals
            # after calls, and entering the `with` is no call. A Condition or an Event would make calls.
            with self._raised:
                pass
            while not self._arrived:
                time.sleep(0)
            raise KillSignal from None


class _ThreadLocal(threading.local):
    shield: Shield | None = None


_local = _ThreadLocal()


def shielded(function: Callable[P, T]) -> Callable[P, T]:
    """Block KillSignal during a function: if a server is killed, its calls of it run to their end or not at all."""

    @functools.wraps(function)
    def blocked(*args: P.args, **kwargs: P.kwargs) -> T:
        shield = _local.shield
        if shield is None:
            return function(*args, **kwargs)
        with shield:
            return function(*args, **kwargs)

    return blocked


def wait(wakeup: SimpleQueue[None], seconds: float | None) -> None:
    """Wait for an item in the queue, for a kill of the calling server, or until the seconds are over."""
    shield = _local.shield
    if shield is None:
        _wait(wakeup, seconds)
    else:
        shield.wait(wakeup, seconds)


def _wait(wakeup: SimpleQueue[None], seconds: float | None) -> None:
    try:
        wakeup.get(timeout=None if seconds is None else max(0.0, min(seconds, threading.TIMEOUT_MAX)))
    except Empty:
        return


def _is_traced() -> bool:
    return threading.gettrace() is not None or sys.gettrace() is not None


def _raise_in(thread: int) -> None:
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(_AsyncKillSignal))
