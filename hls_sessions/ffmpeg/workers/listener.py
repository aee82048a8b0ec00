"""One thread that listens to many workers, so that hundreds of them cost no hundreds of threads."""

from __future__ import annotations

import errno
import logging
import os
import selectors
import threading
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from hls_sessions.ffmpeg.workers.channel import Channel, Message

logger = logging.getLogger(__name__)


class _Heard(NamedTuple):
    channel: Channel
    on_message: Callable[[Message], None]
    on_end: Callable[[], None]


class Listener:
    """Listens to channels. Any thread may use it, until ``close``."""

    def __init__(self) -> None:
        """Begin to listen.

        Raises:
            OSError: there are no descriptors or threads left.
        """
        self._selector = selectors.DefaultSelector()
        self._wakes, self._wakeup = os.pipe()
        self._selector.register(self._wakes, selectors.EVENT_READ)
        self._arriving: list[_Heard] = []
        self._closing = False
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._listen, name="workers' listener", daemon=True)
        try:
            self._thread.start()
        except RuntimeError as error:  # there are as many threads as there may be
            self._selector.close()
            os.close(self._wakes)
            os.close(self._wakeup)
            raise OSError(errno.EAGAIN, str(error)) from error

    def listen(self, channel: Channel, on_message: Callable[[Message], None], on_end: Callable[[], None]) -> None:
        """Have every message of a channel told, and then its end, once. The callbacks must be quick, and not raise."""
        with self._lock:
            self._arriving.append(_Heard(channel, on_message, on_end))
        os.write(self._wakeup, b"\0")

    def close(self) -> None:
        """Listen no more. The channels must have ended."""
        self._closing = True
        os.write(self._wakeup, b"\0")
        self._thread.join()
        self._selector.close()
        os.close(self._wakes)
        os.close(self._wakeup)

    def _listen(self) -> None:
        while True:
            for key, _ in self._selector.select():
                if key.data is None:
                    os.read(self._wakes, 4096)
                else:
                    self._hear(key.data)
            with self._lock:
                arriving, self._arriving = self._arriving, []
            for heard in arriving:
                self._begin(heard)
            if self._closing and len(self._selector.get_map()) == 1:
                return

    def _begin(self, heard: _Heard) -> None:
        try:
            self._selector.register(heard.channel, selectors.EVENT_READ, heard)
        except ValueError:  # it was closed before its turn came
            heard.on_end()

    def _hear(self, heard: _Heard) -> None:
        try:
            heard.channel.read()
            for message in heard.channel.messages():
                heard.on_message(message)
        except (EOFError, OSError, ValueError) as error:
            logger.debug("a worker's channel has ended: %s", error)
            self._selector.unregister(heard.channel)
            heard.on_end()
