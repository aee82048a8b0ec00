"""How a thread is told to die, and where it may not be told.

Python cannot kill a thread. It can have an exception raised in one, at some later bytecode, wherever that is
(PyThreadState_SetAsyncExc). Raised inside a server's own callback this is as good as a kill; raised while the
thread holds a lock of this package, or between two steps that belong together, it would break servers that
did nothing wrong.

So every server's thread has a shield. It is up at all times but two: it is lowered around the callbacks of
the server, and raised again for every call those make into this package. A kill that finds it lowered throws
KillSignal; a kill that finds it up only leaves its mark, and the thread throws KillSignal at itself when it
next lowers it.

Who may throw is settled by a token, which lies on the table while the shield is down. The killer must take it
to throw; the thread must take it to raise the shield. A deque pops atomically, so exactly one of them has it,
and KillSignal is thrown once at most and never arrives later than the moment the shield is up.
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
    """Ends the thread of a killed server. A callback may clean up on its way, but it cannot stop it."""


class _ThrownSignal(KillSignal):
    """A KillSignal from another thread. It notes where it arrives, for it is made there."""

    def __init__(self) -> None:
        super().__init__()
        if (shield := _here.shield) is not None:
            shield.signal_has_arrived()


class Shield:
    """Keeps KillSignal out of everything but the callbacks of one server.

    All methods but `kill` belong to the thread it is installed in.
    """

    def __init__(self) -> None:
        self._layers = 1
        self._token: deque[None] = deque(maxlen=1)
        self._killed = False
        self._arrived = False
        self._thread = 0
        self._wakeup: SimpleQueue[None] | None = None
        self._thrown = threading.Lock()
        self._thrown.acquire()

    def install(self) -> None:
        """Make this the shield of the calling thread, for as long as the thread lives."""
        self._thread = threading.get_ident()
        _here.shield = self

    def lowered(self, callback: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call back with the shield down.

        Raises:
            KillSignal: if the server was killed, even when the callback swallowed it

        """
        try:
            self._layers = 0
            self._offer_token()
            return callback(*args, **kwargs)
        finally:
            self._layers = 1
            self._take_token()

    def __enter__(self) -> None:
        if self._layers == 0:
            if self._killed:
                raise KillSignal
            self._take_token()
        self._layers += 1

    def __exit__(self, *_: object) -> None:
        self._layers -= 1
        if self._layers == 0:
            self._offer_token()

    def kill(self) -> None:
        """Kill: called once, by any thread.

        A thread that sleeps in this package (it waits for an answer) is woken. A thread that is blocked
        elsewhere, in a system call or in C code, hears of it only when it comes back to Python.

        Under a debugger or coverage nothing is thrown, and the thread ends when it next calls this package. A
        tracer runs inside the thread it traces, where the signal could arrive while it holds its own locks; and
        on CPython 3.11 a signal that is pending in one thread hangs every other that is traced.
        """
        self._killed = True
        if not _is_traced():
            self._throw()
        if (wakeup := self._wakeup) is not None:
            wakeup.put(None)

    def signal_has_arrived(self) -> None:
        """Note that what was thrown need not be waited for any more."""
        self._arrived = True

    def sleep(self, wakeup: SimpleQueue[None], seconds: float | None) -> None:
        """Wait for an item in the queue, or for a kill, which puts one there too."""
        self._wakeup = wakeup
        try:
            if not self._killed:
                _wait(wakeup, seconds)
        finally:
            self._wakeup = None
        if self._killed:
            raise KillSignal

    def _throw(self) -> None:
        with contextlib.suppress(IndexError):
            self._token.pop()
            _throw_in(self._thread)
            self._thrown.release()

    def _offer_token(self) -> None:
        self._token.append(None)
        if self._killed:
            raise KillSignal

    def _take_token(self) -> None:
        try:
            self._token.pop()
        except IndexError:
            # The killer has it. The signal is waited for, and not taken back: CPython before 3.13 would look
            # out for it ever after, in all threads. Plain locks in a `with` are safe here: CPython looks for
            # such signals after calls, and taking a lock this way is none, which it would be with a Condition
            # or an Event.
            with self._thrown:
                pass
            while not self._arrived:
                time.sleep(0)
            raise KillSignal from None


class _Here(threading.local):
    shield: Shield | None = None


_here = _Here()


def shielded(function: Callable[P, T]) -> Callable[P, T]:
    """Have a function run to its end, or not at all, when a server that calls it is killed."""

    @functools.wraps(function)
    def under_shield(*args: P.args, **kwargs: P.kwargs) -> T:
        shield = _here.shield
        if shield is None:
            return function(*args, **kwargs)
        with shield:
            return function(*args, **kwargs)

    return under_shield


def sleep(wakeup: SimpleQueue[None], seconds: float | None) -> None:
    """Wait for an item in the queue, for a kill of the calling server, or until the seconds are over."""
    shield = _here.shield
    if shield is None:
        _wait(wakeup, seconds)
    else:
        shield.sleep(wakeup, seconds)


def _wait(wakeup: SimpleQueue[None], seconds: float | None) -> None:
    try:
        wakeup.get(timeout=None if seconds is None else max(0.0, min(seconds, threading.TIMEOUT_MAX)))
    except Empty:
        return


def _is_traced() -> bool:
    return threading.gettrace() is not None or sys.gettrace() is not None


def _throw_in(thread: int) -> None:
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(_ThrownSignal))
