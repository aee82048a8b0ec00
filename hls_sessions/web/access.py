"""Access: who may ask what.

With tokens set, a request needs one of them, but for those that anybody may ask for, and for those of one session, for
which its id or a viewing link suffices. Without one, a request must be made under one of this machine's own names, and
not by a page of another site. A media server that mounts the app decides by its own accounts, in ``authorize``.
"""

from __future__ import annotations

import inspect
import logging
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.routing import Match

from hls_sessions.errors import SessionError
from hls_sessions.web.disclosure import VIEWER
from hls_sessions.web.finding import found
from hls_sessions.web.login import SAFE, Logins, is_of_own_site
from hls_sessions.web.problems import Problem
from hls_sessions.web.rates import Rates
from hls_sessions.web.tokens import Right

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Sequence

    from starlette.routing import BaseRoute
    from starlette.types import ASGIApp, Receive, Scope, Send

    from hls_sessions.session import Session
    from hls_sessions.supervisor import Supervisor
    from hls_sessions.web.links import Link, Links

    Authorize: TypeAlias = "Callable[[Request, Wanted], bool | Awaitable[bool]]"
    """A media server's decision whether a request may do what it wants."""

    Trusts: TypeAlias = Callable[[Scope], bool]

audit = logging.getLogger("hls_sessions.audit")

LINK: Final = "hls_sessions.link"
"""The key in a request's scope of the viewing link by which it came, as it stood in its path."""

MOST_REFUSED: Final = 20
"""Wrong tokens that one address may try in a minute; then it is told to wait, unless it has a right one."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a request wants to do."""

    action: Literal["open", "watch", "operate"]
    """``open``: a session of a file or a recording; ``watch``: what a viewer does in one session; ``operate``: the
    rest, which is for operators."""
    session: Session | None = None
    """The session that is to be watched; None if there is none of that id."""
    media: str | None = None
    """The file that is to be opened, as it is named in the request, or the id of the recording."""
    user: str | None = None
    """For whom it is to be opened, as the request says."""


class Guard:
    """ASGI middleware that answers every request for which the caller lacks the right, and writes a line for each.

    A caller that may only watch is marked as a viewer. The open routes must come first in the app, because a request is
    judged by the route that takes it. A path that no route takes needs an operator's right.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        supervisor: Supervisor,
        logins: Logins | None,
        links: Links,
        open_routes: Sequence[BaseRoute],
        viewer_routes: Sequence[BaseRoute],
        links_required: bool,
        authorize: Authorize | None,
        trusts: Trusts | None = None,
    ) -> None:
        """Judge requests.

        Args:
            app: answers those that are let through.
            supervisor: knows the sessions.
            logins: knows the tokens; None where there are none.
            links: knows the viewing links.
            open_routes: need no token: those of a session, because its id is a secret, and those for anybody.
            viewer_routes: need the right to watch; all others that of an operator.
            links_required: whether a session's id alone is not enough.
            authorize: is asked about every request that is not for anybody, after all else.
            trusts: says whether another node of the cluster asks, which has judged the request already.
        """
        self._app = app
        self._supervisor = supervisor
        self._logins = logins
        self._links = links
        self._open_routes = open_routes
        self._viewer_routes = viewer_routes
        self._links_required = links_required
        self._authorize = authorize
        self._trusts = trusts
        self._refusals = Rates()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or refuse it."""
        if scope["type"] == "http" and not (self._trusts is not None and self._trusts(scope)):
            scope, link = self._without_link(scope)
            refusal = self._refusal(scope, link) or await self._refused_by_host(scope)
            if refusal is not None:
                write_down(scope, refusal)
                await refusal(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _without_link(self, scope: Scope) -> tuple[Scope, Link | None]:
        """Return a request with the session's id where a viewing link of ours was, and the link."""
        parts = scope["path"].split("/")
        for place, part in enumerate(parts):
            if (link := self._links.read(part)) is not None:
                parts[place] = link.session_id
                return {**scope, "path": "/".join(parts), LINK: part}, link
        return scope, None

    def _refusal(self, scope: Scope, link: Link | None) -> Problem | None:
        if link is not None and not self._links.is_good(link):
            return Problem(410, "link-over", "This link has expired, or was revoked.")
        if self._logins is None:
            return None
        right = self._logins.right_of(scope)
        if right < Right.OPERATE:
            scope[VIEWER] = True
        is_open, session_id = _opens(scope, self._open_routes)
        if is_open:
            suffices = session_id is None or not self._links_required or link is not None or right >= Right.WATCH
            missing = "The id of a session does not suffice here: a viewing link does."
            return None if suffices else Problem(403, "link-required", missing)
        if right >= (Right.WATCH if takes(scope, self._viewer_routes) else Right.OPERATE):
            return None
        if right > Right.NOTHING:
            return Problem(403, "right-missing", "The token gives the right to watch, and this is for operators.")
        return self._wants_token(scope)

    def _wants_token(self, scope: Scope) -> Problem:
        """Refuse a request without a token. An address that tries many wrong ones has to wait."""
        client = (scope.get("client") or ("", 0))[0]
        if "authorization" in Headers(scope=scope) and (wait := self._refusals.take(client, MOST_REFUSED)):
            many = "Too many wrong tokens have come from this address."
            return Problem(429, "too-many-refusals", many, retry_after=wait)
        refusal = Problem(401, "token-required", "This needs one of the daemon's tokens as a bearer token.")
        refusal.headers["WWW-Authenticate"] = "Bearer"
        return refusal

    async def _refused_by_host(self, scope: Scope) -> Problem | None:
        if self._authorize is None:
            return None
        is_for_viewers, session_id = _opens(scope, (*self._open_routes, *self._viewer_routes))
        if not is_for_viewers:
            return await judged(self._authorize, Request(scope), Wanted("operate"))
        if session_id is None:
            if takes(scope, self._viewer_routes):  # a session is to be opened: which one is known when the body is read
                scope[VIEWER] = True
            return None
        scope[VIEWER] = True
        session = None
        with suppress(SessionError):
            session = await found(self._supervisor, session_id)
        return await judged(self._authorize, Request(scope), Wanted("watch", session))


async def judged(authorize: Authorize | None, request: Request, wanted: Wanted) -> Problem | None:
    """Return the refusal of a media server; None if it lets a request do what it wants."""
    if authorize is None:
        return None
    decision = authorize(request, wanted)
    if inspect.isawaitable(decision):
        decision = await decision
    return None if decision else Problem(403, "forbidden", f"This account may not {wanted.action} that.")


def place_of(request: Request, session_id: str) -> str:
    """Return what stands for a session in addresses that its viewer gets: its id, or a viewing link."""
    if (came_by := request.scope.get(LINK)) is not None:
        return str(came_by)
    links: Links | None = request.app.state.required_links
    if links is None:
        return session_id
    return links.issue(session_id, request.app.state.supervisor.settings.link_ttl)[0]


class Refused(Exception):
    """A request is refused within its handler; carries the answer."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        super().__init__(problem.kind)


class OwnSiteOnly:
    """ASGI middleware for a daemon without a token, which answers nothing that another site's page has a browser ask.

    A page of another site may have its name resolve to a loopback address (DNS rebinding). Its browser then asks this
    daemon as if it were that site's server, but still sends the name as Host: 400. And a page may post a form, or a
    body without a type, to any address: what changes something is answered with 403 if it comes from another site. That
    is judged as Go's ``net/http.CrossOriginProtection`` does: by Sec-Fetch-Site where the browser sends it, else by
    whether Origin is the Host. Programs send neither. The open routes ask for a session's id instead.
    """

    def __init__(
        self,
        app: ASGIApp,
        hosts: Collection[str],
        open_routes: Sequence[BaseRoute],
        trusts: Trusts | None = None,
    ) -> None:
        """Answer requests under these names: host names, or addresses as in a URL, without a port.

        ``trusts`` says whether another node of the cluster asks, which has judged the request already.
        """
        self._trusts = trusts
        self._app = app
        self._hosts = {host.lower() for host in hosts}
        self._open_routes = open_routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or refuse it."""
        refusal = self._refusal(scope) if scope["type"] == "http" else None
        if refusal is not None:
            write_down(scope, refusal)
        await (refusal or self._app)(scope, receive, send)

    def _refusal(self, scope: Scope) -> Problem | None:
        if self._trusts is not None and self._trusts(scope):
            return None
        headers = Headers(scope=scope)
        hosts = headers.getlist("host")
        if len(hosts) != 1 or _without_port(hosts[0]) not in self._hosts:
            return Problem(400, "host-refused", "A daemon without a token is asked under the names of loopback only.")
        if scope["method"] in SAFE or is_of_own_site(headers) or takes(scope, self._open_routes):
            return None
        return Problem(403, "cross-site-request", "A page of another site may change nothing here.")


def takes(scope: Scope, routes: Sequence[BaseRoute]) -> bool:
    """Whether one of these routes takes a request."""
    return any(route.matches(scope)[0] is Match.FULL for route in routes)


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach a listening address."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def _opens(scope: Scope, routes: Sequence[BaseRoute]) -> tuple[bool, str | None]:
    """Return whether one of these routes takes a request, and the session that it names."""
    for route in routes:
        match, more = route.matches(scope)
        if match is Match.FULL:
            return True, more["path_params"].get("session_id")
    return False, None


def write_down(scope: Scope, refusal: Problem) -> None:
    """Write a line of a refusal. The path may hold the id of a session, which is a secret: it is cut short."""
    path = "/".join(part if len(part) <= LONGEST_PART else f"{part[:SHOWN]}…" for part in scope["path"].split("/"))
    client = (scope.get("client") or ("unknown", 0))[0]
    audit.warning(
        "refused %s %s from %s: %s (%d)",
        *(scope["method"], path, client, refusal.kind, refusal.status_code),
        extra={"client": client, "reason": refusal.kind},
    )


LONGEST_PART: Final = 24
"""Characters of a part of a path that are written down; an id has more."""

SHOWN: Final = 8


def _without_port(host: str) -> str:
    """Return the name or address of a Host header, in lower case; nothing for one that is malformed."""
    name, colon, port = host.lower().rpartition(":")
    if not colon or host.endswith("]"):
        return host.lower()
    return name if not port or (port.isascii() and port.isdecimal()) else ""
