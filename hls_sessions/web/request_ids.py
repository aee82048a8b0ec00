"""The name of each request: it is in the answer, in all lines of the log that the request causes, and may be given."""

from __future__ import annotations

import re
import secrets
from typing import TYPE_CHECKING, Final

from starlette.datastructures import Headers, MutableHeaders

from hls_sessions.otp import on_behalf_of

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADER: Final = "X-Request-ID"
"""The header by which proxies name requests, nginx's ``$request_id`` among them."""

FORM: Final = re.compile(r"[\w.:-]{1,64}", re.ASCII)
"""A name that is taken over. Any other is replaced, because it will be in the log."""


class RequestIds:
    """ASGI middleware that names each request."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and name it in its answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get(HEADER, "")
        name = given if FORM.fullmatch(given) else secrets.token_hex(8)

        async def named(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(raw=message["headers"]).append(HEADER, name)
            await send(message)

        with on_behalf_of(name):
            await self._app(scope, receive, named)
