"""Viewers in a storm: encoders and packagers are killed, descriptors and processes run out, the disk fills and frees.

The daemon runs as a user without rights, because no limit of processes holds for root. Its segments are on a small disk
of their own. So this needs root, and nothing of it is left.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import pwd
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
from load import FILMS, Crowd, at

from hls_sessions.cli.screen import print_rows
from hls_sessions.testing import Clip, make

if TYPE_CHECKING:
    from collections.abc import Iterator

ENCODED = Clip(seconds=60, size="128x72", gop=50)
"""A film that cannot be copied, small enough for many encoders on two cores."""
NOBODY = pwd.getpwnam("nobody").pw_uid
AS_NOBODY = (
    *("setpriv", f"--reuid={NOBODY}", "--clear-groups"),
    # It reads what root has installed.
    *("--inh-caps=-all,+dac_read_search", "--ambient-caps=-all,+dac_read_search"),
)
DISK = 400 * 1024**2
"""Bytes of the disk for segments."""
SETTLED = 30.0
"""Seconds after the storm within which all must be gone."""


class Weather:
    """The faults that are injected, one kind after the other, and how many there were."""

    def __init__(self, daemon: int, disk: Path, until: float) -> None:
        self.faults: Counter[str] = Counter()
        self._daemon = daemon
        self._ballast = disk / "ballast"
        self._until = until

    async def blow(self) -> None:
        """Inject faults until the time is over, two seconds each, and one without."""
        kinds = {
            "descriptors": self.without_descriptors,
            "processes": self.without_processes,
            "disk full": self.without_room,
        }
        while time.monotonic() < self._until:
            for kind, fault in kinds.items():
                with fault():
                    self.faults[kind] += 1
                    await asyncio.sleep(2)
                await asyncio.sleep(1)

    @contextmanager
    def without_descriptors(self) -> Iterator[None]:
        """Leave the daemon hardly more descriptors than it has."""
        have = sum(1 for _ in Path(f"/proc/{self._daemon}/fd").iterdir())
        with self._limited("nofile", have + 3):
            yield

    @contextmanager
    def without_processes(self) -> Iterator[None]:
        """Leave the daemon's user hardly more processes and threads than there are: too few for another encoder."""
        threads = 0
        for process in Path("/proc").iterdir():
            with suppress(OSError):
                if process.name.isdecimal() and process.stat().st_uid == NOBODY:
                    threads += sum(1 for _ in (process / "task").iterdir())
        with self._limited("nproc", threads + 6):
            yield

    @contextmanager
    def without_room(self) -> Iterator[None]:
        """Fill the disk."""
        try:
            with suppress(OSError), self._ballast.open("wb", buffering=0) as ballast:
                while True:
                    ballast.write(bytes(1 << 20))
            yield
        finally:
            self._ballast.unlink(missing_ok=True)

    @contextmanager
    def _limited(self, what: str, most: int) -> Iterator[None]:
        told = (*AS_NOBODY, "prlimit", f"--pid={self._daemon}")
        shown = (*told, f"--{what}", "--noheadings", "--output=SOFT")
        before = subprocess.run(shown, check=True, capture_output=True, text=True).stdout.strip()
        subprocess.run((*told, f"--{what}={most}:"), check=True)
        try:
            yield
        finally:
            subprocess.run((*told, f"--{what}={before}:"), check=True)


async def endured(url: str, daemon: int, disk: Path, media: list[Path], arguments: argparse.Namespace) -> bool:
    """Have a crowd watch in a storm, print what each of them saw, and return whether nobody saw an error or a gap."""
    crowd = Crowd(url, media, arguments)
    weather = Weather(daemon, disk, time.monotonic() + arguments.seconds)
    await asyncio.gather(crowd.watch(), crowd.kill(daemon), weather.blow())
    rows: list[tuple[Any, ...]] = [
        (
            number,
            len(seen.sought) + len(seen.next),
            at(1.0, [*seen.sought, *seen.next]),
            f"{len(seen.stalls)}, {sum(seen.stalls):.1f} s",
            len(seen.gaps),
            len(seen.errors),
        )
        for number, seen in enumerate(crowd.seen)
    ]
    print_rows(("VIEWER", "SEGMENTS", "LONGEST WAIT", "STALLS", "GAPS", "ERRORS"), rows)
    for seen in crowd.seen:
        for fault in [*seen.errors, *seen.gaps]:
            print(fault)
    print(f"{crowd.kills} processes killed;", ", ".join(f"{kind}: {times}" for kind, times in weather.faults.items()))
    async with httpx.AsyncClient(base_url=url, timeout=SETTLED, trust_env=False) as http:
        for session in (await http.get("/sessions")).raise_for_status().json():
            ended = await http.delete(f"/sessions/{session['session_id']}")
            if ended.is_error:
                print(f"{ended.status_code} for the end of a session: {ended.text}")
    return not any(seen.errors or seen.gaps for seen in crowd.seen)


def left_on(disk: Path) -> list[str]:
    """Return what is left of the sessions, once it is nothing or too long has passed."""
    until = time.monotonic() + SETTLED
    while (left := sorted(path.name for path in disk.iterdir())) and time.monotonic() < until:
        time.sleep(0.5)
    for process in Path("/proc").iterdir():
        with suppress(OSError):
            if process.name.isdecimal() and process.stat().st_uid == NOBODY:
                left.append(f"process {process.name}: {(process / 'cmdline').read_text().replace(chr(0), ' ')}")
    return left


@contextmanager
def small_disk(scratch: Path) -> Iterator[Path]:
    """Mount a small disk that belongs to nobody."""
    disk = scratch / "segments"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK},uid={NOBODY},mode=700", "tmpfs", disk], check=True)
    try:
        yield disk
    finally:
        subprocess.run(["umount", disk], check=True)


def main() -> int:
    """Let a storm blow; 1 when a viewer saw anything of it, or something is left."""
    parser = argparse.ArgumentParser(prog="scripts/storm", description=__doc__)
    parser.add_argument("--viewers", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--kill", type=float, default=0.25, help="seconds between two processes that are killed")
    parser.set_defaults(seek=0.05, ramp=10.0)
    arguments = parser.parse_args()
    if os.geteuid() != 0:
        parser.error("this needs root")
    with tempfile.TemporaryDirectory(prefix="hls_sessions-storm-") as folder, small_disk(Path(folder)) as disk:
        scratch, media, state = Path(folder), Path(folder, "media"), Path(folder, "state")
        scratch.chmod(0o755)
        media.mkdir()
        state.mkdir()
        os.chown(state, NOBODY, -1)
        films = [make(clip, media) for clip in (*FILMS, ENCODED)]
        daemon = [*AS_NOBODY, sys.executable, "-m", "hls_sessions", "serve", "--port", "0", "--media", str(media)]
        daemon += ["--segments-dir", str(disk), "--state-dir", str(state)]
        settings = os.environ | {"HLS_SESSIONS_MAX_SESSIONS": str(arguments.viewers + 10), "HOME": str(state)}
        with subprocess.Popen(daemon, stdout=subprocess.PIPE, text=True, env=settings, cwd=scratch) as process:
            assert process.stdout
            url = process.stdout.readline().split()[-1]
            try:
                was_quiet = asyncio.run(endured(url, process.pid, disk, films, arguments))
            finally:
                process.terminate()
        left = left_on(disk)
    print("Nothing is left." if not left else f"Left: {', '.join(left)}")
    return 0 if was_quiet and not left else 1


if __name__ == "__main__":
    sys.exit(main())
