"""How a request is handed to another node: its headers and target, and the answer that comes back."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from hls_sessions.cluster.asgi import Captured, answer, left
from hls_sessions.cluster.messages import Taken
from hls_sessions.cluster.peers import HOP_BY_HOP, Silent
from hls_sessions.cluster.wire import spell
from hls_sessions.web import VIEWER

if TYPE_CHECKING:
    from hls_sessions.cluster.asgi import Receive, Scope, Send
    from hls_sessions.cluster.claims import Claim
    from hls_sessions.cluster.peers import Reply

VIEWER_HEADER: Final = b"hls-viewer"
"""Says that a request that is passed on comes from a viewer, because a viewer is told less than an operator."""

NOT_MINE: Final = 421
"""Misdirected Request (RFC 9110, 15.5.20): a node does not own the session; the body says whose it is."""

SOON: Final = 0.1
"""Seconds to wait before also listening whether the client has left."""

NOT_PASSED_ON: Final = HOP_BY_HOP | {b"content-length"}

ADDED_HERE: Final = (b"access-control-", b"x-request-id", b"server", b"date")
"""The beginnings of the names of headers that this node gives every answer itself."""


class ClientLeft(Exception):
    """The client has left."""


class UnlessLeft:
    """Leaves its block with ``ClientLeft`` when the client has left."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._has_left = False

    async def __aenter__(self) -> None:
        loop, self._waiter = asyncio.get_running_loop(), asyncio.current_task()
        self._listening: asyncio.Task[None] | None = None
        self._soon = loop.call_later(SOON, self._listen)

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._soon.cancel()
        if self._listening is not None:
            self._listening.cancel()
        if kind is asyncio.CancelledError and self._has_left and self._waiter is not None:
            self._waiter.uncancel()
            raise ClientLeft

    def _listen(self) -> None:
        self._listening = asyncio.create_task(self._leave())

    async def _leave(self) -> None:
        await left(self._receive)
        self._has_left = True
        if self._waiter is not None:
            self._waiter.cancel()


def as_told(scope: Scope) -> Scope:
    """Return the scope of a request that another node passes on, with what that node knows of the caller."""
    if any(name == VIEWER_HEADER for name, _ in scope["headers"]):
        return {**scope, VIEWER: True}
    return scope


def headers_of(scope: Scope) -> list[tuple[bytes, bytes]]:
    """Return the headers with which a request is passed on."""
    kept = [(name, value) for name, value in scope["headers"] if name not in NOT_PASSED_ON]
    return [*kept, (VIEWER_HEADER, b"1")] if VIEWER in scope else kept


def target(scope: Scope) -> str:
    """Return the path and query of a request, as they are sent. A viewing link in it has become the session's id."""
    path, query = quote(scope["path"], safe="/:@!$&'()*+,;=~-._"), scope.get("query_string", b"").decode("latin-1")
    return f"{path}?{query}" if query else path


def film_of(claim: Claim) -> str:
    """Return the path of the film of a session."""
    return str(json.loads(claim.row)["media"])


async def answer_not_mine(send: Send, claim: Claim | None, reason: str) -> None:
    """Answer a node that asks for a session of another, and say whose it is."""
    await answer_message(send, Taken(claim=claim, reason=reason), NOT_MINE)


async def answer_message(send: Send, message: Any, status: int = 200) -> None:
    """Answer a node with a message."""
    await answer(send, status, [(b"content-type", b"application/json")], spell(message))


async def send_reply(send: Send, reply: Reply) -> None:
    """Pass another node's answer on to the client."""
    headers = [(name, value) for name, value in reply.headers if not name.startswith(ADDED_HERE)]
    if reply.body is not None or reply.pieces is None:
        await answer(send, reply.status, headers, reply.body or b"")
        return
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    with suppress(Silent):  # the client asks again for the missing bytes
        async for piece in reply.pieces:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


def captured(reply: Reply) -> Captured:
    """Return an answer that is to be looked at before it is sent."""
    headers = [(name, value) for name, value in reply.headers if not name.startswith(ADDED_HERE)]
    return Captured(reply.status, headers, reply.body or b"")
