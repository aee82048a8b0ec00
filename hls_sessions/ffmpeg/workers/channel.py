"""Messages between the daemon and a worker process: JSON, and bytes that go with it, over a stream socket.

JSON rather than pickle, because a worker that a hostile file has taken over must not be able to make the daemon run
anything.
"""

from __future__ import annotations

import json
import select
import struct
import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator

HEADER: Final = struct.Struct(">II")
"""Bytes of the JSON, and bytes of the payload."""

MOST_JSON: Final = 8 * 1024**2
"""Bytes of JSON that one message may have."""

MOST_PAYLOAD: Final = 2 * 1024**3
"""Bytes of payload that one message may have: the index of the longest film that is read takes half of it."""

CHUNK: Final = 1 << 16
LARGE_CHUNK: Final = 1 << 22
"""Bytes that are read at once, at least and at most."""


class Message(NamedTuple):
    """A message, and the bytes that follow it."""

    body: Any
    """Any value that JSON can hold."""
    payload: bytes = b""


class Channel:
    """One end of a worker's socket. One thread may send while another receives."""

    def __init__(self, end: socket.socket, most: int = MOST_PAYLOAD) -> None:
        """Use one end of a connected pair of blocking stream sockets; take payloads of so many bytes at most."""
        self._socket = end
        self._most = most
        self._begun = bytearray()
        """Bytes of messages that have not arrived whole."""

    def fileno(self) -> int:
        """Return its descriptor, to wait for; -1 when it is closed."""
        return self._socket.fileno()

    def send(self, body: Any, *payload: bytes | memoryview) -> None:
        """Send a message; the parts of its payload arrive as one.

        Raises:
            OSError: the other side is gone.
        """
        data = json.dumps(body).encode()
        self._socket.sendall(HEADER.pack(len(data), sum(map(len, payload))) + data)
        for part in filter(len, payload):  # sending nothing fails when the other side has everything, and has gone
            self._socket.sendall(part)

    def receive(self, timeout: float | None = None) -> Message:
        """Wait for a message, and return it when all of it is there.

        Raises:
            TimeoutError: it took more than ``timeout`` seconds.
            EOFError: the other side is gone.
            ValueError: the bytes that came are not a message.
            OSError: the socket was closed on this side.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while (message := self._whole()) is None:
            if deadline is not None:
                self._wait(deadline)
            self.read()
        return message

    def read(self) -> None:
        """Read the bytes that have come; wait for the first of them.

        Raises:
            EOFError: the other side is gone.
            OSError: the socket was closed on this side.
        """
        # All that is missing of a large payload at once.
        data = self._socket.recv(max(CHUNK, min(self._missing(), LARGE_CHUNK)))
        if not data:
            raise EOFError("the other side is gone")
        self._begun += data

    def messages(self) -> Iterator[Message]:
        """Yield the messages that have come whole.

        Raises:
            ValueError: the bytes that came are not a message.
        """
        while (message := self._whole()) is not None:
            yield message

    def close(self) -> None:
        """Close the socket. Both the other side and a thread that receives on this side get EOFError or OSError."""
        with self._socket:
            try:
                self._socket.shutdown(2)
            except OSError:
                return  # the other side is gone

    def _missing(self) -> int:
        """Return how many bytes the message that has begun lacks; zero where that is not known."""
        if len(self._begun) < HEADER.size:
            return 0
        length, follows = HEADER.unpack_from(self._begun)
        return max(0, HEADER.size + int(length) + int(follows) - len(self._begun))

    def _whole(self) -> Message | None:
        """Take the first message out of the bytes that were read, if it is whole."""
        if len(self._begun) < HEADER.size:
            return None
        length, follows = HEADER.unpack_from(self._begun)
        if length > MOST_JSON or follows > self._most:
            raise ValueError(f"a message of {length + follows} bytes is larger than any real one")
        body, end = HEADER.size + length, HEADER.size + length + follows
        if len(self._begun) < end:
            return None
        with memoryview(self._begun) as begun:
            message = Message(json.loads(bytes(begun[HEADER.size : body])), bytes(begun[body:end]))
        del self._begun[:end]
        return message

    def _wait(self, deadline: float) -> None:
        """Wait until something can be read. Not by the socket's own timeout, which would hold for sending too."""
        readable = select.poll()
        readable.register(self._socket, select.POLLIN)
        if not readable.poll(max(0.0, deadline - time.monotonic()) * 1000):
            raise TimeoutError
