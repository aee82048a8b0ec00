"""A daemon as a member of a cluster: what ``web.serve`` is given so that its app is an ingress, too."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from importlib.metadata import version
from typing import TYPE_CHECKING, Protocol

import aiohttp

from hls_sessions.cluster.agent import Agent
from hls_sessions.cluster.directory import CLOCK_SKEW
from hls_sessions.cluster.ingress import Ingress
from hls_sessions.cluster.peers import Peers
from hls_sessions.cluster.service import DirectoryGone, RemoteDirectory
from hls_sessions.errors import NodeRefused, Unavailable
from hls_sessions.web import NodeAnswer

if TYPE_CHECKING:
    from collections.abc import Callable

    from hls_sessions.cluster.asgi import App, Scope
    from hls_sessions.cluster.messages import Sighting
    from hls_sessions.cluster.secret import Secret
    from hls_sessions.supervisor import Supervisor

CONNECTIONS = 512
"""Connections to other nodes: each held request takes one."""

CONNECT_TIMEOUT = 0.9
"""Seconds for a connection to another node of the same network."""


class Locator(Protocol):
    """Knows where the directory of the cluster is, and keeps it running."""

    @property
    def cluster(self) -> str:
        """The id of the cluster, once it has started."""

    @property
    def welcome(self) -> object:
        """What a node that joins must know, as a message."""

    async def start(self, url: str, found: Callable[[str | None], None]) -> None:
        """Join or begin the cluster; call ``found`` with each new address of the directory, None while there is none.

        Args:
            url: where the other nodes reach this one.
            found: is called in this event loop.

        Raises:
            NodeRefused: the cluster cannot be joined; says why.
        """

    async def stop(self) -> None:
        """Leave the cluster."""


class Member:
    """One daemon's membership. ``start`` and ``stop`` it in the event loop of the server."""

    def __init__(self, supervisor: Supervisor, locator: Locator, secret: Secret, *, name: str, url: str | None) -> None:
        """Prepare.

        Args:
            supervisor: the daemon's own.
            locator: finds the directory.
            secret: shared by all nodes.
            name: the name of this node, unique in the cluster.
            url: where the other nodes reach it; None for where its server listens.
        """
        self.name = name
        self._supervisor = supervisor
        self._locator = locator
        self._secret = secret
        self._url = url
        self._agent: Agent | None = None

    @property
    def link_key(self) -> bytes:
        """The key by which all nodes sign viewing links."""
        return self._secret.link_key

    def trusts(self, scope: Scope) -> bool:
        """Whether a request comes from another node."""
        return self._secret.is_in(scope["headers"])

    def within(self, app: App) -> App:
        """Return the app that answers for the whole cluster, around the one that answers for this daemon."""
        return Ingress(app, self._supervisor, self.agent, self._peers, self._secret, self._locator.welcome)

    async def start(self, url: str) -> None:
        """Join the cluster, before the server listens at this address.

        Raises:
            NodeRefused: it cannot be joined.
        """
        connector = aiohttp.TCPConnector(limit=CONNECTIONS, limit_per_host=0)
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT)
        self._client = aiohttp.ClientSession(connector=connector, timeout=timeout, auto_decompress=False)
        directory = RemoteDirectory(self._client, self._secret)
        self._peers = Peers(self._client, self._secret)
        own = self._url or url

        def found(address: str | None) -> None:
            directory.url = address

        try:
            await self._locator.start(own, found)
        except BaseException:
            await self._client.close()
            raise
        self._agent = Agent(
            self._supervisor,
            directory,
            self._peers,
            name=self.name,
            url=own,
            cluster=self._locator.cluster,
            version=version("hls_sessions"),
        )
        self._agent.start()

    async def leave(self) -> None:
        """Tell the others that this node is about to stop, and have them answer what it cannot."""
        if self._agent is not None:
            self._agent.is_leaving = True
            with suppress(DirectoryGone, NodeRefused, Unavailable):
                await self._agent.register()

    async def stop(self) -> None:
        """Be no member any more."""
        if self._agent is not None:
            await self._agent.stop()
            await self._peers.close()
            await self._locator.stop()
            await self._client.close()
            await asyncio.sleep(0)  # for its connections to close

    async def nodes(self) -> list[NodeAnswer]:
        """Return all nodes, as the directory sees them."""
        return [_shown(seen) for seen in await self.agent.nodes()]

    async def drain(self, node: str, *, drain: bool) -> None:
        """Have a node give its sessions away and take no others, or take them again.

        Raises:
            NodeNotFound: there is no such node.
            Unavailable: the directory does not answer.
        """
        await self.agent.drain_node(node, drain=drain)

    @property
    def agent(self) -> Agent:
        """Its agent, once it has started."""
        assert self._agent is not None  # noqa: S101 - it has started before the server listens
        return self._agent


def _shown(seen: Sighting) -> NodeAnswer:
    node, notes = seen.node, []
    if node.disk_full:
        notes.append("Its disk is full, so it takes no sessions.")
    if abs(node.clock - time.time()) > CLOCK_SKEW and seen.alive:
        notes.append(f"Its clock is {node.clock - time.time():+.0f} s off.")
    notes.extend(
        f"The folder {root} does not answer, so films in it are played elsewhere." for root in node.unreachable
    )
    return NodeAnswer(
        name=node.name,
        url=node.url,
        alive=seen.alive,
        draining=node.draining,
        version=node.version,
        encoder=node.encoder,
        cores=node.cores,
        slots=node.slots,
        encoders=node.encoders,
        sessions=node.sessions,
        waiting=node.waiting,
        notes=tuple(notes),
    )
