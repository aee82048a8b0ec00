"""Answers of all nodes as one: lists to which each node adds its own entries, and the events of all as one stream."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from hls_sessions.cluster.asgi import Captured, again, body_of
from hls_sessions.cluster.forwarding import headers_of, target
from hls_sessions.cluster.peers import Silent

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from hls_sessions.cluster.agent import Agent
    from hls_sessions.cluster.asgi import App, Message, Receive, Scope, Send
    from hls_sessions.cluster.node import Node
    from hls_sessions.cluster.peers import Peers, Reply

MERGED: Final = frozenset(
    {
        ("GET", "/sessions"),
        ("PATCH", "/sessions"),
        ("POST", "/sessions/find"),
        ("POST", "/sessions/stop"),
        ("POST", "/sessions/pause"),
        ("GET", "/recordings"),
    }
)
"""Calls of the API whose answer is a list, to which every node adds its own."""

EVENTS: Final = "/events"

LIST_PATIENCE: Final = 2.0
"""Seconds that other nodes have for their part of a list."""


class Gathering:
    """Answers for all nodes."""

    def __init__(self, app: App, agent: Agent, peers: Peers) -> None:
        """Answer with an app for this node."""
        self._app = app
        self._agent = agent
        self._peers = peers

    def _others(self) -> list[Node]:
        return self._agent.replica.alive({self._agent.name})

    async def merged(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with the lists of all nodes as one."""
        body = await body_of(receive)
        got = Captured()
        _, *others = await asyncio.gather(
            self._app(scope, again(body, receive), got.send),
            *(self._list_of(node, scope, body) for node in self._others()),
        )
        if got.status == 200:  # noqa: PLR2004 - a list
            merged = [*json.loads(got.body), *(one for part in others for one in part)]
            merged.sort(key=lambda one: str(one.get("created_at", "")))
            got.body = json.dumps(merged, ensure_ascii=False).encode(errors="backslashreplace")
            got.headers = [(name, value) for name, value in got.headers if name.lower() != b"content-length"]
        await got.pass_on(send)

    async def _list_of(self, node: Node, scope: Scope, body: bytes) -> list[dict[str, Any]]:
        headers = [(name, value) for name, value in headers_of(scope) if name != b"accept-encoding"]
        with suppress(Silent, ValueError, TimeoutError):
            async with (
                asyncio.timeout(LIST_PATIENCE),
                self._peers.request(node.url, scope["method"], target(scope), headers, body) as reply,
            ):
                listed = json.loads(reply.body or b"[]")
                if isinstance(listed, list):
                    return listed
        return []

    async def events(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the events of all nodes as one stream."""
        turn = asyncio.Lock()
        following: dict[str, asyncio.Task[None]] = {}

        async def follow(node: Node) -> None:
            with suppress(Silent):
                async with self._peers.request(node.url, "GET", target(scope), headers_of(scope)) as reply:
                    async for event in _events_in(reply):
                        async with turn:
                            await send({"type": "http.response.body", "body": event, "more_body": True})

        async def follow_all() -> None:
            while True:
                for node in self._others():
                    if node.url not in following or following[node.url].done():
                        following[node.url] = asyncio.create_task(follow(node))
                await asyncio.sleep(1.0)

        begun: asyncio.Task[None] | None = None

        async def send_in_turn(message: Message) -> None:
            nonlocal begun
            async with turn:
                await send(message)
            if message["type"] == "http.response.start" and message["status"] == 200 and begun is None:  # noqa: PLR2004 - a stream
                begun = asyncio.create_task(follow_all())

        try:
            await self._app(scope, receive, send_in_turn)
        finally:
            tasks = [*following.values(), *([] if begun is None else [begun])]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def _events_in(reply: Reply) -> AsyncIterator[bytes]:
    """Yield whole events of a stream."""
    kept = b""
    if reply.pieces is None:
        return
    async for piece in reply.pieces:
        *whole, kept = (kept + piece).split(b"\n\n")
        for event in whole:
            yield event + b"\n\n"
