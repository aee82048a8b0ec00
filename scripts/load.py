"""Viewers by the hundred: each opens a film, plays it in real time, seeks now and then, leaves and comes back.

The generator must not cost what it measures: it counts the bytes of a body and throws them away.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from hls_sessions.cli.screen import print_rows
from hls_sessions.ffmpeg.process import processor_seconds
from hls_sessions.testing import Clip, make

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

FILMS = [
    Clip(
        seconds=120,
        size=size,
        gop=50,
        b_frames=2,
        pixels="yuv420p",
        options=("-b:v", rate, "-minrate", rate, "-maxrate", rate, "-bufsize", rate, "-x264-params", "nal-hrd=cbr"),
    )
    for size, rate in (("1280x720", "4M"), ("960x540", "2M"))
]
AHEAD = 8.0
"""Seconds of film that a player keeps loaded."""
BACK = 6.0
"""Seconds that are still loaded when it goes on loading."""
BUSY = httpx.codes.SERVICE_UNAVAILABLE
"""The status with which a daemon tells a client when to come back."""
BOUND = 120.0
"""Seconds after which a request counts as lost."""


@dataclass(slots=True)
class Seen:
    """The measurements of viewers. Times in seconds."""

    sought: list[float] = field(default_factory=list)
    """How long the first segment took, at the beginning and after each seek."""
    next: list[float] = field(default_factory=list)
    """How long each further segment took."""
    stalls: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    gaps: list[str] = field(default_factory=list)
    """The segments that were answered with a gap, and the reasons."""
    size: int = 0

    def add(self, other: Seen) -> None:
        """Add the measurements of others."""
        self.sought += other.sought
        self.next += other.next
        self.stalls += other.stalls
        self.errors += other.errors
        self.gaps += other.gaps
        self.size += other.size


class Connection(asyncio.BufferedProtocol):
    """A kept-alive HTTP/1.1 connection that reads answers and keeps their size alone."""

    def __init__(self) -> None:
        self._buffer = bytearray(1 << 18)
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[tuple[int, int]] | None = None
        self._head = b""
        self._status = 0
        self._left = -1
        self._size = 0
        self.gap: str | None = None
        """Why the last answer was a gap; None if it was none."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport for writing."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def get_buffer(self, sizehint: int) -> bytearray:  # noqa: ARG002 - one size for all
        """Return the buffer to read into."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Count the bytes that were read."""
        if self._left < 0:
            self._head += bytes(self._buffer[:nbytes])
            end = self._head.find(b"\r\n\r\n")
            if end < 0:
                return
            head = self._head[:end].decode("latin-1").lower()
            self._status = int(head.split(" ", 2)[1])
            length = re.search(r"content-length: (\d+)", head)
            gap = re.search(r"segment-impossible: (.*)", head)
            self.gap = gap and gap[1].strip()
            self._size = self._left = int(length[1]) if length else 0
            nbytes = len(self._head) - end - 4
        self._left -= nbytes
        if self._left <= 0 and self._answer is not None and not self._answer.done():
            self._answer.set_result((self._status, self._size))

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail the answer that is waited for."""
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(exc or ConnectionError("closed"))

    def close(self) -> None:
        """Hang up."""
        if self._transport is not None:
            self._transport.close()

    async def get(self, host: str, path: str) -> tuple[int, int]:
        """Return the status of an answer, and how many bytes it has.

        Raises:
            ConnectionError, TimeoutError: none came.
        """
        assert self._transport is not None
        self._head, self._left = b"", -1
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        return await asyncio.wait_for(self._answer, BOUND)


class Crowd:
    """Many viewers of one daemon."""

    def __init__(self, url: str, media: Sequence[Path], arguments: argparse.Namespace) -> None:
        self.seen = [Seen() for _ in range(arguments.viewers)]
        self.kills = 0
        self._url = httpx.URL(url)
        self._media = media
        self._arguments = arguments
        self._until = time.monotonic() + arguments.seconds

    async def watch(self) -> None:
        """Have all of them watch until the time is over."""
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
        async with httpx.AsyncClient(base_url=self._url, timeout=BOUND, limits=limits, trust_env=False) as http:
            await asyncio.gather(*(self._viewer(http, number) for number in range(self._arguments.viewers)))

    async def kill(self, daemon: int) -> None:
        """Kill one of the daemon's workers or encoders every so often."""
        while self._arguments.kill and time.monotonic() < self._until:
            await asyncio.sleep(self._arguments.kill)
            if victims := list(victims_of(daemon)):
                with suppress(OSError):
                    os.kill(random.choice(victims), signal.SIGKILL)  # noqa: S311 - any of them
                    self.kills += 1

    async def _viewer(self, http: httpx.AsyncClient, number: int) -> None:
        chance = random.Random(number)  # noqa: S311 - the same ones each time
        media = str(self._media[number % len(self._media)])
        await asyncio.sleep(chance.random() * self._arguments.ramp)
        while time.monotonic() < self._until:
            try:
                session = await self._open(http, media, f"load-{number}")
                await self._play(*session[1:], chance, self.seen[number])
                if chance.random() < 1 / 2:
                    await http.delete(f"/sessions/{session[0]}")
            except (httpx.HTTPError, OSError) as error:
                self.seen[number].errors.append(repr(error))
                await asyncio.sleep(1)

    async def _open(self, http: httpx.AsyncClient, media: str, user: str) -> tuple[str, list[str], list[float]]:
        """Open a session; return its id, the paths of a variant's segments, and how long each lasts."""
        wanted = {"media": media, "user": user, "share": self._arguments.share}
        answer = await http.post("/sessions", json=wanted)
        if answer.status_code == BUSY:
            await asyncio.sleep(float(answer.headers["Retry-After"]))
            return await self._open(http, media, user)
        opened = answer.raise_for_status().json()
        master = self._url.join(opened["playlist_url"])
        variants = locations((await http.get(master)).raise_for_status().text)
        variant = master.join(variants[-1 if self._arguments.encoded else 0])
        playlist = (await http.get(variant)).raise_for_status().text
        paths = [variant.join(name).raw_path.decode() for name in locations(playlist)]
        return opened["session_id"], paths, [float(length) for length in re.findall(r"#EXTINF:([\d.]+)", playlist)]

    async def _play(self, paths: list[str], lengths: list[float], chance: random.Random, seen: Seen) -> None:
        """Load segments as a player does: as fast as they come until enough is there, then as they are shown."""
        loop, host, port = asyncio.get_running_loop(), self._url.host, self._url.port or 80
        _, connection = await loop.create_connection(Connection, host, port)
        try:
            await self._load(connection, f"{host}:{port}", paths, lengths, chance, seen)
        finally:
            connection.close()

    async def _asked_again(self, path: str) -> str:
        """Return the answer to a request that was answered with an error, because that was not read."""
        try:
            async with httpx.AsyncClient(base_url=self._url, timeout=BOUND, trust_env=False) as http:
                answer = await http.get(path)
        except httpx.HTTPError as error:
            return repr(error)
        return f"{answer.status_code}" if answer.is_success else answer.text

    async def _load(
        self,
        connection: Connection,
        host: str,
        paths: list[str],
        lengths: list[float],
        chance: random.Random,
        seen: Seen,
    ) -> None:
        at, has_sought, loaded_until = chance.randrange(len(paths)), True, 0.0
        while time.monotonic() < self._until:
            asked = time.monotonic()
            status, size = await connection.get(host, paths[at])
            now = time.monotonic()
            if status != httpx.codes.OK or not size:
                seen.errors.append(f"{status} for {paths[at]}; asked again: {await self._asked_again(paths[at])}")
                await asyncio.sleep(1)
                return
            if connection.gap is not None:
                seen.gaps.append(f"{paths[at]}: {connection.gap}")
            seen.size += size
            if has_sought:
                seen.sought.append(now - asked)
                loaded_until = now
            else:
                seen.next.append(now - asked)
            if now > loaded_until:
                seen.stalls.append(now - loaded_until)
            loaded_until = max(now, loaded_until) + lengths[at]
            at, has_sought = at + 1, False
            if at == len(paths) or chance.random() < self._arguments.seek:
                at, has_sought = chance.randrange(len(paths)), True
            elif loaded_until - time.monotonic() > AHEAD:
                await asyncio.sleep(loaded_until - time.monotonic() - BACK)


def locations(playlist: str) -> list[str]:
    """Return the addresses in a playlist."""
    return [line for line in playlist.splitlines() if line and not line.startswith("#")]


def parents() -> dict[int, int]:
    """Return the parent of every process."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with suppress(OSError):
                found[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
    return found


def victims_of(daemon: int) -> Iterator[int]:
    """Yield the encoders of a daemon, and the workers that are forked from a parent of theirs."""
    known = parents()
    for pid, parent in known.items():
        with suppress(OSError):
            is_encoder = parent == daemon and b"ffmpeg" in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0]
            if is_encoder or known.get(parent) == daemon:
                yield pid


def at(share: float, times: list[float]) -> str:
    """Return a percentile in milliseconds."""
    return f"{sorted(times)[min(len(times) - 1, int(len(times) * share))] * 1000:.0f} ms" if times else "none"


async def measured(url: str, daemon: int, media: Sequence[Path], arguments: argparse.Namespace) -> Seen:
    """Have a crowd watch, and print its measurements."""
    crowd = Crowd(url, media, arguments)
    before, own = processor_seconds(daemon), time.process_time()
    await asyncio.gather(crowd.watch(), crowd.kill(daemon))
    cores = (processor_seconds(daemon) - before) / arguments.seconds
    seen, seconds = Seen(), arguments.seconds
    for each in crowd.seen:
        seen.add(each)
    rows: list[tuple[Any, ...]] = [
        ("segments", f"{(len(seen.sought) + len(seen.next)) / seconds:.0f}/s, {seen.size / 1e6 / seconds:.0f} MB/s"),
        ("first segment and after a seek", f"median {at(0.5, seen.sought)}, 99 % {at(0.99, seen.sought)}"),
        ("each further segment", f"median {at(0.5, seen.next)}, 99 % {at(0.99, seen.next)}"),
        ("stalls", f"{len(seen.stalls)}, {sum(seen.stalls):.1f} s in all"),
        ("errors", f"{len(seen.errors)}{': ' + seen.errors[0] if seen.errors else ''}"),
        ("gaps", f"{len(seen.gaps)}{': ' + seen.gaps[0] if seen.gaps else ''}"),
        ("processes killed", crowd.kills),
        ("the daemon's own share", f"{cores:.2f} cores"),
        ("the generator's", f"{(time.process_time() - own) / seconds:.2f} cores"),
    ]
    print_rows((f"{arguments.viewers} VIEWERS, {seconds:.0f} S", "FIGURE"), [(what, str(row)) for what, row in rows])
    return seen


def options(parser: argparse.ArgumentParser) -> None:
    """Add the options of a load."""
    parser.add_argument("--viewers", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--seek", type=float, default=0.05, help="how likely a viewer seeks after a segment")
    parser.add_argument("--kill", type=float, default=0.0, help="seconds between two processes that are killed")
    parser.add_argument("--encoded", action="store_true", help="watch the last variant and not the first")
    parser.add_argument("--share", action="store_true", help="have viewers of one film share what is made for them")
    parser.add_argument("--ramp", type=float, default=10.0, help="seconds within which all have come")


def run(arguments: argparse.Namespace, media: Sequence[Path], scratch: Path) -> Seen:
    """Start a daemon, and measure it."""
    command_line = [sys.executable, "-m", "hls_sessions", "serve", "--port", "0", "--drain"]
    for folder in {film.parent for film in media}:
        command_line += ["--media", str(folder)]
    command_line += ["--segments-dir", str(scratch / "segments"), "--state-dir", str(scratch / "state")]
    settings = os.environ | {"HLS_SESSIONS_MAX_SESSIONS": str(arguments.viewers + 10)}
    with subprocess.Popen(command_line, stdout=subprocess.PIPE, text=True, env=settings) as daemon:
        assert daemon.stdout
        url = daemon.stdout.readline().split()[-1]
        try:
            return asyncio.run(measured(url, daemon.pid, media, arguments))
        finally:
            daemon.terminate()


def main() -> int:
    """Measure; 1 when a viewer got an error."""
    parser = argparse.ArgumentParser(prog="scripts/load", description=__doc__)
    options(parser)
    parser.add_argument("films", nargs="*", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="hls_sessions-load-") as folder:
        scratch = Path(folder)
        films = [film.resolve() for film in arguments.films] or [make(clip, scratch) for clip in FILMS]
        return 1 if run(arguments, films, scratch).errors else 0


if __name__ == "__main__":
    sys.exit(main())
