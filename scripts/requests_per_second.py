"""A client that asks for one small answer over and over: so cheap that the server is measured, and not the client."""

from __future__ import annotations

import selectors
import socket
import time
from typing import Final
from urllib.parse import urlsplit

CONNECTIONS: Final = 16
"""Kept alive, each with one request under way."""

REQUESTS: Final = 10_000


def requests_per_second(url: str, method: str = "GET", count: int = REQUESTS) -> float:
    """Return how many requests a second a server answers.

    Raises:
        ValueError: an answer is no good one.
    """
    where = urlsplit(url)
    length = "" if method == "GET" else "Content-Length: 0\r\n"
    request = (
        f"{method} {where.path} HTTP/1.1\r\nHost: {where.netloc}\r\nAccept-Encoding: gzip\r\n{length}\r\n".encode()
    )
    connections = [_Connection((where.hostname or "", where.port or 80), request) for _ in range(CONNECTIONS)]
    waiting = selectors.DefaultSelector()
    begun = time.monotonic()
    for connection in connections:
        waiting.register(connection.socket, selectors.EVENT_READ, connection)
        connection.ask()
    answered = 0
    while answered < count:
        for key, _ in waiting.select():
            if key.data.is_answered():
                answered += 1
                key.data.ask()
    took = time.monotonic() - begun
    for connection in connections:
        connection.socket.close()
    waiting.close()
    return answered / took


class _Connection:
    """One connection, and the answer that arrives on it."""

    def __init__(self, address: tuple[str, int], request: bytes) -> None:
        self.socket = socket.create_connection(address)
        self._request = request
        self._arrived = b""

    def ask(self) -> None:
        """Send the request."""
        self._arrived = b""
        self.socket.sendall(self._request)

    def is_answered(self) -> bool:
        """Read what has arrived; return whether the answer is whole."""
        self._arrived += self.socket.recv(1 << 18)
        head, end, body = self._arrived.partition(b"\r\n\r\n")
        if not end:
            return False
        if not head.startswith(b"HTTP/1.1 2"):
            raise ValueError(head.decode("latin-1"))
        _, _, length = head.lower().partition(b"content-length:")
        return len(body) >= int(length.split(b"\r\n", 1)[0] or 0)
