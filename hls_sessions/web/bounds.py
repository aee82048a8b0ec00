"""How much a request may bring: whoever sends more is refused before it is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hls_sessions.web.problems import BodyTooLarge

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

MOST: Final = 256 * 1024
"""Bytes of a body: a snapshot with long paths takes some 20 KiB, and nothing that is asked is longer."""


class BodyBounded:
    """ASGI middleware that refuses with 413 a body that is too large, as soon as that is known."""

    def __init__(self, app: ASGIApp, most: int = MOST) -> None:
        self._app = app
        self._most = most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, and count what is read of it."""
        brought = 0

        async def counted() -> Message:
            nonlocal brought
            message = await receive()
            brought += len(message.get("body", b""))
            if brought > self._most:
                raise BodyTooLarge(self._most)
            return message

        await self._app(scope, counted, send)
