"""How much a session adds to the time of ffmpeg itself, as ratios: each pair is measured in turn, in one execution.

The machine may be busy and noisy: look at the ratios, of medians over the rounds, not at the milliseconds.
"""

from __future__ import annotations

import argparse
import gzip
import os
import random
import resource
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

import httpx
import live
import load
import players
import quality
import raw_ffmpeg
from requests_per_second import requests_per_second

from hls_sessions import Session, Supervisor
from hls_sessions.cli.screen import print_rows
from hls_sessions.ffmpeg import Process, methods, plan_run
from hls_sessions.testing import Clip, make

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hls_sessions.ffmpeg import Exit

FILM = Clip(seconds=60, rate="30000/1001", size="1920x1080", gop=60, pixels="yuv420p")
SMALL = Clip(seconds=240, rate="25", size="640x360", gop=250)
"""A film that many can watch at once on a small machine."""
HEAVY = Clip(
    seconds=6,
    rate="25",
    size="1920x1080",
    gop=50,
    pixels="yuv420p",
    options=("-b:v", "4M", "-maxrate", "4M", "-bufsize", "4M"),
)
"""Copied in segments of about a megabyte."""

COPIED = Clip(
    seconds=120,
    rate="25",
    size="1920x1080",
    gop=50,
    b_frames=2,
    pixels="yuv420p",
    options=("-b:v", "8M", "-minrate", "8M", "-maxrate", "8M", "-bufsize", "8M", "-x264-params", "nal-hrd=cbr"),
)
"""Copied at 8 Mbit/s."""

COPIES = 100
IDLE_SESSIONS = 1000
SESSIONS = 100
OTHERS = 8
FETCHES = 1000
WATCHED = 10
LOOK_AHEAD = 10
"""Seconds."""


def main() -> int:
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"what to measure: {', '.join(PARTS)}; by default all")
    parser.add_argument("--film", type=Path, help="measure with this film where one is encoded")
    parser.add_argument("--rounds", type=int, default=7)
    load.options(parser)
    quality.options(parser)
    arguments = parser.parse_args()
    if unknown := set(arguments.parts) - PARTS.keys():
        parser.error(f"there is no part {', '.join(sorted(unknown))}")
    with tempfile.TemporaryDirectory(prefix="hls_sessions-bench-") as folder:
        for part in arguments.parts or PARTS:
            PARTS[part](arguments, Path(folder))
            print()
    return 0


def measure_copies(_: argparse.Namespace, scratch: Path) -> None:
    """Measure copied segments."""
    copies(make(COPIED, scratch, "copied.mp4"), scratch)


def measure_live(*_: object) -> None:
    """Measure recordings."""
    live.bench()


def measure_load(arguments: argparse.Namespace, scratch: Path) -> None:
    """Measure many viewers at once."""
    load.run(arguments, [make(clip, scratch) for clip in load.FILMS], scratch)


def measure_players(arguments: argparse.Namespace, scratch: Path) -> None:
    """Measure what players show."""
    players.bench(arguments.film, scratch, arguments.rounds)


def measure_quality(arguments: argparse.Namespace, scratch: Path) -> None:
    """Measure what the steps of the ladder look like."""
    quality.run(arguments.film and arguments.film.resolve(), arguments.segment_length, scratch)


def measure_served(arguments: argparse.Namespace, scratch: Path) -> None:
    """Measure what the daemon serves, beside nginx."""
    if shutil.which("nginx") and shutil.which("curl"):
        film = make(HEAVY, scratch, "heavy.mp4")
        print_rows(("WHAT", "NGINX", "DAEMON", "RATIO"), served(film, scratch, arguments.rounds))


def measure_sharing(arguments: argparse.Namespace, scratch: Path) -> None:
    """Measure the second viewer of a film."""
    film = film_of(arguments, scratch)
    with Supervisor(media=[film.parent], segments_dir=scratch / "segments") as supervisor:
        row = Bench(supervisor, film, scratch, arguments.rounds).second_viewer()
        print_rows(("WHAT", "THE FIRST", "THE SECOND", "RATIO"), [row])


def measure_sessions(arguments: argparse.Namespace, scratch: Path) -> None:
    """Measure encoded sessions, each kept apart, beside ffmpeg itself."""
    film = film_of(arguments, scratch)
    settings: dict[str, Any] = {"media": [film.parent, scratch], "segments_dir": scratch / "segments"}
    settings |= {"share_segments": False, "prepare": False}  # a segment is to be made when it is asked for
    with Supervisor(**settings, max_sessions=IDLE_SESSIONS + 100) as supervisor:
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
    with Supervisor(**settings, look_ahead=LOOK_AHEAD) as supervisor:
        print()
        print_rows(
            ("WHAT", "RAW FFMPEG", "SESSION", "RATIO"),
            [Bench(supervisor, film, scratch, arguments.rounds).cost()],
        )
    with Supervisor(**settings) as supervisor:
        crowd = Bench(supervisor, make(SMALL, scratch, "small.mp4"), scratch, arguments.rounds)
        print()
        print_rows(
            ("WHAT", "ALONE", f"WHILE {OTHERS} OTHERS PLAY", "RATIO"),
            [crowd.newcomer()],
        )


def measure_restart(arguments: argparse.Namespace, scratch: Path) -> None:
    """Measure a daemon that brings sessions back."""
    print_rows(("WHAT", "FIGURE"), [restarted(film_of(arguments, scratch), scratch)])


PARTS: dict[str, Callable[[argparse.Namespace, Path], None]] = {
    "players": measure_players,
    "sessions": measure_sessions,
    "copies": measure_copies,
    "sharing": measure_sharing,
    "quality": measure_quality,
    "served": measure_served,
    "load": measure_load,
    "live": measure_live,
    "restart": measure_restart,
}
"""What can be measured, in the order in which it is."""


def film_of(arguments: argparse.Namespace, scratch: Path) -> Path:
    """Return the film that is encoded."""
    if arguments.film:
        film: Path = arguments.film.resolve()
        return film
    return make(FILM, scratch, "film.mp4")


def copies(film: Path, scratch: Path) -> None:
    """Compare copied segments with an ffmpeg that copies the same, and with reading as many bytes; print the table."""
    chance = random.Random(1)  # noqa: S311 - the same ones each time
    with Supervisor(media=[film.parent], segments_dir=scratch / "segments", share_segments=False) as supervisor:
        cuts, ffmpeg = supervisor.probe(film).cuts("video-copy"), supervisor.binary.path
        firsts = [first_copy(supervisor, film) for _ in range(21)]
        took: dict[str, list[float]] = {"read": [], "ffmpeg": [], "session": []}
        computed, theirs = 0.0, children_seconds()
        for _ in range(2):
            session = supervisor.open(film)
            session.init("video-copy", timeout=60)
            before = session.info().encoder_seconds
            for number in chance.sample(range(len(cuts)), COPIES // 2):
                begun = time.monotonic()
                made = session.segment("video-copy", number, timeout=60)
                took["session"].append(time.monotonic() - begun)
                start = float(cuts.times[number])
                argv = [ffmpeg, "-nostdin", "-v", "error", "-y", "-ss", f"{start + 0.02:.3f}", "-i", str(film)]
                argv += ["-map", "0:v", "-c", "copy", "-t", "2", "-movflags", "frag_keyframe+empty_moov"]
                begun = time.monotonic()
                subprocess.run([*argv, str(scratch / "copied.m4s.mp4")], check=True)
                took["ffmpeg"].append(time.monotonic() - begun)
                size, begun = made.stat().st_size, time.monotonic()
                with film.open("rb", buffering=0) as file:
                    file.seek(int(start / 120 * (film.stat().st_size - size)))
                    file.read(size)
                took["read"].append(time.monotonic() - begun)
            computed += session.info().encoder_seconds - before
            session.stop()
        theirs = children_seconds() - theirs
    rows = [
        (what, *(f"{value(took[who]) * 1000:.1f} ms" for who in ("read", "ffmpeg", "session")))
        for what, value in (("median", statistics.median), ("99th of 100", lambda times: sorted(times)[-2]))
    ]
    rows.append(("processor time", "", f"{theirs / COPIES * 1000:.1f} ms", f"{computed / COPIES * 1000:.1f} ms"))
    rows.append(("first of a session", "", "", f"{statistics.median(firsts) * 1000:.1f} ms"))
    print_rows((f"{COPIES} COPIED SEGMENTS", "PLAIN READ", "FFMPEG", "SESSION"), rows)


def first_copy(supervisor: Supervisor, film: Path) -> float:
    """Return the seconds from opening a probed film to its first copied segment."""
    begun = time.monotonic()
    session = supervisor.open(film)
    session.segment("video-copy", 0, timeout=60)
    took = time.monotonic() - begun
    session.stop()
    return took


def children_seconds() -> float:
    """Return the processor seconds of all processes that have ended, and were waited for."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def own_seconds() -> float:
    """Return the processor seconds of this process."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


class Bench:
    """One film, measured again and again in fresh sessions."""

    def __init__(self, supervisor: Supervisor, film: Path, scratch: Path, rounds: int) -> None:
        self.supervisor = supervisor
        self.film = film
        self.scratch = scratch
        self.rounds = rounds
        presentation = supervisor.probe(film)
        encoded = [rendition for rendition in presentation.video if not rendition.copied]
        heights = [r for r in encoded if r.height <= 720]  # noqa: PLR2004 - the size most viewers get
        self.rendition = (heights or encoded)[0].id
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
        """Return the seconds until ffmpeg itself, which makes this segment alone, has finished it."""
        return raw_ffmpeg.seconds_to(self.supervisor, self.film, self.rendition, segment, self.scratch, until=segment)

    def first(self, session: Session) -> float:
        """Return the seconds until the first segment of a fresh session is there."""
        return self.timed(session, 0)

    def seek(self, session: Session) -> float:
        """Return the seconds until a segment far ahead of the running encoder is there."""
        self.watch(session, 0)
        return self.timed(session, self.middle)

    def seek_backwards(self, session: Session) -> float:
        """Return the seconds until a segment far behind the running encoder is there."""
        self.watch(session, self.middle)
        return self.timed(session, self.middle // 2)

    def crash(self, session: Session) -> float:
        """Return the seconds from the kill of the ffmpeg that a viewer waits for until the segment is there."""
        reply = session.ask_segment(self.rendition, self.middle)
        [encoder] = session.info().runs
        os.kill(encoder.pid, signal.SIGKILL)
        begun = time.monotonic()
        reply.get(60)
        return time.monotonic() - begun

    def watch(self, session: Session, first: int) -> None:
        """Get as many segments as show how quick an encoder is."""
        for segment in range(first, first + 3):
            self.timed(session, segment)

    def timed(self, session: Session, segment: int) -> float:
        """Return the seconds until a segment is there."""
        begun = time.monotonic()
        session.segment(self.rendition, segment, timeout=60)
        return time.monotonic() - begun

    def cost(self) -> tuple[str, ...]:
        """Compare the processor time of a viewer that watches at two positions with the cost of these spans alone."""
        presentation = self.supervisor.probe(self.film)
        cuts = presentation.cuts(self.rendition)
        raw, own = [], []
        for _ in range(self.rounds):
            session = self.supervisor.open(self.film)
            spans = []
            for first in (0, self.middle):
                last = cuts.reaching(first, WATCHED)
                for segment in range(first, last + 1):
                    self.timed(session, segment)
                while not all(run.held or run.first < first for run in session.info().runs):
                    time.sleep(0.02)
                spans.append((first, cuts.reaching(last, LOOK_AHEAD)))
            own.append(session.info().encoder_seconds)
            session.stop()
            raw.append(sum(self.processor_time(first, last) for first, last in spans))
        theirs, mine = statistics.median(raw), statistics.median(own)
        what = f"processor time of {WATCHED} s watched at each of two places"
        return what, f"{theirs:.1f} s", f"{mine:.1f} s", f"{mine / theirs:.2f}"

    def second_viewer(self) -> tuple[str, ...]:
        """Compare the processor time of the first viewer of a film, the supervisor's included, with the second's."""
        rendition = [each.id for each in self.supervisor.probe(self.film).video][-1]
        cuts = self.supervisor.probe(self.film).cuts(rendition)
        costs = []
        for _ in range(2):
            before = own_seconds()
            session = self.supervisor.open(self.film)
            for number in range(len(cuts)):
                session.segment(rendition, number, timeout=60)
            costs.append(own_seconds() - before + session.info().encoder_seconds)
        first, second = costs
        what = f"processor time of watching {self.film.name} in {rendition}"
        return what, f"{first:.2f} s", f"{second:.3f} s", f"{second / first:.1%}"

    def processor_time(self, first: int, last: int) -> float:
        """Return the processor seconds ffmpeg itself takes for some segments."""
        presentation, exited, seconds = self.supervisor.probe(self.film), Event(), []
        with tempfile.TemporaryDirectory(dir=self.scratch) as folder:
            rendition = presentation.renditions[self.rendition]
            method = methods(rendition, self.supervisor.encoder)[0]
            plan = plan_run(self.supervisor.binary, presentation, rendition, method, first, Path(folder), last)

            def ended(exit_: Exit) -> None:
                seconds.append(exit_.seconds)
                exited.set()

            Process(plan.argv, ended)
            exited.wait()
        return seconds[0]

    def newcomer(self) -> tuple[str, ...]:
        """Compare the time of a new viewer's first segment alone and while others play, each at its own position."""
        cuts = self.supervisor.probe(self.film).cuts(self.rendition)
        over = Event()

        def play(number: int) -> None:
            session = self.supervisor.open(self.film)
            for segment in range(number, len(cuts)):
                if over.is_set():
                    break
                session.segment(self.rendition, segment, timeout=60)
                over.wait(float(cuts.times[segment + 1] - cuts.times[segment]))
            session.stop()

        def first() -> float:
            session = self.supervisor.open(self.film)
            took = self.first(session)
            session.stop()
            return took

        alone = [first() for _ in range(self.rounds)]
        others = [Thread(target=play, args=(number * len(cuts) // (2 * OTHERS),)) for number in range(OTHERS)]
        for other in others:
            other.start()
        time.sleep(8)  # they are playing, and no longer filling their buffers
        among = []
        for _ in range(self.rounds):
            among.append(first())
            time.sleep(0.5)
        over.set()
        for other in others:
            other.join()
        before, then = statistics.median(alone), statistics.median(among)
        return (
            "a new viewer's first segment",
            f"{before * 1000:.0f} ms",
            f"{then * 1000:.0f} ms",
            f"{then / before:.2f}",
        )

    def list_all(self) -> float:
        """Return the seconds until all sessions have said how they are."""
        begun = time.monotonic()
        for reply in [session.ask_peek() for session in self.supervisor.sessions()]:
            reply.get(10)
        return time.monotonic() - begun

    def on_disk(self) -> tuple[str, str]:
        """Measure how long a segment that is on disk takes to be found; return the row."""
        session = self.supervisor.open(self.film)
        self.timed(session, 0)
        found = statistics.median(self.timed(session, 0) for _ in range(1000))
        session.stop()
        return "finding a segment that is on disk", f"{found * 1e6:.0f} µs"

    def idle(self) -> list[tuple[str, str]]:
        """Measure the cost of sessions that nobody watches; return the rows."""
        before, begun = resident(), time.monotonic()
        sessions = [self.supervisor.open(self.film) for _ in range(IDLE_SESSIONS)]
        opened = time.monotonic() - begun
        memory = (resident() - before) / len(sessions)
        listed = statistics.median(self.list_all() for _ in range(self.rounds))
        return [
            (f"opening {len(sessions)} sessions", f"{opened:.2f} s"),
            (f"listing {len(sessions)} sessions", f"{listed * 1000:.0f} ms"),
            ("memory of an idle session", f"{memory / 1024:.0f} KiB"),
        ]


@contextmanager
def daemon(media: Path, scratch: Path) -> Iterator[httpx.Client]:
    """Run a daemon that leaves its sessions to the next, and yield a client of it as soon as it is ready."""
    command = [sys.executable, "-m", "hls_sessions", "serve", "--port", "0", "--media", str(media)]
    command += ["--segments-dir", str(scratch / "segments"), "--state-dir", str(scratch / "state")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        url = process.stdout.readline().split()[-1]
        with httpx.Client(base_url=url, timeout=60, trust_env=False) as http:
            yield http
        process.terminate()


def served(film: Path, scratch: Path, rounds: int) -> list[tuple[str, ...]]:
    """Compare how fast a segment on disk and a playlist are served with nginx, which serves the very same files."""
    with daemon(film.parent, scratch) as http:
        session = http.post("/sessions", json={"media": str(film)}).json()
        path = f"/sessions/{session['session_id']}/video-copy/1.m4s"
        size = len(http.get(path).content)
        folder, playlist = Path(session["directory"]) / "video-copy", f"{path.rpartition('/')[0]}/index.m3u8"
        (folder / "index.m3u8").write_bytes(gzip.compress(http.get(playlist).content))
        daemon_url = str(http.base_url).rstrip("/")
        with nginx(folder, scratch) as url:
            rows = []
            for connections in (8, 64):
                theirs, mine = [], []
                for _ in range(rounds):
                    theirs.append(fetched(f"{url}/1.m4s", connections))
                    mine.append(fetched(f"{daemon_url}{path}", connections))
                ratio = statistics.median(theirs) / statistics.median(mine)
                speeds = (f"{FETCHES * size / 1e6 / statistics.median(each):.0f} MB/s" for each in (theirs, mine))
                rows.append((f"{size:,} bytes over {connections} connections", *speeds, f"{ratio:.2f}"))
            theirs, mine, heard = [], [], []
            for _ in range(rounds):
                theirs.append(requests_per_second(f"{url}/index.m3u8"))
                mine.append(requests_per_second(f"{daemon_url}{playlist}"))
                heard.append(requests_per_second(f"{daemon_url}/sessions/{session['session_id']}/heartbeat", "POST"))
            medians = [statistics.median(each) for each in (theirs, mine, heard)]
            rows.append(
                ("playlists per second", *(f"{each:,.0f}" for each in medians[:2]), f"{medians[1] / medians[0]:.2f}")
            )
            rows.append(("heartbeats per second", "", f"{medians[2]:,.0f}", ""))
        http.delete(f"/sessions/{session['session_id']}")
    return rows


@contextmanager
def nginx(folder: Path, scratch: Path) -> Iterator[str]:
    """Run nginx for a folder, and yield its address."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    configuration = scratch / "nginx.conf"
    configuration.write_text(
        f"""daemon off; pid {scratch}/nginx.pid; error_log {scratch}/nginx.log; worker_processes auto;
        {"user root;" if os.geteuid() == 0 else ""}
        events {{ worker_connections 1024; }}
        http {{ access_log off; sendfile on; tcp_nopush on; keepalive_requests 100000;
            server {{ listen 127.0.0.1:{port}; root {folder}; }} }}"""
    )
    with subprocess.Popen(["nginx", "-p", str(scratch), "-c", str(configuration)]) as process:
        while True:
            with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                break
        yield f"http://127.0.0.1:{port}"
        process.terminate()


def fetched(url: str, connections: int) -> float:
    """Return the seconds that so many fetches take, over so many connections."""
    command = ["curl", "--silent", "--fail", "--parallel", "--parallel-max", str(connections), "--output", "/dev/null"]
    begun = time.monotonic()
    subprocess.run([*command, f"{url}?n=[1-{FETCHES}]"], check=True, stderr=subprocess.DEVNULL)  # it shows progress
    return time.monotonic() - begun


def restarted(film: Path, scratch: Path) -> tuple[str, str]:
    """Measure how long a daemon takes that has a hundred sessions to bring back; return the row."""
    with daemon(film.parent, scratch) as http:
        for number in range(SESSIONS):
            http.post("/sessions", json={"media": str(film), "user": str(number)}).raise_for_status()
    begun = time.monotonic()
    with daemon(film.parent, scratch) as http:
        ready = time.monotonic() - begun
        while len(http.get("/sessions").json()) < SESSIONS:
            time.sleep(0.01)
        back = time.monotonic() - begun
        http.post("/sessions/stop", json={"all": True}).raise_for_status()
    return (
        f"a daemon with {SESSIONS} sessions is started again",
        f"ready after {ready:.2f} s, all back after {back:.2f} s",
    )


def resident() -> int:
    """Return this process's resident memory in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    sys.exit(main())
