"""The other nodes, over kept-alive HTTP: a request to one is given up as soon as that node is silent.

A node that waits for a segment says nothing for seconds, and that is well. So a node that is needed is asked, besides,
whether it is alive. A node that is killed resets the connection, and is known at once; one that is frozen or cut off
answers nothing, and counts as silent after ``SILENCE``. Being wrong costs one segment that is made twice.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import aiohttp
from yarl import URL

from hls_sessions.cluster.secret import HEADER

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Iterable
    from typing import TypeVar

    from hls_sessions.cluster.secret import Secret

    T = TypeVar("T")

ASK_INTERVAL: Final = 0.3
"""Seconds between two questions to a node whether it is alive."""

ASKED_FOR: Final = 5.0
"""Seconds for which a node is asked that after it was last needed, so that the next request knows it at once."""

SILENCE: Final = 0.9
"""Seconds without a sign of life after which a node counts as silent."""

AVOIDED_FOR: Final = 2.0
"""Seconds for which a silent node is passed over by other requests, before one of them tries it again."""

ALIVE: Final = "/cluster/alive"

MOST_AT_ONCE: Final = 8 * 1024**2
"""Bytes of a body that is read whole before any of it is passed on, so that a node may die in the middle of it."""

HOP_BY_HOP: Final = frozenset(
    {b"connection", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"transfer-encoding", b"upgrade"}
)
"""Headers of one connection alone (RFC 9110, 7.6.1)."""

Headers = list[tuple[bytes, bytes]]


class Silent(Exception):
    """A node does not answer."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What another node has answered."""

    status: int
    headers: Headers
    body: bytes | None
    """The whole body; None if it comes in pieces."""
    pieces: AsyncIterator[bytes] | None = None


class Peers:
    """Asks other nodes. Lives in one event loop."""

    def __init__(self, client: aiohttp.ClientSession, secret: Secret) -> None:
        """Ask through a client."""
        self._client = client
        self._secret = secret
        self._heard: dict[str, float] = {}
        """When each node, by its address, last gave a sign of life."""
        self._needed: dict[str, float] = {}
        """When each was last asked for something."""
        self._asking: dict[str, asyncio.Task[None]] = {}
        self._silent: dict[str, float] = {}
        """Since when each node is silent."""

    def silent(self) -> set[str]:
        """Return the addresses of the nodes that were silent just now."""
        now = time.monotonic()
        return {url for url, since in self._silent.items() if now - since < AVOIDED_FOR}

    @asynccontextmanager
    async def request(
        self, url: str, method: str, path: str, headers: Iterable[tuple[bytes, bytes]] = (), body: bytes = b""
    ) -> AsyncIterator[Reply]:
        """Ask a node, and yield its answer.

        Raises:
            Silent: it does not answer, or ended in the middle of its answer.
        """
        given = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers]
        context = self._client.request(
            method,
            URL(url + path, encoded=True),
            data=body or None,
            headers=[*given, (HEADER, self._secret.header)],
            allow_redirects=False,
        )
        response = await self._alive(url, context)
        try:
            kept = [(name.lower(), value) for name, value in response.raw_headers if name.lower() not in HOP_BY_HOP]
            if method != "HEAD" and _comes_in_pieces(response):
                yield Reply(response.status, kept, None, self._pieces(response))
            else:
                yield Reply(response.status, kept, await self._alive(url, response.read()))
        finally:
            response.release()

    async def close(self) -> None:
        """Ask no more."""
        tasks = list(self._asking.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # ---- within

    @staticmethod
    async def _pieces(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
        try:
            async for piece in response.content.iter_any():
                yield piece
        except (aiohttp.ClientError, OSError) as error:
            raise Silent(repr(error)) from error

    async def _alive(self, url: str, wanted: Awaitable[T]) -> T:
        """Wait for something of a node as long as the node is alive.

        Raises:
            Silent: it is not.
        """
        task = asyncio.ensure_future(wanted)
        self._listen_to(url)
        try:
            await self._until_silent(url, task)
            result = task.result()
        except (aiohttp.ClientError, OSError) as error:
            self._silent[url] = time.monotonic()
            raise Silent(repr(error)) from error
        finally:
            if not task.done():
                task.cancel()
                with suppress(asyncio.CancelledError, Exception):
                    await task
        self._heard[url] = time.monotonic()
        self._silent.pop(url, None)
        return result

    async def _until_silent(self, url: str, task: asyncio.Future[T]) -> None:
        """Return when a task is done.

        Raises:
            OSError: the node has been silent for too long.
        """
        while True:
            begun = time.monotonic()
            left = self._heard[url] + SILENCE - begun
            if left <= 0:
                raise OSError(f"{url} has been silent for {SILENCE:g} s")
            done, _ = await asyncio.wait({task}, timeout=min(left, ASK_INTERVAL))
            if done:
                return
            self._listen_to(url)
            if time.monotonic() - begun > 2 * ASK_INTERVAL:
                self._heard[url] = time.monotonic()  # it was this process that was away

    def _listen_to(self, url: str) -> None:
        """Have a node asked from time to time whether it is alive, until some time after it was last needed."""
        self._needed[url] = time.monotonic()
        asking = self._asking.get(url)
        if asking is None or asking.done():
            self._heard[url] = time.monotonic()
            self._asking[url] = asyncio.create_task(self._ask(url))

    async def _ask(self, url: str) -> None:
        headers = {HEADER: self._secret.header}
        while (asked := time.monotonic()) - self._needed[url] < ASKED_FOR:
            with suppress(aiohttp.ClientError, OSError, TimeoutError):
                async with (
                    asyncio.timeout(SILENCE),
                    self._client.get(url + ALIVE, headers=headers) as response,
                ):
                    await response.read()
                    self._heard[url] = time.monotonic()
            await asyncio.sleep(max(0.0, asked + ASK_INTERVAL - time.monotonic()))


def _comes_in_pieces(response: aiohttp.ClientResponse) -> bool:
    """Whether a body is too long to be read whole, or has no end that is near."""
    length = response.content_length
    return response.content_type == "text/event-stream" if length is None else length > MOST_AT_ONCE
