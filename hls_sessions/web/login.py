"""The login of a browser: the token is given once, and a cookie stands for it.

No script can read the cookie (HttpOnly), and no page of another site can have a browser send it (SameSite). It holds
the time until it is valid and a keyed digest of it, so it outlives the daemon and ends with the token.
"""

from __future__ import annotations

import asyncio
import hmac
import time
from typing import TYPE_CHECKING, Final, Literal, TypedDict

from pydantic import BaseModel, Field, ValidationError
from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.responses import Response
from starlette.routing import Route

from hls_sessions.web.answers import Answer
from hls_sessions.web.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request
    from starlette.types import Scope

COOKIE: Final = "hls_sessions_login"

VALID: Final = 7 * 24 * 3600
"""Seconds that a login lasts."""

REFUSAL: Final = 0.5
"""Seconds that a wrong token costs, so that guessing takes long."""

SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
"""The methods that change nothing (RFC 9110, 9.2.1)."""


class Credentials(BaseModel):
    """The token."""

    token: str = Field(min_length=1, max_length=4096)


class Logins:
    """Issues cookies for a token, and knows them again."""

    def __init__(self, token: str, now: Callable[[], float] = time.time) -> None:
        """Issue cookies that are worth ``token``; ``now`` is in seconds since the epoch."""
        self._token = token.encode()
        self._now = now
        self.name = f"{COOKIE}_{self._digest('name')[:8]}"
        """The cookie's name. Cookies know no ports: two daemons of one machine would log each other's browsers out."""

    def accepts(self, scope: Scope) -> bool:
        """Whether a request brings the token, or a cookie that stands for it.

        A request with a cookie that changes something must come from a page of this very site.
        """
        headers = Headers(scope=scope)
        if _same(headers.get("authorization", "").encode("latin-1"), b"Bearer " + self._token):
            return True
        cookie = cookie_parser(headers.get("cookie", "")).get(self.name, "")
        return self._is_valid(cookie) and (scope["method"] in SAFE or is_of_own_site(headers))

    def knows(self, token: str) -> bool:
        """Whether this is the token. Takes as long for any."""
        return _same(token.encode(), self._token)

    def cookie(self) -> str:
        """Return the value of a new cookie."""
        until = str(int(self._now()) + VALID)
        return f"{until}.{self._digest(until)}"

    def _is_valid(self, cookie: str) -> bool:
        until, _, digest = cookie.partition(".")
        is_ours = _same(digest.encode(), self._digest(until).encode())
        return is_ours and int(until) > self._now()

    def _digest(self, until: str) -> str:
        return hmac.digest(self._token, f"{COOKIE} {until}".encode(), "sha256").hex()


def is_of_own_site(headers: Headers) -> bool:
    """Whether no page of another site has made a browser send a request; programs are no browsers."""
    if (site := headers.get("sec-fetch-site")) is not None:
        return site in {"same-origin", "none"}
    origin = headers.get("origin")
    return origin is None or origin.partition("://")[2] == headers.get("host")


async def state(request: Request) -> Response:
    """Answer whether a login is needed here, and whether this browser has one."""
    logins: Logins | None = request.app.state.logins
    return Answer({"is_needed": logins is not None, "is_done": logins is not None and logins.accepts(request.scope)})


async def log_in(request: Request) -> Response:
    """Give a browser the cookie for the token; 403 for another token, 404 where none is needed."""
    logins: Logins | None = request.app.state.logins
    if not is_of_own_site(request.headers):
        return _of_another_site()
    if logins is None:
        return Problem(404, "not-found", "This daemon has no token: no login is needed.")
    try:
        given = Credentials.model_validate_json(await request.body())
    except ValidationError:
        return Problem(422, "malformed-request", "A login is a JSON object with the token.")
    if not logins.knows(given.token):
        await asyncio.sleep(REFUSAL)
        return Problem(403, "token-wrong", "That is not the token of this daemon.")
    response = Response(status_code=204)
    response.set_cookie(logins.name, logins.cookie(), max_age=VALID, **_scope_of(request))
    return response


async def log_out(request: Request) -> Response:
    """Take the cookie away."""
    logins: Logins | None = request.app.state.logins
    if not is_of_own_site(request.headers):
        return _of_another_site()
    response = Response(status_code=204)
    if logins is not None:
        response.delete_cookie(logins.name, **_scope_of(request))
    return response


def _of_another_site() -> Problem:
    return Problem(403, "cross-site-request", "A page of another site may log nobody in or out.")


def _scope_of(request: Request) -> _CookieScope:
    path = request.scope.get("root_path", "") or "/"
    return {"path": path, "secure": request.url.scheme == "https", "httponly": True, "samesite": "strict"}


class _CookieScope(TypedDict):
    path: str
    secure: bool
    httponly: bool
    samesite: Literal["strict"]


def _same(given: bytes, known: bytes) -> bool:
    return hmac.compare_digest(given, known)


open_routes = [
    Route("/login", state),
    Route("/login", log_in, methods=["POST"]),
    Route("/logout", log_out, methods=["POST"]),
]
"""Open without a token, because that is what they are for."""
