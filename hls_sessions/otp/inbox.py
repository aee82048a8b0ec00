"""The queue of messages to one server."""

from __future__ import annotations

import threading
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, TypeVar

from hls_sessions.otp.errors import NoProcess, ServerExited
from hls_sessions.otp.messages import WAKE, Envelope

if TYPE_CHECKING:
    from collections.abc import Callable

    from hls_sessions.otp.address import Address
    from hls_sessions.otp.reasons import ExitReason

T = TypeVar("T")


class Inbox:
    """An unbounded first-in first-out queue that can be closed, and leaves no question unanswered when it is.

    With pykka's plain queue, a question put between the server's last look into the queue and its end is
    never answered. Here `put` and `close` exclude each other: an envelope is in before the close, and `close`
    answers it, or comes after, and `put` does.
    """

    def __init__(self) -> None:
        self._queue: SimpleQueue[Envelope[Any]] = SimpleQueue()
        self._lock = threading.Lock()
        self._owner: Address | None = None
        self._busy = True
        """Whether the server handles a message, or has one in here."""

    def put(self, envelope: Envelope[Any]) -> None:
        """Add an envelope. Once closed, a question is answered with NoProcess and all else is dropped."""
        with self._lock:
            if self._owner is None:
                self._busy = True
                self._queue.put(envelope)
                return
        if envelope.reply_to is not None:
            envelope.reply_to.set_exception((NoProcess, NoProcess(self._owner), None))

    def get(self, timeout: float | None = None) -> Envelope[Any]:
        """Take the oldest envelope, waiting for it; a WAKE when `timeout` seconds pass without any."""
        if self._queue.empty():
            with self._lock:
                self._busy = not self._queue.empty()
        try:
            return self._queue.get(timeout=timeout)
        except Empty:
            with self._lock:
                self._busy = True
            return WAKE

    def while_idle(self, function: Callable[[], T]) -> T | None:
        """Call a function if the server waits for a message; it gets none meanwhile. None if it is busy or dead."""
        with self._lock:
            return None if self._busy or self._owner is not None else function()

    def empty(self) -> bool:
        """Tell whether there is nothing to take."""
        return self._queue.empty()

    def close(self, owner: Address, reason: ExitReason) -> None:
        """Let nothing more in, answer every question inside with ServerExited, and wake the server."""
        with self._lock:
            self._owner = owner
        while not self._queue.empty():
            envelope = self.get(timeout=0)
            if envelope.reply_to is not None:
                error = ServerExited(owner, reason)
                envelope.reply_to.set_exception((ServerExited, error, None))
        self._queue.put(WAKE)
