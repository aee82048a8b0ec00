"""A directory, or a node, in a process of its own, without Ray: the directory's address is given.

``machine.py directory HOST PORT``, or ``machine.py node NAME HOST:PORT DIRECTORY URL ROOT FOLDER [SETTING=VALUE ...]``.
All else is what ``hls-sessions serve --cluster`` runs.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from hls_sessions import Supervisor
from hls_sessions.cluster.directory import Directory
from hls_sessions.cluster.locator import Welcome
from hls_sessions.cluster.member import Member
from hls_sessions.cluster.secret import Secret
from hls_sessions.cluster.service import Service
from hls_sessions.web import serve

SECRET = Secret("a secret of tests")
CLUSTER = "tests"


class Fixed:
    """Knows one address of a directory, as long as it lasts."""

    cluster = CLUSTER
    welcome = Welcome(cluster=CLUSTER, head="")

    def __init__(self, url: str) -> None:
        self.url = url

    async def start(self, url, found) -> None:
        found(self.url)

    async def stop(self) -> None:
        pass


def directory(host: str, port: str) -> None:
    async def run() -> None:
        service = Service(Directory(CLUSTER), SECRET)
        print("ready on", await service.start(host, int(port)), flush=True)
        await asyncio.Event().wait()

    asyncio.run(run())


def node(name: str, address: str, directory_url: str, url: str, root: str, folder: str, *options: str) -> None:
    own, (host, _, port) = Path(folder), address.rpartition(":")
    supervisor = Supervisor(
        media=(Path(root),),
        host=host,
        port=int(port),
        token="token",
        segments_dir=own / "segments",
        state_dir=own / "state",
        encoder="libx264",
        **dict(option.split("=") for option in options),
    )
    member = Member(supervisor, Fixed(directory_url), SECRET, name=name, url=url)
    serve(supervisor, on_ready=lambda url: print("ready on", url, flush=True), cluster=member)


if __name__ == "__main__":
    {"directory": directory, "node": node}[sys.argv[1]](*sys.argv[2:])
