"""What a directory has to do for a cluster of some size, on a clock that runs as fast as it can.

The directory is the real one, with its messages spelled as they are sent; the nodes say what real ones say. One second
of the cluster takes so many processor seconds of the directory's one thread: from 1.0 on it cannot keep up.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import time
from dataclasses import replace

from hls_sessions.cluster.claims import Granted
from hls_sessions.cluster.directory import Directory
from hls_sessions.cluster.messages import Answer, Beat, Written
from hls_sessions.cluster.node import Node
from hls_sessions.cluster.pace import Pace
from hls_sessions.cluster.wire import read, spell

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


def main() -> None:
    """Print the figures of clusters of some sizes, or of one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int)
    parser.add_argument("--sessions", type=int)
    parser.add_argument("--seconds", type=float, default=3.0, help="of the cluster")
    parser.add_argument("--opens", type=float, default=20.0, help="sessions that are opened and claimed in a second")
    given = parser.parse_args()
    sizes = [(3, 300), (30, 3_000), (100, 10_000), (300, 30_000), (1_000, 100_000)]
    if given.nodes:
        sizes = [(given.nodes, given.sessions or 100 * given.nodes)]
    for nodes, sessions in sizes:
        print(f"{nodes} nodes, {sessions} sessions")
        for name, value in simulate(nodes, sessions, given.seconds, given.opens).items():
            print(f"  {name:28} {value:14,.2f}")


if __name__ == "__main__":
    main()
