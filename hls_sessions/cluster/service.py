"""The directory behind HTTP, and the client of it. What is said is in ``messages``, as ``wire`` spells it."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

import aiohttp
from aiohttp import web

from hls_sessions.cluster.claims import Claim, Fenced, Granted
from hls_sessions.cluster.directory import SWEEP_INTERVAL
from hls_sessions.cluster.messages import Admission, Answer, Beat, Opening, Sighting
from hls_sessions.cluster.secret import HEADER
from hls_sessions.cluster.wire import Misspelled, read, spell
from hls_sessions.errors import NodeNotFound, NodeRefused

if TYPE_CHECKING:
    from collections.abc import Callable

    from hls_sessions.cluster.claims import Decision
    from hls_sessions.cluster.directory import Directory
    from hls_sessions.cluster.secret import Secret

T = TypeVar("T")

logger = logging.getLogger(__name__)

PATIENCE: Final = 1.0
"""Seconds that the directory has for an answer; then it counts as gone."""

LONGEST: Final = 64 * 1024**2
"""Bytes of a message: a node tells a new life of the directory all of its sessions."""


class DirectoryGone(Exception):
    """The directory does not answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """The wish of a node to own a session."""

    session: str
    epoch: int
    node: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """Whether a wish was granted, and how the session stands."""

    granted: bool
    claim: Claim | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Drain:
    """The order to drain a node, or to use it again."""

    node: str
    drain: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Sightings:
    """All nodes."""

    nodes: tuple[Sighting, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why a node is refused."""

    node: str
    reason: str


class Service:
    """Runs a directory in an event loop, on an address of its own."""

    def __init__(self, directory: Directory, secret: Secret) -> None:
        """Serve a directory to those that know the secret."""
        self._directory = directory
        self._secret = secret
        app = web.Application(middlewares=[self._guarded], client_max_size=LONGEST)
        app.router.add_post("/beat", self._beat)
        app.router.add_post("/claim", self._claim)
        app.router.add_post("/admit", self._admit)
        app.router.add_post("/opened/{key}", self._opened)
        app.router.add_get("/sessions/{session}", self._session)
        app.router.add_get("/nodes", self._nodes)
        app.router.add_post("/drain", self._drain)
        self._runner = web.AppRunner(app, access_log=None)

    async def start(self, host: str, port: int = 0) -> str:
        """Begin to listen, and return the address."""
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port)
        await site.start()
        self._sweeping = asyncio.create_task(self._sweep())
        bound: Any = self._runner.addresses[0]
        return f"http://{f'[{host}]' if ':' in host else host}:{bound[1]}"

    async def stop(self) -> None:
        """Listen no more."""
        self._sweeping.cancel()
        with suppress(asyncio.CancelledError):
            await self._sweeping
        await self._runner.cleanup()

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_INTERVAL)
            self._directory.sweep()

    @web.middleware
    async def _guarded(self, request: web.Request, handler: Callable[[web.Request], Any]) -> web.StreamResponse:
        if not self._secret.is_right(request.headers.get(HEADER)):
            return web.Response(status=403, text="This needs the cluster's secret.")
        try:
            response: web.StreamResponse = await handler(request)
        except NodeRefused as error:
            return _answer(Refusal(node=error.node, reason=error.reason), 409)
        except Misspelled as error:
            return web.Response(status=422, text=str(error))
        return response

    async def _beat(self, request: web.Request) -> web.Response:
        return _answer(self._directory.beat(read(Beat, await request.read())))

    async def _claim(self, request: web.Request) -> web.Response:
        wish = read(Wish, await request.read())
        decision = self._directory.claim(wish.session, wish.epoch, wish.node)
        return _answer(Decided(granted=isinstance(decision, Granted), claim=decision.claim))

    async def _admit(self, request: web.Request) -> web.Response:
        return _answer(self._directory.admit(read(Opening, await request.read())))

    async def _opened(self, request: web.Request) -> web.Response:
        self._directory.opened(request.match_info["key"])
        return web.Response(status=204)

    async def _session(self, request: web.Request) -> web.Response:
        claim = self._directory.of(request.match_info["session"])
        return _answer(Decided(granted=False, claim=claim))

    async def _nodes(self, request: web.Request) -> web.Response:  # noqa: ARG002 - aiohttp's form of a handler
        return _answer(Sightings(nodes=self._directory.nodes()))

    async def _drain(self, request: web.Request) -> web.Response:
        order = read(Drain, await request.read())
        return web.Response(status=204 if self._directory.drain(order.node, drain=order.drain) else 404)


def _answer(message: Any, status: int = 200) -> web.Response:
    return web.Response(status=status, body=spell(message), content_type="application/json")


class DirectoryLink(Protocol):
    """How a node reaches the directory, wherever that is now."""

    async def beat(self, beat: Beat) -> Answer:
        """Say that a node is alive.

        Raises:
            DirectoryGone: it does not answer.
            NodeRefused: the node cannot be one of this cluster.
        """

    async def claim(self, session: str, epoch: int, node: str) -> Decision:
        """Claim a session. Raises DirectoryGone."""

    async def of(self, session: str) -> Claim | None:
        """Return how a session stands. Raises DirectoryGone."""

    async def admit(self, wanted: Opening) -> Admission:
        """Ask for a place for one more session. Raises DirectoryGone."""

    async def opened(self, key: str) -> None:
        """Give up the place of a wish. Raises DirectoryGone."""

    async def nodes(self) -> tuple[Sighting, ...]:
        """Return all nodes. Raises DirectoryGone."""

    async def drain(self, node: str, *, drain: bool) -> None:
        """Drain a node, or use it again. Raises DirectoryGone, NodeNotFound."""


class RemoteDirectory:
    """A directory that is reached by HTTP, at an address that may change: Ray starts it again on another machine."""

    def __init__(self, client: aiohttp.ClientSession, secret: Secret) -> None:
        """Ask through a client; there is no address at first."""
        self._client = client
        self._headers = {HEADER: secret.header}
        self.url: str | None = None

    async def beat(self, beat: Beat) -> Answer:
        """Say that a node is alive."""
        return await self._asked(Answer, "POST", "/beat", beat)

    async def claim(self, session: str, epoch: int, node: str) -> Decision:
        """Claim a session."""
        decided = await self._asked(Decided, "POST", "/claim", Wish(session=session, epoch=epoch, node=node))
        return Granted(decided.claim) if decided.granted and decided.claim is not None else Fenced(decided.claim)

    async def of(self, session: str) -> Claim | None:
        """Return how a session stands."""
        return (await self._asked(Decided, "GET", f"/sessions/{session}")).claim

    async def admit(self, wanted: Opening) -> Admission:
        """Ask for a place for one more session."""
        return await self._asked(Admission, "POST", "/admit", wanted)

    async def opened(self, key: str) -> None:
        """Give up the place of a wish."""
        await self._request("POST", f"/opened/{key}")

    async def nodes(self) -> tuple[Sighting, ...]:
        """Return all nodes."""
        return (await self._asked(Sightings, "GET", "/nodes")).nodes

    async def drain(self, node: str, *, drain: bool) -> None:
        """Drain a node, or use it again."""
        status, _ = await self._request("POST", "/drain", Drain(node=node, drain=drain))
        if status == 404:  # noqa: PLR2004 - the service's own answer
            raise NodeNotFound(node)

    async def _asked(self, kind: type[T], method: str, path: str, message: Any = None) -> T:
        status, body = await self._request(method, path, message)
        if status == 409:  # noqa: PLR2004 - as above
            refusal = read(Refusal, body)
            raise NodeRefused(refusal.node, refusal.reason)
        if status == 403:  # noqa: PLR2004 - as above
            raise NodeRefused("", "it has another cluster_secret")
        if status != 200:  # noqa: PLR2004 - as above
            raise DirectoryGone(f"It answers {status}: {body[:200]!r}")
        return read(kind, body)

    async def _request(self, method: str, path: str, message: Any = None) -> tuple[int, bytes]:
        if self.url is None:
            raise DirectoryGone("Its address is not known.")
        body = None if message is None else spell(message)
        try:
            async with (
                asyncio.timeout(PATIENCE),
                self._client.request(method, self.url + path, data=body, headers=self._headers) as response,
            ):
                return response.status, await response.read()
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise DirectoryGone(repr(error)) from error
