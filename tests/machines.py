"""A directory and three nodes as processes, each on an address of its own, behind a network that can be cut."""

from __future__ import annotations

import asyncio
import os
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import httpx

from hls_sessions.testing import spare

PROGRAM = Path(__file__).with_name("machine.py")
BOUND = 30.0


def until(what, bound=BOUND):
    """Wait for something that another process does."""
    end = time.monotonic() + bound
    while not (found := what()):
        assert time.monotonic() < end, f"{what} did not happen"
        time.sleep(0.02)
    return found


def free_port(host: str) -> int:
    with socket.socket() as probe:
        probe.bind((host, 0))
        return probe.getsockname()[1]


class Wire(threading.Thread):
    """Passes connections on to one address, until it is cut: then nothing arrives, and nobody is told."""

    def __init__(self, to: tuple[str, int]) -> None:
        super().__init__(name="wire", daemon=True)
        self.to = to
        self._whole = asyncio.Event()
        self.port = 0
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self.start()
        self._ready.wait(BOUND)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def cut(self, is_cut: bool) -> None:
        self._loop.call_soon_threadsafe(self._whole.clear if is_cut else self._whole.set)

    def run(self) -> None:
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    def end(self) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self.join(BOUND)

    async def _serve(self) -> None:
        self._over = asyncio.Event()
        self._tasks: set[asyncio.Task] = set()
        self._whole.set()
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._over.wait()
        server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for _ in range(2):  # in which the loop closes what was aborted
            await asyncio.sleep(0)

    async def _connected(self, reader, writer) -> None:
        self._tasks.add(asyncio.current_task())
        ends = [writer]
        # asyncio's callback of the connection would complain about a cancelled one.
        try:
            with suppress(OSError, asyncio.CancelledError):
                from_there, to_there = await asyncio.open_connection(*self.to)
                ends.append(to_there)
                await asyncio.gather(self._pass(reader, to_there), self._pass(from_there, writer))
        finally:
            for end in ends:
                end.transport.abort()
            self._tasks.discard(asyncio.current_task())

    async def _pass(self, reader, writer) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                await self._whole.wait()
                writer.write(data)
                await writer.drain()
            writer.transport.abort()


class Process:
    """A process of ``machine.py``."""

    def __init__(self, *arguments) -> None:
        self.arguments = [str(argument) for argument in arguments]
        self.start()

    def start(self) -> None:
        self.popen = subprocess.Popen([sys.executable, PROGRAM, *self.arguments], stdout=subprocess.PIPE, text=True)
        spare(self.popen.pid)  # all tests of a module share it
        with selectors.DefaultSelector() as selector:
            selector.register(self.popen.stdout, selectors.EVENT_READ)
            is_ready = selector.select(BOUND) and self.popen.stdout.readline().startswith("ready")
        if not is_ready:
            self.kill()
            raise AssertionError("it does not start")

    def signal(self, number: int) -> None:
        os.kill(self.popen.pid, number)

    def kill(self) -> None:
        self.popen.kill()
        self.popen.wait(BOUND)
        self.popen.stdout.close()

    def stop(self) -> None:
        """Stop it in order."""
        if self.popen.poll() is None:
            self.popen.send_signal(signal.SIGCONT)
            self.popen.terminate()
            self.popen.wait(BOUND)
        self.popen.stdout.close()


class Machine(Process):
    """A node, and the wires that lead to it and from it to the directory."""

    def __init__(self, name: str, host: str, directory: str, root: Path, folder: Path, *, direct: bool) -> None:
        self.name, self.folder = name, folder
        folder.mkdir()
        self.url = f"http://{host}:{free_port(host)}"
        to = self.url.removeprefix("http://").split(":")
        self.inwards = Wire((to[0], int(to[1])))
        there = directory.removeprefix("http://").split(":")
        self.outwards = Wire((there[0], int(there[1])))
        try:
            urls = (directory, self.url) if direct else (self.outwards.url, self.inwards.url)
            super().__init__("node", name, ":".join(to), *urls, root, folder)
        except BaseException:
            self.inwards.end()
            self.outwards.end()
            raise

    def cut(self, is_cut: bool = True) -> None:
        self.inwards.cut(is_cut)
        self.outwards.cut(is_cut)

    def end(self) -> None:
        self.stop()
        self.inwards.end()
        self.outwards.end()


class Machines:
    """Three nodes with one folder of films. ``http`` asks any of them, as a viewer behind a load balancer does."""

    def __init__(self, root: Path, folder: Path, *, direct: bool = False) -> None:
        """Start them; ``direct`` has them reach each other without a wire in between, which costs time."""
        self.nodes: dict[str, Machine] = {}
        self.http = httpx.Client(timeout=BOUND, trust_env=False, headers={"Authorization": "Bearer token"})
        port = free_port("127.0.0.1")
        self.directory = Process("directory", "127.0.0.1", port)
        try:
            for number, name in enumerate("abc", start=2):
                self.nodes[name] = Machine(
                    name, f"127.0.0.{number}", f"http://127.0.0.1:{port}", root, folder / name, direct=direct
                )
            until(lambda: all(len(self.seen_by(name)) == len(self.nodes) for name in self.nodes))
        except BaseException:
            self.close()
            raise

    def ask(self, node: str, path: str, method: str = "GET", **more) -> httpx.Response:
        return self.http.request(method, self.nodes[node].url + path, **more)

    def seen_by(self, node: str) -> list[str]:
        return [one["name"] for one in self.ask(node, "/nodes").json() if one["alive"]]

    def open(self, node: str, film: str, **more) -> Viewing:
        answer = self.ask(node, "/sessions", "POST", json={"media": film, **more})
        assert answer.status_code in {200, 201}, answer.text
        return Viewing(self, answer.json()["session_id"])

    def others(self, *names: str) -> list[str]:
        return [name for name in self.nodes if name not in names]

    def close(self) -> None:
        self.http.close()
        for node in self.nodes.values():
            node.end()
        self.directory.stop()


class Viewing:
    """A session as its viewer sees it."""

    def __init__(self, machines: Machines, session_id: str) -> None:
        self.machines, self.id = machines, session_id

    def get(self, node: str, path: str = "") -> httpx.Response:
        return self.machines.ask(node, f"/sessions/{self.id}{path}")

    def owner(self, node: str) -> str:
        """Return the node that owns it, as another says."""
        return self.get(node).json()["node"]

    def listed(self, node: str) -> list[str]:
        """Return the nodes that list it."""
        return [one["node"] for one in self.machines.ask(node, "/sessions").json() if one["session_id"] == self.id]
