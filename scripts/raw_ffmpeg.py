"""ffmpeg itself, started with the very command of a session: the limit that sessions are compared with."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

from hls_sessions.encoding.watcher import Watcher
from hls_sessions.ffmpeg import Process, methods, plan_run

if TYPE_CHECKING:
    from hls_sessions import Supervisor


def seconds_to(
    supervisor: Supervisor,
    film: Path,
    rendition: str,
    segment: int,
    scratch: Path,
    *,
    until: int | None = None,
    frames: int | None = None,
) -> float:
    """Return the seconds until ffmpeg has finished a segment.

    Args:
        supervisor: a running one, whose ffmpeg and encoder are used.
        film: the film.
        rendition: the id of an encoded rendition.
        segment: the segment that it begins with.
        scratch: where its folder is made.
        until: the last segment that it makes; None to go on, as the ffmpeg of a session does. One that ends has its
            first segment sooner, because an encoder looks at the frames to come.
        frames: how many frames it makes at most; None for all.
    """
    presentation = supervisor.probe(film)
    offered = presentation.renditions[rendition]
    method = methods(offered, supervisor.encoder)[0]
    watcher, finished, exited = Watcher(), Event(), Event()
    watcher.start()
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        plan = plan_run(supervisor.binary, presentation, offered, method, segment, Path(folder), until)
        argv, wanted = list(plan.argv), f"{segment}.m4s"
        if frames is not None:
            output = argv.index(f"{folder}/%d.m4s")
            argv[output:output] = ["-frames:v", str(frames)]
        watcher.watch(Path(folder), lambda path: finished.set() if path.name == wanted else None)
        begun = time.monotonic()
        process = Process(argv, lambda _: exited.set())
        finished.wait()
        took = time.monotonic() - begun
        process.kill()
        exited.wait()
        watcher.stop()
    return took
