"""What a cluster costs: the wait of a viewer whose node is lost, and the work of a directory.

The simulated directory is the real one, with its messages spelled as they are sent; the nodes say what real ones say.
One second of the cluster takes so many processor seconds of the directory's one thread: from 1.0 on it cannot keep up.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hls_sessions.cluster.claims import Granted
from hls_sessions.cluster.directory import Directory
from hls_sessions.cluster.messages import Answer, Beat, Written
from hls_sessions.cluster.node import Node
from hls_sessions.cluster.pace import Pace
from hls_sessions.cluster.wire import read, spell
from hls_sessions.testing import Clip, make, serve

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
from machines import Machines, until  # type: ignore[import-not-found]

SUCCESS = 200

ROW = {
    "id": "7f3a2c9e-0d52-4a0f-9a53-0f2f6a1c9b77", "user": "viewer 12345", "media": "/films/a/rather/long/path/film.mkv",
    "duration": 5400.0, "segment_length": 2.0, "start_at": 0.0, "idle_timeout": 1800.0, "created_at": 1.8e9,
    "last_activity_at": 1.8e9, "state": "active", "fingerprint": "0" * 64, "encoder": "5.1.9-0+deb12u1 libx264",
    "file_size": 4_000_000_000, "file_modified": 1_800_000_000_000_000_000, "position": 1234.5, "updated_at": 1.8e9,
}  # fmt: skip


def simulate(nodes: int, sessions: int, seconds: float, opens: float) -> dict[str, float]:
    """Run a cluster for some of its seconds; return figures of each of them."""
    now = 0.0
    directory = Directory("simulation", now=lambda: now, wall=lambda: 1.8e9 + now)
    row = json.dumps(ROW)
    owned: dict[str, dict[str, int]] = {f"node-{number}": {} for number in range(nodes)}
    names = list(owned)
    for number in range(sessions):
        owned[names[number % nodes]][f"{number:032x}-0000"] = 1
    heard: dict[str, Answer] = {}
    pace = Pace.of(nodes, sessions)
    figures = {"beats": 0, "rows": 0, "claims": 0, "bytes in": 0, "bytes out": 0}

    def beat(name: str, rows: tuple[Written, ...], *, everything: bool = False) -> float:
        waiting = random.randrange(5)  # noqa: S311 - a load, no secret
        node = Node(
            name=name, url=f"http://{name}:8642", life=name, roots=("/films",), slots=8, encoder="x264", waiting=waiting
        )
        last = heard.get(name)
        told = Beat(
            cluster="simulation", node=node, rows=rows, owned=dict(owned[name]) if everything else None,
            life=directory.life, version=last.version if last else 1 << 40, news=last.news if last else 1 << 40,
        )  # fmt: skip
        text = spell(told)
        begun = time.process_time()
        answer = directory.beat(read(Beat, text))
        spelled = spell(answer)
        took = time.process_time() - begun
        heard[name] = answer
        figures["beats"] += 1
        figures["rows"] += len(rows)
        figures["bytes in"] += len(text)
        figures["bytes out"] += len(spelled)
        return took

    for name in names:
        written = tuple(Written(session=session, row=row) for session in owned[name])
        beat(name, written, everything=True)
    for name in names:  # what each has to hear of the others at first is not counted
        heard[name] = replace(
            heard[name], version=directory.claims.version, news=directory.news, claims=(), nodes=(), granted={}
        )
    figures = dict.fromkeys(figures, 0)
    took = 0.0
    steps = max(1, round(seconds / pace.beat))
    due = 0.0
    for step in range(steps):
        is_due = step * pace.beat >= due
        due += pace.rows if is_due else 0.0
        for number, name in enumerate(names):
            now = (step + number / nodes) * pace.beat
            rows = tuple(Written(session=s, epoch=1, row=row) for s in owned[name]) if is_due else ()
            took += beat(name, rows)
            if random.random() < opens * pace.beat / nodes:  # noqa: S311 - as above
                session = f"new-{figures['claims']}"
                begun = time.process_time()
                owned[name][session] = 1
                beat(name, (Written(session=session, row=row),), everything=True)
                assert isinstance(directory.claim(session, 1, name), Granted)
                owned[name][session] = 2
                took += time.process_time() - begun
                figures["claims"] += 1
    lasted = steps * pace.beat
    return {
        "seconds between beats": pace.beat,
        "seconds between rows": pace.rows,
        **{f"{name} a second": value / lasted for name, value in figures.items()},
        "processor seconds a second": took / lasted,
        "resident MiB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def lose(tries: int) -> None:
    """Lose the owner of a session in each way, while a viewer waits for a segment that must be encoded."""
    with tempfile.TemporaryDirectory() as folder:
        films, nodes = Path(folder, "films"), Path(folder, "nodes")
        films.mkdir()
        nodes.mkdir()
        film = make(Clip(seconds=600, size="640x360", gop=50, pixels="yuv422p"), films)
        machines = Machines(films, nodes)
        try:
            for way in ("killed", "frozen", "cut off"):
                took = [_lost(machines, film, way, number) for number in range(tries)]
                print(f"{way:8} {_spread(took)}", flush=True)
            print(f"{'nothing':8} {_spread([_seek(machines, film, number) for number in range(tries)])}")
            print(f"{'ffmpeg':8} {_spread([_raw(film, number, Path(folder)) for number in range(tries)])}")
        finally:
            machines.close()


def compare(rounds: int) -> None:
    """Fetch a segment of a megabyte from a daemon by itself, from its node, and through another node, in turn."""
    with tempfile.TemporaryDirectory() as folder:
        films, nodes = Path(folder, "films"), Path(folder, "nodes")
        films.mkdir()
        nodes.mkdir()
        rate = ("-b:v", "4M", "-minrate", "4M", "-maxrate", "4M", "-bufsize", "4M", "-x264-params", "nal-hrd=cbr")
        film = make(Clip(seconds=12, size="1280x720", gop=50, pixels="yuv420p", options=rate), films)
        machines, alone = (
            Machines(films, nodes, direct=True),
            serve(Path(folder, "alone"), [films], "--token", "token", "--state-dir", f"{folder}/state"),
        )
        alone.http.headers["Authorization"] = "Bearer token"
        try:
            viewing = machines.open("a", film.name)
            owner = viewing.owner("a")
            other = machines.others(owner)[0]
            path = f"/sessions/{viewing.id}/video-copy/2.m4s"
            of_alone = f"/sessions/{alone.open(film)['session_id']}/video-copy/2.m4s"
            ways: dict[str, Callable[[], httpx.Response]] = {
                "a daemon by itself": lambda: alone.http.get(of_alone),
                "its own node": lambda: machines.ask(owner, path),
                "another node": lambda: machines.ask(other, path),
            }
            took: dict[str, list[float]] = {way: [] for way in ways}
            for _ in range(rounds):
                for way, ask in ways.items():
                    begun = time.perf_counter()
                    answer = ask()
                    took[way].append(time.perf_counter() - begun)
                    assert answer.status_code == SUCCESS
            least = statistics.median(took["a daemon by itself"])
            for way, times in took.items():
                middle = statistics.median(times)
                print(f"{way:20} {len(answer.content):,} bytes in {middle * 1000:.2f} ms: {least / middle:.2f}")
        finally:
            alone.close()
            machines.close()


def _lost(machines: Any, film: Path, way: str, number: int) -> float:
    """Lose an owner; return the seconds from the request for a segment, made at the same time, to the segment."""
    viewing = machines.open("a", film.name)
    owner = viewing.owner("a")
    ingress = machines.others(owner)[number % 2]
    assert viewing.get(ingress, "/video-360p/0.m4s").status_code == SUCCESS
    node = machines.nodes[owner]
    # These nodes share processors. One that is lost must not encode meanwhile, as if it were another machine.
    until(lambda: (runs := viewing.get(owner).json()["runs"]) and all(run["held"] for run in runs))
    {"killed": node.kill, "frozen": lambda: node.signal(signal.SIGSTOP), "cut off": node.cut}[way]()
    begun = time.monotonic()
    answer = viewing.get(ingress, f"/video-360p/{20 + number * 3}.m4s")
    took = time.monotonic() - begun
    assert answer.status_code == SUCCESS, answer.text
    {"killed": node.start, "frozen": lambda: node.signal(signal.SIGCONT), "cut off": lambda: node.cut(False)}[way]()
    until(lambda: len(machines.seen_by(ingress)) == len(machines.nodes))
    until(lambda: viewing.listed(ingress) == [viewing.owner(ingress)])
    machines.ask(ingress, f"/sessions/{viewing.id}", "DELETE")
    return took


def _seek(machines: Any, film: Path, number: int) -> float:
    """Return the seconds that such a segment takes when no node is lost."""
    viewing = machines.open("a", film.name)
    assert viewing.get("a", "/video-360p/0.m4s").status_code == SUCCESS
    begun = time.monotonic()
    assert viewing.get("a", f"/video-360p/{20 + number * 3}.m4s").status_code == SUCCESS
    took = time.monotonic() - begun
    machines.ask("a", f"/sessions/{viewing.id}", "DELETE")
    return took


def _raw(film: Path, number: int, folder: Path) -> float:
    """Return the seconds that ffmpeg alone takes for two seconds of the film."""
    begun = time.monotonic()
    command = ["ffmpeg", "-v", "error", "-y", "-ss", f"{40 + number * 6}", "-i", str(film), "-t", "2", "-an"]
    command += ["-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p", str(folder / "raw.mp4")]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    return time.monotonic() - begun


def _spread(took: list[float]) -> str:
    ordered = sorted(took)
    return f"{len(took)} tries: median {statistics.median(took):.2f} s, least {ordered[0]:.2f}, most {ordered[-1]:.2f}"


def main() -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(prog="scripts/cluster", description=__doc__)
    what = parser.add_subparsers(dest="what", required=True)
    losing = what.add_parser("lose", help="lose the node of a viewer who waits")
    losing.add_argument("--tries", type=int, default=50, help="of each way")
    comparing = what.add_parser("compare", help="fetch a segment that is on disk, from its node and through another")
    comparing.add_argument("--rounds", type=int, default=300)
    simulating = what.add_parser("simulate", help="run a directory on a clock that is as fast as it can be")
    simulating.add_argument("--nodes", type=int)
    simulating.add_argument("--sessions", type=int)
    simulating.add_argument("--seconds", type=float, default=20.0, help="of the cluster")
    simulating.add_argument(
        "--opens", type=float, default=20.0, help="sessions that are opened and claimed in a second"
    )
    given = parser.parse_args()
    if given.what == "lose":
        lose(given.tries)
        return
    if given.what == "compare":
        compare(given.rounds)
        return
    sizes = [(3, 300), (100, 10_000), (300, 30_000), (1_000, 100_000)]
    if given.nodes:
        sizes = [(given.nodes, given.sessions or 100 * given.nodes)]
    for nodes, sessions in sizes:
        print(f"{nodes} nodes, {sessions} sessions")
        for name, value in simulate(nodes, sessions, given.seconds, given.opens).items():
            print(f"  {name:28} {value:14,.2f}")


if __name__ == "__main__":
    main()
