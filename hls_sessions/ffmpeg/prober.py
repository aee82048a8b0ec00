"""Probing: a file's facts, read once per (path, size, modification time) in a worker process with a time limit."""

from __future__ import annotations

import json
import logging
import os
import selectors
import subprocess
import sys
import threading
import time
from array import array
from collections import OrderedDict
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import suppress
from fractions import Fraction
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from hls_sessions.errors import NotPlayable, Unavailable
from hls_sessions.ffmpeg.commands import OFFSET, is_sought_exactly
from hls_sessions.ffmpeg.memory import FileVersion, pack, unpack
from hls_sessions.ffmpeg.process import bound_to_parent
from hls_sessions.media import (
    AudioCopy,
    AudioTrack,
    Media,
    NotCopied,
    SubtitleTrack,
    VideoCopy,
    VideoTrack,
    audio_codecs,
    video_codecs,
)

if TYPE_CHECKING:
    from hls_sessions.ffmpeg.memory import Memory

logger = logging.getLogger(__name__)

Answer: TypeAlias = "tuple[dict[str, Any], list[array[int]]]"
"""What a worker says of a file: its facts, and the arrays of its picture's index."""

WORKERS = 2
"""Files probed at once."""
READING_TIME = 6 * 3600.0
"""Seconds that reading a whole file may take: a full disc of 100 GB from a slow share."""
REMEMBERED = 512
"""Files whose facts are kept."""


class Prober:
    """Reads the facts of media files, each once, two at a time, in processes that may crash or hang."""

    def __init__(self, timeout: float = 10.0, memory: Memory | None = None) -> None:
        """Make a prober whose files each get ``timeout`` seconds, and which asks its memory first."""
        self._timeout = timeout
        self._memory = memory
        self._known: OrderedDict[FileVersion, Future[Media]] = OrderedDict()
        self._lock = threading.Lock()
        self._closed = False
        self._worker = threading.local()
        self._workers: list[_Worker] = []
        # A worker process ends with the thread that started it (see bound_to_parent), so each
        # belongs to a thread that lives as long as the prober.
        self._threads = ThreadPoolExecutor(WORKERS, thread_name_prefix="probe")
        self._reading: dict[FileVersion, Future[None]] = {}
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="probe-whole")
        self._keeper = ThreadPoolExecutor(1, thread_name_prefix="probe-keep")

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

    def probe_index(self, path: Path) -> Media:
        """Return a file's facts as its index alone tells them, whatever is known from reading all of it.

        Raises:
            MediaNotFound, NotPlayable, Unavailable: as ``probe`` does.
        """
        version = FileVersion.of(path)
        with self._lock:
            self._refuse_when_closed()
            future = self._threads.submit(self._probe_index, version)
        try:
            return future.result()
        except CancelledError as error:
            raise Unavailable("The prober is closed.") from error

    def read_whole(self, path: Path) -> Future[None]:
        """Read a whole file in the background, so that its next ``probe`` tells where all its frames are.

        For a file whose facts say that they are ``unread``. One after another, at the lowest priority.

        Raises:
            MediaNotFound: there is no such file.
            Unavailable: the prober is closed.
        """
        version = FileVersion.of(path)
        with self._lock:
            self._refuse_when_closed()
            if version not in self._reading:
                self._reading[version] = self._reader.submit(self._read_whole, version)
            return self._reading[version]

    def close(self) -> None:
        """End the worker processes; probes under way fail."""
        with self._lock:
            self._closed = True
            workers, self._workers = self._workers, []
        for worker in workers:
            worker.kill()
        for threads in (self._threads, self._reader):
            threads.shutdown(cancel_futures=True)
        self._keeper.shutdown()
        for worker in workers:
            worker.reap()

    def _probe(self, version: FileVersion) -> Media:
        path = str(version.path)
        if not version.path.is_file():
            raise NotPlayable(path, "it is not a regular file")
        if version.size == 0:
            raise NotPlayable(path, "it is empty")
        if (known := self._recall(version)) is not None:
            return known
        answer, arrays = self._read_index(version)
        facts = json.dumps(answer)
        media = _media(version, answer, arrays)
        self._keep(version, facts, arrays)
        return media

    def _probe_index(self, version: FileVersion) -> Media:
        return _media(version, *self._read_index(version))

    def _read_index(self, version: FileVersion) -> Answer:
        path = str(version.path)
        try:
            answer, arrays = self._ask(path)
        except TimeoutError as error:
            raise NotPlayable(path, f"reading its facts took more than {self._timeout:g} seconds") from error
        except (OSError, ValueError) as error:
            self._refuse_when_closed()  # closing kills the workers, which says nothing of the file
            raise NotPlayable(path, "reading its facts crashed the prober") from error
        if "error" in answer:
            raise NotPlayable(path, answer["error"])
        return answer, arrays

    def _recall(self, version: FileVersion) -> Media | None:
        """Return what the memory knows of a file; None when that is nothing of use."""
        packed = None if self._memory is None else self._memory.recall(version)
        kept = None if packed is None else unpack(packed)
        return None if kept is None else _media(version, *kept)

    def _keep(self, version: FileVersion, facts: str, arrays: list[array[int]]) -> None:
        """Have the memory keep an answer, behind the back of who waits for it."""
        if (memory := self._memory) is None:
            return

        def keep() -> None:
            if (packed := pack(facts, arrays)) is not None:
                memory.keep(version, packed)

        with suppress(RuntimeError):  # it was closed meanwhile
            self._keeper.submit(keep)

    def _read_whole(self, version: FileVersion) -> None:
        try:
            answer, arrays = self._own_worker().ask(str(version.path), READING_TIME, whole=True)
            if "error" in answer:
                raise ValueError(answer["error"])
            facts = json.dumps(answer)
            media = _media(version, answer, arrays)
        except (Unavailable, OSError, ValueError) as error:
            if not self._closed:
                logger.warning("%s could not be read whole: %s", version.path, error)
            return
        self._keep(version, facts, arrays)
        known: Future[Media] = Future()
        known.set_result(media)
        with self._lock:
            self._known[version] = known
            del self._reading[version]

    def _ask(self, path: str) -> Answer:
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
        # -P: nothing is to be imported from the folder the daemon happens to be started in.
        search = [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]
        self._process = subprocess.Popen(  # noqa: S603 - our own module, no shell
            bound_to_parent([sys.executable, "-P", "-m", "hls_sessions.ffmpeg.probe_worker"]),
            env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, search))},
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

    def ask(self, path: str, timeout: float, *, whole: bool = False) -> Answer:
        """Ask for one file's facts, as its index tells them or the whole file.

        Raises:
            TimeoutError: no whole answer came in ``timeout`` seconds; the worker is killed.
            OSError, ValueError: the worker died, or answered with something else.
        """
        assert self._process.stdin is not None  # noqa: S101 - opened as a pipe above
        deadline = time.monotonic() + timeout
        try:
            self._process.stdin.write(json.dumps([path, whole]).encode() + b"\n")
            line, rest = self._read_line(deadline)
            answer: dict[str, Any] = json.loads(line)
            lengths = answer.pop("arrays")
            data = memoryview(self._read_exactly(sum(lengths) * 8, rest, deadline)).cast("q")
            arrays = [
                array("q", data[end - length : end]) for length, end in zip(lengths, accumulate(lengths), strict=True)
            ]
        except BaseException:
            self.kill()
            self.reap()
            raise
        return answer, arrays

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


def _media(version: FileVersion, answer: dict[str, Any], arrays: list[array[int]]) -> Media:
    video = answer["video"]
    return Media(
        path=version.path,
        size=version.size,
        modified=version.modified,
        container=answer["container"],
        container_start=Fraction(answer["container_start"]),
        video=video and _video(video, *arrays),
        audio=tuple(_audio(track, exact=is_sought_exactly(answer["container"])) for track in answer["audio"]),
        subtitles=tuple(SubtitleTrack(**track) for track in answer["subtitles"]),
        notes=tuple(answer["notes"]),
        part=answer["part"] and tuple(answer["part"]),
    )


def _video(facts: dict[str, Any], times: array[int], points: array[int], sizes: array[int]) -> VideoTrack:
    rationals: dict[str, Any] = {
        name: Fraction(facts.pop(name)) for name in ("start", "end", "time_base", "frame_rate", "opening")
    }
    configuration, depth = bytes.fromhex(facts.pop("configuration")), facts.pop("depth")
    ahead, uncut = Fraction(facts.pop("ahead")), facts.pop("uncut")
    open_gops = facts.pop("open_gops")
    copy, uncopied = None, None
    try:
        size = facts["width"], facts["height"]
        codecs = video_codecs(facts["codec"], configuration, depth, size, rationals["frame_rate"])
        if uncut is not None:
            raise NotCopied(uncut)
        if ahead > OFFSET:
            raise NotCopied(f"its frames are decoded more than {float(OFFSET):g} seconds before they are shown")
        copy = VideoCopy(codecs, points, sizes, open_gops)
    except NotCopied as reason:
        uncopied = str(reason)
    # Only what could be copied but for its index is worth a reading of the whole file.
    facts["unread"] = facts["unread"] and uncopied == uncut
    return VideoTrack(**facts, **rationals, frame_times=times or None, copy=copy, uncopied=uncopied)


def _audio(facts: dict[str, Any], *, exact: bool) -> AudioTrack:
    rationals: dict[str, Any] = {name: Fraction(facts.pop(name)) for name in ("start", "end")}
    configuration = bytes.fromhex(facts.pop("configuration"))
    grid, steady, bit_rate = Fraction(facts.pop("grid")), facts.pop("steady"), facts.pop("bit_rate")
    try:
        codecs = audio_codecs(facts["codec"], configuration, facts["sample_rate"])
        copy = AudioCopy(codecs, grid, steady, bit_rate) if exact else None
    except NotCopied:
        copy = None
    return AudioTrack(**facts, **rationals, copy=copy)
