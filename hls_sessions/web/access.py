"""Who may ask what: with a token set, everything but the media routes and the player needs it."""

from __future__ import annotations

import hmac
import re
from ipaddress import ip_address
from typing import TYPE_CHECKING

from hls_sessions.web.problems import Problem

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

OPEN = re.compile(
    r"/(watch|static|problems)/|/health$"
    r"|/sessions/[^/]+/(.+/)?[^/]+\.(m3u8|mp4|m4s|vtt)$|/sessions/[^/]+/(heartbeat|events)$"
)
"""Paths that an unguessable session id, or nothing, protects. The player page sends heartbeats, and an EventSource
cannot send a token."""


class TokenRequired:
    """ASGI middleware that answers 401 to whoever does not bring the token as ``Authorization: Bearer``."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app = app
        self._expected = f"Bearer {token}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or refuse it."""
        if scope["type"] == "http" and not OPEN.match(_own_path(scope)) and not self._knows(scope):
            refusal = Problem(401, "token-required", "This needs the daemon's token as a bearer token.")
            refusal.headers["WWW-Authenticate"] = "Bearer"
            await refusal(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _knows(self, scope: Scope) -> bool:
        given = dict(scope["headers"]).get(b"authorization", b"")
        return hmac.compare_digest(given, self._expected)


def _own_path(scope: Scope) -> str:
    """Return a request's path as this app's routes see it, also where the app is mounted under a prefix."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", ""))


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a listening address."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"
