"""Media routes for pages of any origin (Fetch, 3.2): a player on another site may read every answer, errors too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.routing import Match

from hls_sessions.web import problems

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from starlette.routing import BaseRoute
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

# Knowing a session's id is the right to watch, from any page.
READABLE: Final = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": (
        "Segment-Impossible, Segment-Empty, Retry-After, Link, ETag, Accept-Ranges, Content-Range, Content-Length, "
        "Date, X-Request-ID"
    ),
}
METHODS: Final = "GET, HEAD, OPTIONS"
PREFLIGHT: Final = {
    "Allow": METHODS,
    "Access-Control-Allow-Methods": METHODS,
    "Access-Control-Allow-Headers": "*, Authorization",
    "Access-Control-Max-Age": "86400",
}
"""The answer to OPTIONS. The wildcard does not cover ``Authorization``, which some players send to all addresses."""


WRITABLE: Final = {
    "Allow": f"{METHODS}, POST, PUT, PATCH, DELETE",
    "Access-Control-Allow-Methods": f"{METHODS}, POST, PUT, PATCH, DELETE",
    "Access-Control-Allow-Headers": "Authorization, Content-Type, If-Range, Range",
}
"""What is other for the routes that a site may use that is named."""


class CrossOrigin:
    """ASGI middleware that has browsers hand every answer of the given routes to the page that asked.

    A player that cannot read an error takes the server for one that cannot be reached. OPTIONS is answered here,
    because browsers send it without any token.
    """

    def __init__(self, app: ASGIApp, routes: Sequence[BaseRoute], origins: Collection[str]) -> None:
        """Open routes to these origins; ``*`` for any. The other routes are open to those alone that are named."""
        self._app = app
        self._routes = routes
        self._origins = frozenset(origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and add the headers to its answer."""
        headers = self._headers(scope) if scope["type"] == "http" else {}
        if not headers:
            await self._app(scope, receive, send)
            return
        begun = False

        async def readable(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                MutableHeaders(raw=message["headers"]).update(headers)
            await send(message)

        if scope["method"] == "OPTIONS":
            allowed = PREFLIGHT if self._is_media(scope) else PREFLIGHT | WRITABLE
            await Response(status_code=204, headers=allowed)(scope, receive, readable)
            return
        try:
            await self._app(scope, receive, readable)
        except Exception:
            # Starlette answers a fault outside all middleware, where these headers would be missing.
            if not begun:
                await problems.fault()(scope, receive, readable)
            raise

    def _headers(self, scope: Any) -> dict[str, str]:
        """Return what an answer has more for the page that asks; nothing where it may not read it."""
        origin = Headers(scope=scope).get("origin")
        if origin is not None and origin in self._origins:
            return READABLE | {"Access-Control-Allow-Origin": origin, "Vary": "Origin"}
        return READABLE if "*" in self._origins and self._is_media(scope) else {}

    def _is_media(self, scope: Any) -> bool:
        return any(route.matches(scope)[0] is not Match.NONE for route in self._routes)
