"""A node's part in Ray, as a program of its own: it keeps the node in Ray, and a directory running somewhere.

The only file that imports Ray. It runs beside the daemon, not within it, because Ray ends a process that cannot reach
its head for long, and a viewer must not notice that. The daemon reads a line of JSON for each change: where the
directory is, or why the cluster cannot be joined. It ends when its standard input does, and the node leaves Ray.

Ray knows which machines there are, and starts the directory again, on another machine if need be. It is given none of
the decisions about sessions, and no byte of theirs.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypedDict

from hls_sessions.cluster.secret import Secret

if TYPE_CHECKING:
    from typing import TextIO

SECRET: Final = "HLS_SESSIONS_CLUSTER_SECRET"  # noqa: S105 - the name of a variable
FOLDER: Final = "HLS_SESSIONS_CLUSTER_FOLDER"
"""The variables by which the directory, wherever Ray starts it, gets the secret and the folder of its node, so that
Ray writes neither down."""

NAMESPACE: Final = "hls_sessions"
DIRECTORY: Final = "directory"

LOOK_INTERVAL: Final = 0.5
"""Seconds between two looks at where the directory is."""

START_TIMEOUT: Final = 90.0
"""Seconds that Ray may take to start on a busy machine."""

CALL_TIMEOUT: Final = 2.0
"""Seconds that the directory has to say where it is. A call to one that is being started again may hang for ever."""

STOP_TIMEOUT: Final = 10.0

OBJECT_STORE: Final = 80 * 1024**2
"""Bytes, the least that Ray takes: nothing is kept there."""

SETTINGS: Final = {
    "RAY_AUTH_MODE": "token",
    "RAY_USAGE_STATS_ENABLED": "0",
    # A machine that is gone is known after a second; by default after 15 to 63.
    "RAY_health_check_initial_delay_ms": "0",
    "RAY_health_check_period_ms": "500",
    "RAY_health_check_timeout_ms": "500",
    "RAY_health_check_failure_threshold": "4",
    # A machine waits for the head to come back: by default it leaves Ray after a minute, and ends what it runs.
    "RAY_gcs_rpc_server_reconnect_timeout_s": "86400",
    "RAY_gcs_storage": "rocksdb",
}


class Order(TypedDict):
    """What the program is told on its command line, as JSON."""

    cluster: str
    """The id of the cluster."""
    ip: str
    """This node's address."""
    port: int
    """The port of Ray's head."""
    head: str | None
    """The address of Ray's head; None where this node is it."""
    folder: str
    """Where this node keeps what it must not forget."""


def environment(order: Order, secret: str) -> dict[str, str]:
    """Return the variables for Ray's processes, the directory among them."""
    token = {"RAY_AUTH_TOKEN": Secret(secret).ray_token, SECRET: secret, FOLDER: order["folder"]}
    return dict(os.environ) | SETTINGS | token | {"RAY_gcs_storage_path": str(Path(order["folder"], "gcs"))}


def main() -> None:
    """Keep this node in Ray until standard input ends."""
    order: Order = json.loads(sys.argv[1])
    os.environ.update(environment(order, os.environ[SECRET]))
    Path(order["folder"], "gcs").mkdir(parents=True, exist_ok=True)
    tell = Teller()
    over = threading.Event()
    threading.Thread(target=_wait_for_the_end, args=(sys.stdin, over), daemon=True).start()
    # Its own folder, because the names of sockets below it must be short.
    folder = tempfile.mkdtemp(prefix="hls-ray-", dir="/tmp")
    node = _start(order, folder)
    try:
        _keep(order, node, over, tell)
    finally:
        node.terminate()
        with suppress(subprocess.TimeoutExpired):
            node.wait(STOP_TIMEOUT)
        node.kill()
        shutil.rmtree(folder, ignore_errors=True)
    os._exit(0)  # Ray's threads may hang when the head is gone


def _wait_for_the_end(stdin: TextIO, over: threading.Event) -> None:
    with suppress(OSError, ValueError):
        stdin.read()
    over.set()


def _start(order: Order, folder: str) -> subprocess.Popen[bytes]:
    """Start Ray's processes of this node."""
    command = [sys.executable, "-c", "from ray.scripts.scripts import main; main()", "start", "--block"]
    command += [f"--node-ip-address={order['ip']}", f"--num-cpus={os.cpu_count() or 1}", f"--temp-dir={folder}"]
    command += ["--include-log-monitor=false", f"--object-store-memory={OBJECT_STORE}"]
    command += ["--min-worker-port=0", "--max-worker-port=0", "--disable-usage-stats"]
    if order["head"] is None:
        command += ["--head", f"--port={order['port']}", "--include-dashboard=false"]
    else:
        command += [f"--address={order['head']}"]
    with Path(order["folder"], "ray.log").open("wb") as log:
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)  # noqa: S603 - no shell


def _keep(order: Order, node: subprocess.Popen[bytes], over: threading.Event, tell: Teller) -> None:
    import ray  # noqa: PLC0415 - where there is no Ray, there is no cluster, and all else works

    head = order["head"] or f"{order['ip']}:{order['port']}"
    _connect(ray, head, order["ip"], node, over, tell)
    told: str | None = None
    while not over.wait(LOOK_INTERVAL):
        if node.poll() is not None:
            tell(error=f"Ray has ended on this node; its last words are in {order['folder']}/ray.log")
            return
        try:
            url = _where(ray, order["cluster"])
        except Exception as error:  # noqa: BLE001 - Ray raises many kinds, and all mean that there is none now
            tell(trouble=f"{type(error).__name__}: {error}")
            continue
        if url != told:
            told = url
            tell(directory=url)


def _connect(ray: Any, head: str, ip: str, node: subprocess.Popen[bytes], over: threading.Event, tell: Teller) -> None:
    until = time.monotonic() + START_TIMEOUT
    while not over.is_set():
        try:
            ray.init(address=head, namespace=NAMESPACE, logging_level="ERROR", log_to_driver=False, _node_ip_address=ip)
        except (ConnectionError, RuntimeError, ValueError) as error:
            if node.poll() is not None or time.monotonic() > until:
                tell(error=f"Ray does not start: {error}")
                raise SystemExit(1) from error
            over.wait(LOOK_INTERVAL)
        else:
            return


def _where(ray: Any, cluster: str) -> str:
    """Return where the directory is; have Ray start one if there is none."""
    try:
        actor = ray.get_actor(DIRECTORY)
    except ValueError:
        own = ray.get_runtime_context().get_node_id()
        near = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(own, soft=True)
        actor = (
            ray.remote(DirectoryActor)
            .options(
                name=DIRECTORY,
                lifetime="detached",
                get_if_exists=True,
                num_cpus=0,
                max_restarts=-1,
                scheduling_strategy=near,
            )
            .remote(cluster)
        )
    url: str = ray.get(actor.where.remote(), timeout=CALL_TIMEOUT)
    return url


class DirectoryActor:
    """The directory as Ray's actor. Ray calls ``where``, and nothing else; nodes ask it by HTTP."""

    def __init__(self, cluster: str) -> None:
        """Begin a new life of the directory of this cluster, in the event loop of the actor."""
        self._cluster = cluster
        self._url: str | None = None
        self._starting = asyncio.Lock()

    async def where(self) -> str:
        """Return the address of the directory, which begins to listen at the first call."""
        import ray  # noqa: PLC0415 - as above

        from hls_sessions.cluster.directory import Directory  # noqa: PLC0415 - loaded in the actor's process alone
        from hls_sessions.cluster.kept import KeptClaims  # noqa: PLC0415 - the same
        from hls_sessions.cluster.service import Service  # noqa: PLC0415 - the same

        async with self._starting:  # several nodes ask at the same time
            if self._url is None:
                kept = KeptClaims(Path(os.environ[FOLDER], f"claims-{self._cluster}.db"))
                self._service = Service(Directory(self._cluster, kept=kept), Secret(os.environ[SECRET]))
                self._url = await self._service.start(str(ray.util.get_node_ip_address()))  # type: ignore[no-untyped-call]
            return self._url


class Teller:
    """Tells the daemon, through the standard output, on which Ray would write too."""

    def __init__(self) -> None:
        """Take the standard output, and give Ray the standard error in its place."""
        sys.stdout.flush()
        self._out = os.fdopen(os.dup(1), "w", encoding="utf-8")
        os.dup2(2, 1)

    def __call__(self, **news: str) -> None:
        """Tell one thing."""
        self._out.write(json.dumps(news) + "\n")
        self._out.flush()


if __name__ == "__main__":
    main()
