"""Access: with a token set, a request needs it unless an open route takes the request."""

from __future__ import annotations

import hmac
from ipaddress import ip_address
from typing import TYPE_CHECKING

from starlette.routing import Match

from hls_sessions.web.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.routing import BaseRoute
    from starlette.types import ASGIApp, Receive, Scope, Send


class TokenRequired:
    """ASGI middleware that answers 401 to a request without the token as ``Authorization: Bearer``.

    The open routes need no token. They must come first in the app, because a request is judged by the route that takes
    it. A path that no route takes needs the token too.
    """

    def __init__(self, app: ASGIApp, token: str, open_routes: Sequence[BaseRoute]) -> None:
        self._app = app
        self._expected = f"Bearer {token}".encode()
        self._open_routes = open_routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or refuse it."""
        if scope["type"] == "http" and not self._is_open(scope) and not self._knows(scope):
            refusal = Problem(401, "token-required", "This needs the daemon's token as a bearer token.")
            refusal.headers["WWW-Authenticate"] = "Bearer"
            await refusal(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _is_open(self, scope: Scope) -> bool:
        return any(route.matches(scope)[0] is Match.FULL for route in self._open_routes)

    def _knows(self, scope: Scope) -> bool:
        given = dict(scope["headers"]).get(b"authorization", b"")
        return hmac.compare_digest(given, self._expected)


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach a listening address."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"
