"""How much a session adds to what ffmpeg itself takes, as ratios: each pair is measured in turn, in one run.

The machine may be busy and noisy: look at the ratios, of medians over the rounds, not at the milliseconds.
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import sys
import tempfile
import time
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

from hls_sessions import Session, Supervisor
from hls_sessions.cli.screen import print_rows
from hls_sessions.ffmpeg import Process, run
from hls_sessions.session.watcher import Watcher
from hls_sessions.testing import Clip, make

if TYPE_CHECKING:
    from collections.abc import Callable

FILM = Clip(seconds=60, rate="30000/1001", size="1920x1080", gop=250)
IDLE_SESSIONS = 1000


def main() -> int:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("file", nargs="?", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="hls_sessions-bench-") as folder:
        scratch = Path(folder)
        film = arguments.file.resolve() if arguments.file else make(FILM, scratch, "film.mp4")
        with Supervisor(media=[film.parent], segments_dir=scratch) as supervisor:
            bench = Bench(supervisor, film, scratch, arguments.rounds)
            print(f"{film.name}, {bench.rendition}, ffmpeg {supervisor.binary.version}, {os.cpu_count()} cores\n")
            print_rows(
                ("WHAT", "RAW FFMPEG", "SESSION", "RATIO"),
                [
                    bench.compared("first segment", 0, bench.first),
                    bench.compared("after a seek", bench.middle, bench.seek),
                    bench.compared("after a seek backwards", bench.middle // 2, bench.seek_backwards),
                    bench.compared("ffmpeg killed while a viewer waits", bench.middle, bench.crash),
                ],
            )
            print()
            print_rows(("WHAT", "FIGURE"), [bench.on_disk(), *bench.idle()])
    return 0


class Bench:
    """One film, measured again and again in fresh sessions."""

    def __init__(self, supervisor: Supervisor, film: Path, scratch: Path, rounds: int) -> None:
        self.supervisor = supervisor
        self.film = film
        self.scratch = scratch
        self.rounds = rounds
        presentation = supervisor.probe(film)
        heights = [r for r in presentation.video if r.height <= 720]  # noqa: PLR2004 - what most viewers get
        self.rendition = (heights or presentation.video)[0].id
        self.middle = len(presentation.cuts(self.rendition)) // 2

    def compared(self, what: str, segment: int, ours: Callable[[Session], float]) -> tuple[str, ...]:
        """Measure raw ffmpeg and a session in turn; return the row."""
        raw, own = [], []
        for _ in range(self.rounds):
            raw.append(self.raw(segment))
            session = self.supervisor.open(self.film)
            own.append(ours(session))
            session.stop()
        theirs, mine = statistics.median(raw), statistics.median(own)
        return what, f"{theirs * 1000:.0f} ms", f"{mine * 1000:.0f} ms", f"{mine / theirs:.2f}"

    def raw(self, segment: int) -> float:
        """Return the seconds until ffmpeg itself, started with the very same command, has finished a segment."""
        presentation = self.supervisor.probe(self.film)
        watcher, finished, exited = Watcher(), Event(), Event()
        watcher.start()
        with tempfile.TemporaryDirectory(dir=self.scratch) as folder:
            rendition = presentation.renditions[self.rendition]
            plan = run(self.supervisor.binary, presentation, rendition, segment, Path(folder))
            wanted = f"{segment}.m4s"
            watcher.watch(Path(folder), lambda path: finished.set() if path.name == wanted else None)
            begun = time.monotonic()
            process = Process(plan.argv, lambda _: exited.set())
            finished.wait()
            took = time.monotonic() - begun
            process.kill()
            exited.wait()
            watcher.stop()
        return took

    def first(self, session: Session) -> float:
        """Return the seconds until the first segment of a fresh session is there."""
        return self.timed(session, 0)

    def seek(self, session: Session) -> float:
        """Return the seconds until a segment far ahead of what is being made is there."""
        self.timed(session, 0)
        return self.timed(session, self.middle)

    def seek_backwards(self, session: Session) -> float:
        """Return the seconds until a segment far behind what is being made is there."""
        self.timed(session, self.middle)
        return self.timed(session, self.middle // 2)

    def crash(self, session: Session) -> float:
        """Return the seconds from the kill of the ffmpeg a viewer waits for until his segment is there."""
        reply = session.ask_segment(self.rendition, self.middle)
        [encoder] = session.info().runs
        os.kill(encoder.pid, signal.SIGKILL)
        begun = time.monotonic()
        reply.get(60)
        return time.monotonic() - begun

    def timed(self, session: Session, segment: int) -> float:
        """Return the seconds until a segment is there."""
        begun = time.monotonic()
        session.segment(self.rendition, segment, timeout=60)
        return time.monotonic() - begun

    def on_disk(self) -> tuple[str, str]:
        """Say how long a segment that is on disk takes to be found."""
        session = self.supervisor.open(self.film)
        self.timed(session, 0)
        found = statistics.median(self.timed(session, 0) for _ in range(1000))
        session.stop()
        return "finding a segment that is on disk", f"{found * 1e6:.0f} µs"

    def idle(self) -> list[tuple[str, str]]:
        """Say what sessions nobody watches cost."""
        before, begun = resident(), time.monotonic()
        sessions = [self.supervisor.open(self.film) for _ in range(IDLE_SESSIONS)]
        opened = time.monotonic() - begun
        memory = (resident() - before) / len(sessions)
        begun = time.monotonic()
        for glance in [session.ask_glance() for session in self.supervisor.sessions()]:
            glance.get(10)
        listed = time.monotonic() - begun
        return [
            (f"opening {len(sessions)} sessions", f"{opened:.2f} s"),
            (f"listing {len(sessions)} sessions", f"{listed * 1000:.0f} ms"),
            ("memory of an idle session", f"{memory / 1024:.0f} KiB"),
        ]


def resident() -> int:
    """Return this process's resident memory in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    sys.exit(main())
