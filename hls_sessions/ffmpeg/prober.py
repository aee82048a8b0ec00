"""Probing: a file's facts, read once per (path, size, modification time) in a worker process with a time limit."""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import sys
import threading
import time
from array import array
from collections import OrderedDict
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

from hls_sessions.errors import MediaNotFound, NotPlayable, Unavailable
from hls_sessions.ffmpeg.process import bound_to_parent
from hls_sessions.media import AudioTrack, Media, VideoTrack

WORKERS = 2
"""Files probed at once."""
REMEMBERED = 512
"""Files whose facts are kept."""


class FileVersion(NamedTuple):
    """What a cached probe stands for: another size or modification time is another file."""

    path: Path
    size: int
    modified: int

    @classmethod
    def of(cls, path: Path) -> FileVersion:
        """Look at a file.

        Raises:
            MediaNotFound: it is gone.
        """
        try:
            stat = path.stat()
        except OSError as error:
            raise MediaNotFound(str(path)) from error
        return cls(path, stat.st_size, stat.st_mtime_ns)


class Prober:
    """Reads the facts of media files, each once, two at a time, in processes that may crash or hang."""

    def __init__(self, timeout: float = 10.0) -> None:
        """Make a prober whose files each get ``timeout`` seconds."""
        self._timeout = timeout
        self._known: OrderedDict[FileVersion, Future[Media]] = OrderedDict()
        self._lock = threading.Lock()
        self._closed = False
        self._worker = threading.local()
        self._workers: list[_Worker] = []
        # A worker process ends with the thread that started it (see bound_to_parent), so each
        # belongs to a thread that lives as long as the prober.
        self._threads = ThreadPoolExecutor(WORKERS, thread_name_prefix="probe")

    def probe(self, path: Path) -> Media:
        """Return a file's facts; a second caller for the same file waits for the first one's answer.

        Raises:
            MediaNotFound: there is no such file.
            NotPlayable: it is empty, corrupt, no media, or took too long.
            Unavailable: the prober is closed.
        """
        version = FileVersion.of(path)
        with self._lock:
            self._refuse_when_closed()
            future = self._known.get(version)
            if future is None:
                future = self._known[version] = self._threads.submit(self._probe, version)
                while len(self._known) > REMEMBERED:
                    self._known.popitem(last=False)
            else:
                self._known.move_to_end(version)
        try:
            return future.result()
        except CancelledError as error:
            raise Unavailable("The prober is closed.") from error
        except BaseException:
            # Only what succeeded is remembered: a time-out or a killed worker may not happen again.
            with self._lock:
                if self._known.get(version) is future:
                    del self._known[version]
            raise

    def close(self) -> None:
        """End the worker processes; probes under way fail."""
        with self._lock:
            self._closed = True
            workers, self._workers = self._workers, []
        for worker in workers:
            worker.kill()
        self._threads.shutdown(cancel_futures=True)
        for worker in workers:
            worker.reap()

    def _probe(self, version: FileVersion) -> Media:
        path = str(version.path)
        if not version.path.is_file():
            raise NotPlayable(path, "it is not a regular file")
        if version.size == 0:
            raise NotPlayable(path, "it is empty")
        try:
            answer, times = self._ask(path)
        except TimeoutError as error:
            raise NotPlayable(path, f"reading its facts took more than {self._timeout:g} seconds") from error
        except (OSError, ValueError) as error:
            self._refuse_when_closed()  # closing kills the workers, which says nothing of the file
            raise NotPlayable(path, "reading its facts crashed the prober") from error
        if "error" in answer:
            raise NotPlayable(path, answer["error"])
        return _media(version.path, answer, times)

    def _ask(self, path: str) -> tuple[dict[str, Any], array[int]]:
        try:
            return self._own_worker().ask(path, self._timeout)
        except TimeoutError:
            raise
        except OSError:
            # A worker that was killed while it was idle says nothing of this file; one that dies again does.
            return self._own_worker().ask(path, self._timeout)

    def _own_worker(self) -> _Worker:
        """Return this thread's worker process, starting one where there is none or it has died."""
        worker: _Worker | None = getattr(self._worker, "worker", None)
        if worker is None or not worker.is_alive():
            with self._lock:
                # One that is started after the others were ended would be nobody's to reap.
                self._refuse_when_closed()
                if worker is not None:
                    worker.reap()
                    self._workers.remove(worker)
                worker = self._worker.worker = _Worker()
                self._workers.append(worker)
        return worker

    def _refuse_when_closed(self) -> None:
        if self._closed:
            raise Unavailable("The prober is closed.")


class _Worker:
    """One probing process and its two pipes."""

    def __init__(self) -> None:
        script = Path(__file__).with_name("probe_worker.py")
        # -P: the script's own folder holds modules that are not to be found by its imports.
        self._process = subprocess.Popen(  # noqa: S603 - our own script, no shell
            bound_to_parent([sys.executable, "-P", str(script)]),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            start_new_session=True,
        )

    def is_alive(self) -> bool:
        return self._process.poll() is None

    def kill(self) -> None:
        self._process.kill()

    def reap(self) -> None:
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    def ask(self, path: str, timeout: float) -> tuple[dict[str, Any], array[int]]:
        """Ask for one file's facts.

        Raises:
            TimeoutError: no whole answer came in ``timeout`` seconds; the worker is killed.
            OSError, ValueError: the worker died, or answered with something else.
        """
        assert self._process.stdin is not None  # noqa: S101 - opened as a pipe above
        deadline = time.monotonic() + timeout
        try:
            self._process.stdin.write(json.dumps(path).encode() + b"\n")
            line, rest = self._read_line(deadline)
            answer: dict[str, Any] = json.loads(line)
            times = array("q")
            times.frombytes(self._read_exactly(answer.pop("frame_times") * times.itemsize, rest, deadline))
        except BaseException:
            self.kill()
            self.reap()
            raise
        return answer, times

    def _read_line(self, deadline: float) -> tuple[bytes, bytes]:
        data = bytearray()
        while b"\n" not in data:
            data += self._read_some(deadline)
        line, _, rest = bytes(data).partition(b"\n")
        return line, rest

    def _read_exactly(self, size: int, begun: bytes, deadline: float) -> bytes:
        data = bytearray(begun)
        while len(data) < size:
            data += self._read_some(deadline)
        return bytes(data)

    def _read_some(self, deadline: float) -> bytes:
        assert self._process.stdout is not None  # noqa: S101 - opened as a pipe above
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            if not selector.select(max(0.0, deadline - time.monotonic())):
                raise TimeoutError
        data = os.read(self._process.stdout.fileno(), 1 << 16)
        if not data:
            raise BrokenPipeError
        return data


def _media(path: Path, answer: dict[str, Any], times: array[int]) -> Media:
    video = answer["video"]
    return Media(
        path=path,
        container=answer["container"],
        container_start=Fraction(answer["container_start"]),
        video=video and _video(video, times),
        audio=tuple(_audio(track) for track in answer["audio"]),
        notes=tuple(answer["notes"]),
    )


def _video(facts: dict[str, Any], times: array[int]) -> VideoTrack:
    rationals = {name: Fraction(facts[name]) for name in ("start", "end", "time_base", "frame_rate", "opening")}
    return VideoTrack(**(facts | rationals), frame_times=times or None)


def _audio(facts: dict[str, Any]) -> AudioTrack:
    return AudioTrack(**(facts | {name: Fraction(facts[name]) for name in ("start", "end")}))
