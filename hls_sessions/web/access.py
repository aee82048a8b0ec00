"""Access: who may ask what.

With a token set, a request needs it unless an open route takes the request. Without one, a request must be made under
one of this machine's own names, and not by a page of another site.
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING

from starlette.datastructures import Headers
from starlette.routing import Match

from hls_sessions.web.disclosure import VIEWER
from hls_sessions.web.login import SAFE, is_of_own_site
from hls_sessions.web.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from starlette.routing import BaseRoute
    from starlette.types import ASGIApp, Receive, Scope, Send

    from hls_sessions.web.login import Logins


class TokenRequired:
    """ASGI middleware that answers 401 to a request without the token, which is a bearer token or a login's cookie.

    The open routes need no token. A caller that uses one without the token is marked as a viewer. They must come first
    in the app, because a request is judged by the route that takes it. A path that no route takes needs the token too.
    """

    def __init__(self, app: ASGIApp, logins: Logins, open_routes: Sequence[BaseRoute]) -> None:
        self._app = app
        self._logins = logins
        self._open_routes = open_routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or refuse it."""
        if scope["type"] == "http" and not self._logins.accepts(scope):
            if not is_open(scope, self._open_routes):
                refusal = Problem(401, "token-required", "This needs the daemon's token as a bearer token.")
                refusal.headers["WWW-Authenticate"] = "Bearer"
                await refusal(scope, receive, send)
                return
            scope[VIEWER] = True
        await self._app(scope, receive, send)


class OwnSiteOnly:
    """ASGI middleware for a daemon without a token, which answers nothing that another site's page has a browser ask.

    A page of another site may have its name resolve to a loopback address (DNS rebinding). Its browser then asks this
    daemon as if it were that site's server, but still sends the name as Host: 400. And a page may post a form, or a
    body without a type, to any address: what changes something is answered with 403 if it comes from another site. That
    is judged as Go's ``net/http.CrossOriginProtection`` does: by Sec-Fetch-Site where the browser sends it, else by
    whether Origin is the Host. Programs send neither. The open routes ask for a session's id instead.
    """

    def __init__(self, app: ASGIApp, hosts: Collection[str], open_routes: Sequence[BaseRoute]) -> None:
        """Answer requests under these names: host names, or addresses as in a URL, without a port."""
        self._app = app
        self._hosts = {host.lower() for host in hosts}
        self._open_routes = open_routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or refuse it."""
        refusal = self._refusal(scope) if scope["type"] == "http" else None
        await (refusal or self._app)(scope, receive, send)

    def _refusal(self, scope: Scope) -> Problem | None:
        headers = Headers(scope=scope)
        hosts = headers.getlist("host")
        if len(hosts) != 1 or _without_port(hosts[0]) not in self._hosts:
            return Problem(400, "host-refused", "A daemon without a token is asked under the names of loopback only.")
        if scope["method"] in SAFE or is_of_own_site(headers) or is_open(scope, self._open_routes):
            return None
        return Problem(403, "cross-site-request", "A page of another site may change nothing here.")


def is_open(scope: Scope, open_routes: Sequence[BaseRoute]) -> bool:
    """Whether one of the open routes takes a request."""
    return any(route.matches(scope)[0] is Match.FULL for route in open_routes)


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach a listening address."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def _without_port(host: str) -> str:
    """Return the name or address of a Host header, in lower case; nothing for one that is malformed."""
    name, colon, port = host.lower().rpartition(":")
    if not colon or host.endswith("]"):
        return host.lower()
    return name if not port or (port.isascii() and port.isdecimal()) else ""
