"""Finds the directory of a cluster through Ray, whose program (``ray.py``) it starts beside the daemon."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import logging
import os
import socket
import sys
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit
from uuid import uuid4

import aiohttp

from hls_sessions.cluster import ray as program
from hls_sessions.cluster.node import WIRE
from hls_sessions.cluster.secret import HEADER, Secret
from hls_sessions.cluster.wire import Misspelled, read
from hls_sessions.errors import NodeRefused

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

logger = logging.getLogger(__name__)

NEW: Final = "new"
"""In the place of an address: this node begins a cluster, or goes on with the one that it began."""

DEFAULT_PORT: Final = 8642

WELCOME: Final = "/cluster/welcome"
"""Where a node asks another how to join."""

WELCOME_TIMEOUT: Final = 10.0

FIRST_DIRECTORY: Final = 120.0
"""Seconds that Ray may take to start a directory."""

AGAIN_AFTER: Final = 5.0
"""Seconds after which Ray's program is started again when it has ended."""

LOST: Final = "This node has left Ray, and joins it again: %s"


@dataclass(frozen=True, slots=True, kw_only=True)
class Welcome:
    """What a node must know to join."""

    cluster: str
    head: str
    """The address of Ray's head."""
    wire: int = WIRE


class RayLocator:
    """Has Ray keep a directory running, and says where it is."""

    def __init__(self, address: str, secret: str, *, name: str, folder: Path, port: int) -> None:
        """Prepare.

        Args:
            address: ``new``, or the host or host:port of any node.
            secret: shared by all nodes.
            name: this node's name.
            folder: where this node keeps what it must not forget.
            port: of Ray's head, where this node is it.
        """
        self._address = address
        self._secret = secret
        self._name = name
        self._folder = folder
        self._port = port
        self._welcome: Welcome | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def cluster(self) -> str:
        """The id of the cluster."""
        return self.welcome.cluster

    @property
    def welcome(self) -> Welcome:
        """What a node that joins must know."""
        assert self._welcome is not None  # noqa: S101 - known since the start
        return self._welcome

    async def start(self, url: str, found: Callable[[str | None], None]) -> None:
        """Join or begin the cluster; call ``found`` with each new address of the directory.

        Raises:
            NodeRefused: the cluster cannot be joined; says why.
        """
        if find_spec("ray") is None:
            raise NodeRefused(self._name, "Ray is not installed: pip install 'hls_sessions[cluster]'")
        ip = await asyncio.to_thread(_ip_of, urlsplit(url).hostname or "", self._name)
        is_head = self._address == NEW
        if is_head:
            self._welcome = Welcome(cluster=self._own_cluster(), head=f"{ip}:{self._port}")
        else:
            self._welcome = await self._welcomed()
        order: program.Order = {
            "cluster": self.cluster,
            "ip": ip,
            "port": self._port,
            "head": None if is_head else self.welcome.head,
            "folder": str(self._folder),
        }
        self._folder.mkdir(parents=True, exist_ok=True)
        first: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._run_forever(order, found, first))
        try:
            async with asyncio.timeout(FIRST_DIRECTORY):
                await asyncio.shield(first)
        except TimeoutError as error:
            await self.stop()
            raise NodeRefused(self._name, "Ray does not start a directory; ray.log may say why") from error
        except NodeRefused:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Leave the cluster."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError, NodeRefused):
                await self._task
        if self._process is not None and self._process.returncode is None:
            assert self._process.stdin is not None  # noqa: S101 - opened as a pipe
            self._process.stdin.close()
            try:
                async with asyncio.timeout(2 * program.STOP_TIMEOUT):
                    await self._process.wait()
            except TimeoutError:
                self._process.kill()
                await self._process.wait()

    # ---- within

    def _own_cluster(self) -> str:
        """Return the id of the cluster that this node began, or begins now."""
        file = self._folder / "cluster"
        with suppress(OSError):
            if kept := file.read_text().strip():
                return kept
        new = str(uuid4())
        self._folder.mkdir(parents=True, exist_ok=True)
        file.write_text(new)
        return new

    async def _welcomed(self) -> Welcome:
        """Ask a node of the cluster how to join.

        Raises:
            NodeRefused: it does not answer, or does not take this node.
        """
        address = self._address.removeprefix("http://").rstrip("/")
        if not address.rpartition("]")[2].rpartition(":")[1]:
            address = f"{address}:{DEFAULT_PORT}"
        headers = {HEADER: Secret(self._secret).header}
        timeout = aiohttp.ClientTimeout(total=WELCOME_TIMEOUT)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout) as client,
                client.get(f"http://{address}{WELCOME}", headers=headers) as response,
            ):
                status, body = response.status, await response.read()
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            raise NodeRefused(
                self._name, f"{address} does not answer ({str(error) or type(error).__name__})"
            ) from error
        if status in {401, 403}:
            raise NodeRefused(self._name, f"{address} has another cluster_secret")
        try:
            welcome = read(Welcome, body)
        except Misspelled as error:
            raise NodeRefused(self._name, f"{address} is no node of a cluster (it answers {status})") from error
        if welcome.wire != WIRE:
            raise NodeRefused(self._name, f"it speaks version {WIRE}, and {address} version {welcome.wire}")
        return welcome

    async def _run_forever(
        self, order: program.Order, found: Callable[[str | None], None], first: asyncio.Future[None]
    ) -> None:
        while True:
            reason = await self._run(order, found, first)
            if not first.done():
                first.set_exception(NodeRefused(self._name, reason or "Ray has ended at once"))
                return
            logger.warning(LOST, reason or "Ray's program has ended")
            await asyncio.sleep(AGAIN_AFTER)

    async def _run(
        self, order: program.Order, found: Callable[[str | None], None], first: asyncio.Future[None]
    ) -> str | None:
        """Run Ray's program once; return why it has ended, as far as it said so."""
        with (self._folder / "ray-node.log").open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                program.__name__,
                json.dumps(order),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                env=os.environ | {program.SECRET: self._secret},
                start_new_session=True,  # a Ctrl-C is for the daemon, which ends this in its turn
            )
        assert self._process.stdout is not None  # noqa: S101 - opened as a pipe
        reason: str | None = None
        while line := await self._process.stdout.readline():
            news: dict[str, str] = json.loads(line)
            reason = news.get("error", reason)
            if (trouble := news.get("trouble")) is not None:
                logger.info("the directory cannot be found just now: %s", trouble)
            if (url := news.get("directory")) is not None:
                logger.info("the directory is at %s", url)
                found(url)
                if not first.done():
                    first.set_result(None)
        await self._process.wait()
        return reason


def _ip_of(host: str, name: str) -> str:
    """Return the address of a host.

    Raises:
        NodeRefused: there is none that other machines could reach.
    """
    try:
        ip = ipaddress.ip_address(socket.getaddrinfo(host, None)[0][4][0])
    except (OSError, ValueError) as error:
        raise NodeRefused(name, f"its address {host!r} is unknown; set node_url") from error
    if ip.is_unspecified:
        raise NodeRefused(name, f"other nodes cannot reach it at {host}; set node_url")
    return str(ip)
