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
from hls_sessions.web.tokens import Right

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request
    from starlette.types import Scope

    from hls_sessions.web.tokens import Tokens

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
    """Issues cookies for tokens of operators, and knows them again."""

    def __init__(self, tokens: Tokens, now: Callable[[], float] = time.time) -> None:
        """Issue cookies, each worth one of ``tokens``; ``now`` is in seconds since the epoch."""
        self._tokens = tokens
        self._now = now

    def right_of(self, scope: Scope) -> Right:
        """Return the right that a request brings: by a token, or by a cookie that stands for one.

        A request with a cookie that changes something must come from a page of this very site.
        """
        headers = Headers(scope=scope)
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and (right := self._tokens.right_of(token.encode("latin-1"))):
            return right
        cookies = cookie_parser(headers.get("cookie", ""))
        known = any(self._is_valid(name, cookie) for name, cookie in cookies.items())
        return Right.OPERATE if known and (scope["method"] in SAFE or is_of_own_site(headers)) else Right.NOTHING

    def knows(self, token: str) -> bool:
        """Whether this is an operator's token. Takes as long for any."""
        return self._tokens.right_of(token.encode()) is Right.OPERATE

    def cookie(self, token: str) -> tuple[str, str]:
        """Return the name and the value of a new cookie for a token.

        Cookies know no ports: with one name for all, two daemons of one machine would log each other's browsers out.
        """
        until = str(int(self._now()) + VALID)
        return _name(token.encode()), f"{until}.{_digest(token.encode(), until)}"

    def names(self) -> list[str]:
        """Return the names of all cookies that may stand for a token here."""
        return [_name(token) for token, _ in self._tokens.all()]

    def _is_valid(self, name: str, cookie: str) -> bool:
        until, _, digest = cookie.partition(".")
        for token, right in self._tokens.all():
            if right is Right.OPERATE and name == _name(token) and _same(digest, _digest(token, until)):
                return int(until) > self._now()
        return False


def _name(token: bytes) -> str:
    return f"{COOKIE}_{_digest(token, 'name')[:8]}"


def _digest(token: bytes, text: str) -> str:
    return hmac.digest(token, f"{COOKIE} {text}".encode(), "sha256").hex()


def is_of_own_site(headers: Headers) -> bool:
    """Whether no page of another site has made a browser send a request; programs are no browsers."""
    if (site := headers.get("sec-fetch-site")) is not None:
        return site in {"same-origin", "none"}
    origin = headers.get("origin")
    return origin is None or origin.partition("://")[2] == headers.get("host")


async def state(request: Request) -> Response:
    """Answer whether a login is needed here, and whether this browser has one."""
    logins: Logins | None = request.app.state.logins
    is_done = logins is not None and logins.right_of(request.scope) is Right.OPERATE
    return Answer({"is_needed": logins is not None, "is_done": is_done})


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
    name, value = logins.cookie(given.token)
    response.set_cookie(name, value, max_age=VALID, **_scope_of(request))
    return response


async def log_out(request: Request) -> Response:
    """Take the cookie away."""
    logins: Logins | None = request.app.state.logins
    if not is_of_own_site(request.headers):
        return _of_another_site()
    response = Response(status_code=204)
    for name in () if logins is None else logins.names():
        response.delete_cookie(name, **_scope_of(request))
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


def _same(given: str, known: str) -> bool:
    return hmac.compare_digest(given.encode(), known.encode())


open_routes = [
    Route("/login", state),
    Route("/login", log_in, methods=["POST"]),
    Route("/logout", log_out, methods=["POST"]),
]
"""Open without a token, because that is what they are for."""
