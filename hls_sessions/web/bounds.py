"""The longest body of a request. A longer one is refused before it is kept in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hls_sessions.web.problems import BodyTooLarge

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

MOST: Final = 256 * 1024
"""Bytes of a body: the longest one is a snapshot with long paths, some 20 KiB."""


class BodyBounded:
    """ASGI middleware that refuses a body that is too large with 413, as soon as that is known."""

    def __init__(self, app: ASGIApp, most: int = MOST) -> None:
        self._app = app
        self._most = most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and count the bytes that are read of it."""
        brought = 0

        async def counted() -> Message:
            nonlocal brought
            message = await receive()
            brought += len(message.get("body", b""))
            if brought > self._most:
                raise BodyTooLarge(self._most)
            return message

        await self._app(scope, counted, send)
