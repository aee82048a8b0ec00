"""A stop that lets callers be answered first: it waits for them up to a bound, and not at all once it is hurried."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from hls_sessions.otp import Ref, Reply


TICK: Final = 0.05
"""Seconds after which a wait looks whether it is to hurry."""

STOPPING: Final = "The supervisor is stopping."
"""The answer to a caller that asks for something new."""


class GracefulStop:
    """One stop of a supervisor. Any thread may use it."""

    def __init__(self) -> None:
        self.begun = False
        """Whether nothing new is taken any more."""
        self.hurried = False
        """Whether it waits for nothing."""
        self._root: Ref | None = None
        self._over = threading.Event()
        self._lock = threading.Lock()

    def wait_for(self, replies: Iterable[Reply[Any]], timeout: float) -> int:
        """Return when all are answered, ``timeout`` seconds are over or it is to hurry; return how many are not."""
        waiting = set(replies)

        def answered(reply: Reply[Any]) -> None:
            with self._lock:
                waiting.discard(reply)
                if not waiting:
                    self._over.set()

        for reply in list(waiting):
            reply.add_done_callback(answered)
        if waiting:
            self._over.wait(timeout)
        return len(waiting)

    def until(self, happens: Callable[[float], bool], timeout: float) -> bool:
        """Wait until something happens, ``timeout`` seconds are over or it is to hurry. Return whether it has happened.

        Args:
            happens: waits so many seconds at most, and returns whether it has happened.
            timeout: seconds.
        """
        deadline = time.monotonic() + timeout
        while not happens(TICK):
            if self.hurried or time.monotonic() >= deadline:
                return False
        return True

    def is_ending(self, root: Ref) -> None:
        """Note the root that ``hurry`` has to kill. Kill it at once if the stop was hurried before."""
        self._root = root
        if self.hurried:
            root.kill()

    def hurry(self) -> None:
        """Wait for nothing any more: processes that still run are killed."""
        self.hurried = True
        self._over.set()
        if self._root is not None:
            self._root.kill()
