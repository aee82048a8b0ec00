"""The longest body of a request. A longer one is refused before it is kept in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from starlette.routing import Match

from hls_sessions.web.problems import BodyTooLarge

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.routing import BaseRoute
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

MOST: Final = 256 * 1024
"""Bytes of a body: the longest one is a snapshot with long paths, some 20 KiB."""

WITHOUT_BODY: Final = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods of which no route reads a body."""


class BodyBounded:
    """ASGI middleware that refuses a body that is too large with 413, as soon as that is known."""

    def __init__(self, app: ASGIApp, unbounded: Sequence[BaseRoute] = (), most: int = MOST) -> None:
        """Bound all bodies, but not those of some routes, which keep nothing of them in memory."""
        self._app = app
        self._unbounded = unbounded
        self._most = most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and count the bytes that are read of it."""
        if scope.get("method") in WITHOUT_BODY or any(
            route.matches(scope)[0] is Match.FULL for route in self._unbounded
        ):
            await self._app(scope, receive, send)
            return
        brought = 0

        async def counted() -> Message:
            nonlocal brought
            message = await receive()
            brought += len(message.get("body", b""))
            if brought > self._most:
                raise BodyTooLarge(self._most)
            return message

        await self._app(scope, counted, send)
