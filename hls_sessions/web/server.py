"""Our own server: granian, embedded in the main process and thread, with the signals and the order of ending ours."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
import ssl
import sys
from typing import TYPE_CHECKING, Any

from granian.constants import HTTPModes, Interfaces, SSLProtocols
from granian.server.embed import Server

from hls_sessions.errors import CannotListen, Unavailable
from hls_sessions.settings import in_url
from hls_sessions.web.access import is_loopback
from hls_sessions.web.app import create_app

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from fastapi import FastAPI

    from hls_sessions.settings import Settings
    from hls_sessions.supervisor import Supervisor
    from hls_sessions.web.nodes import Cluster

logger = logging.getLogger(__name__)

BACKLOG = 2048
"""Connections that may wait, and requests that may be held: with granian's default, 200 held ones block the rest."""

SWITCH_INTERVAL = 0.0005
"""Seconds a thread may compute before another gets its turn: with the default, noticing a dead child takes 10 ms."""

STOP_TIMEOUT = 2.0
"""Seconds the server may take to end once its sessions have."""

LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
"""Hosts by which a daemon without a token may be called, besides the one that it listens on."""


def serve(
    supervisor: Supervisor,
    *,
    on_ready: Callable[[str], None],
    on_hangup: Callable[[], None] | None = None,
    on_signal: Callable[[int, bool], None] | None = None,
    cluster: Cluster | None = None,
) -> int | None:
    """Run a supervisor and its server until SIGTERM or SIGINT.

    Args:
        supervisor: is started, and stopped.
        on_ready: is called with the address.
        on_hangup: is called in a thread for each SIGHUP; without it, that ends the daemon too.
        on_signal: is called for each signal that ends the daemon, with its number and whether it is to hurry.
        cluster: the cluster to join; None for a daemon by itself.

    The first signal stops it in order: nothing new is accepted, waiting viewers are answered, sessions end or are left
    to the next start. A second signal makes it wait for nothing, and is returned; None if there was none.

    Raises:
        CannotListen: the address cannot be listened on, or the certificate cannot be used; nothing was started.
        NodeRefused: the cluster cannot be joined; nothing is left running.
        Unavailable: the supervisor's own processes crashed too often; nothing is left running.
    """
    settings = supervisor.settings
    if not is_loopback(settings.host) and settings.token is None and settings.token_file is None:
        raise CannotListen(settings.host, "others can reach it; set a token, or listen on 127.0.0.1")
    tls = _tls(settings)
    settings = settings.model_copy(update={"port": _free_port(settings.host, settings.port)})
    sys.setswitchinterval(SWITCH_INTERVAL)
    try:
        return asyncio.run(_serve(supervisor, settings, tls, on_ready, on_hangup, on_signal, cluster))
    finally:
        # Also when the server failed, because no process or directory may outlive this one.
        supervisor.stop()


async def _serve(
    supervisor: Supervisor,
    settings: Settings,
    tls: dict[str, Any],
    on_ready: Callable[[str], None],
    on_hangup: Callable[[], None] | None,
    on_signal: Callable[[int, bool], None] | None,
    cluster: Cluster | None,
) -> int | None:
    stop = asyncio.Event()
    hurried: int | None = None
    loop = asyncio.get_running_loop()

    def signalled(number: int) -> None:
        nonlocal hurried
        if on_signal is not None:
            on_signal(number, stop.is_set())
        if stop.is_set():
            hurried = number
            supervisor.hurry()
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup ignores SIGHUP on purpose
            loop.add_signal_handler(number, signalled, number)
            if number is signal.SIGHUP and on_hangup is not None:
                loop.add_signal_handler(number, loop.run_in_executor, None, on_hangup)
    supervisor.start()
    supervisor.when_over(lambda: _tell(loop, stop.set))
    async with _joined(cluster, settings.own_url):
        server = Server(
            _app(supervisor, cluster),
            address=settings.host,
            port=settings.port,
            interface=Interfaces.ASGINL,
            backlog=BACKLOG,
            backpressure=BACKLOG,
            websockets=True,
            log_enabled=False,
            http=HTTPModes(settings.http),
            **tls,
        )
        running = asyncio.create_task(server.serve())
        stopping = asyncio.create_task(stop.wait())
        try:
            await _until_listening(settings.host, settings.port, running)
            on_ready(settings.own_url)
            await asyncio.wait({running, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if not supervisor.is_running:
                raise Unavailable("The supervisor's own processes crashed too often, and it has stopped.")
            logger.info("stopping")
        finally:
            stopping.cancel()
            if cluster is not None:
                await cluster.leave()
            # The sessions first, because held requests then get their answer and the server has nothing to wait for.
            if left := await asyncio.to_thread(supervisor.wind_down):
                logger.warning("%d requests could not be answered before the stop", left)
            await asyncio.to_thread(supervisor.stop)
            server.stop()  # type: ignore[no-untyped-call] # granian's embedded server has no annotations
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(running, STOP_TIMEOUT)
    return hurried


@contextlib.asynccontextmanager
async def _joined(cluster: Cluster | None, url: str) -> AsyncIterator[None]:
    """Be a member of a cluster, if there is one, until the server has ended."""
    if cluster is None:
        yield
        return
    await cluster.start(url)
    try:
        yield
    finally:
        await cluster.stop()


def _app(supervisor: Supervisor, cluster: Cluster | None) -> FastAPI:
    token, file = supervisor.settings.token, supervisor.settings.token_file
    if token is not None or file is not None:
        own = None if token is None else token.get_secret_value()
        return create_app(
            supervisor, token=own, token_file=None if file is None else file.expanduser(), cluster=cluster
        )
    return create_app(supervisor, hosts=[*LOOPBACK, in_url(supervisor.settings.host)], cluster=cluster)


def _tell(loop: asyncio.AbstractEventLoop, callback: Callable[[], object]) -> None:
    with contextlib.suppress(RuntimeError):  # the loop has ended, and needs no telling
        loop.call_soon_threadsafe(callback)


def _tls(settings: Settings) -> dict[str, Any]:
    """Return what granian is told of TLS: nothing without a certificate.

    Raises:
        CannotListen: the certificate or its key cannot be used.
    """
    certificate, key = settings.tls_certificate, settings.tls_key
    if certificate is None and key is None:
        return {}
    if certificate is None or key is None:
        raise CannotListen(settings.host, "tls_certificate and tls_key are set together")
    files = certificate.expanduser(), key.expanduser()
    try:
        # With a password of its own, because OpenSSL asks for that of a key on the terminal, and granian knows none.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(*files, password="")
    except OSError as error:  # ssl.SSLError is one
        reason = error.strerror or str(error)
        raise CannotListen(settings.host, f"{files[0]} and {files[1]} are no certificate and key ({reason})") from error
    # Televisions and older players know no TLS 1.3.
    return {"ssl_cert": files[0], "ssl_key": files[1], "ssl_protocol_min": SSLProtocols.tls12}


def _free_port(host: str, port: int) -> int:
    """Check that an address can be listened on, and choose a port if 0 is given.

    granian binds with SO_REUSEPORT, which would share the port with another daemon instead of failing.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise CannotListen(f"{host}:{port}", error.strerror or str(error)) from error
        return int(probe.getsockname()[1])


async def _until_listening(host: str, port: int, running: asyncio.Task[None]) -> None:
    # granian does not say when it listens; it does within milliseconds.
    while not running.done():
        try:
            _, writer = await asyncio.open_connection(host, port)
        except OSError:
            await asyncio.sleep(0.005)
        else:
            writer.close()
            return
    await running
