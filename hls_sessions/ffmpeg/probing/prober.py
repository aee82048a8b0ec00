"""Probing: a file's facts, read once per (path, size, modification time) in a worker process with a time limit."""

from __future__ import annotations

import json
import logging
import threading
import time
from array import array
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from fractions import Fraction
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any, TypeAlias

from cachetools import LRUCache

from hls_sessions.errors import NotPlayable, Unavailable
from hls_sessions.ffmpeg.commands import is_sought_exactly
from hls_sessions.ffmpeg.file_version import FileVersion, has_grown
from hls_sessions.ffmpeg.lookups import Lookups
from hls_sessions.ffmpeg.probing.bounds import TooMuch, keep_within_bounds
from hls_sessions.ffmpeg.probing.cache import pack, unpack
from hls_sessions.ffmpeg.probing.playable import NothingPlays, leave_out_unplayable
from hls_sessions.ffmpeg.workers import PROBE, Worker, WorkerErred, WorkerFailed
from hls_sessions.media import (
    OFFSET,
    AudioCopy,
    AudioTrack,
    Chapter,
    Media,
    NotCopied,
    SubtitleTrack,
    VideoCopy,
    VideoTrack,
    audio_codecs,
    video_codecs,
)
from hls_sessions.otp import Backoff

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hls_sessions.ffmpeg.binary import Binary
    from hls_sessions.ffmpeg.probing.cache import ProbeCache
    from hls_sessions.ffmpeg.workers import Message, Workers

logger = logging.getLogger(__name__)

Answer: TypeAlias = "tuple[dict[str, Any], list[array[int]]]"
"""A worker's answer about a file: the facts, and the arrays of the video's index."""

CLOSING = 3.0
"""Seconds that killed workers may take to end: one that reads from a share that hangs may not end at all."""
WORKERS = 2
"""Files of one device probed at once."""
READING_TIME = 6 * 3600.0
"""Seconds that reading a whole file may take: enough for a disc of 100 GB on a slow share."""
CRASHES = 2
"""How many workers may crash over a file. More than one, because an earlier file may have spoilt the first."""
KILLS = 6
"""How many workers in a row may be killed while they read a file."""
BACKOFF = Backoff(first=0.1, factor=2.0, limit=2.0)
"""The delays of the workers after the second one."""
UNREADABLE = 1000
"""How many files that cannot be read whole are remembered."""
KEPT = 256 * 1024**2
"""Bytes of memory that all remembered facts may take together: two hours of film take one or two MiB."""


class Prober:
    """Reads the facts of media files, each once, two at a time of one device, in processes that may crash or hang."""

    def __init__(
        self, workers: Workers, timeout: float = 10.0, cache: ProbeCache | None = None, binary: Binary | None = None
    ) -> None:
        """Make a prober whose files each get ``timeout`` seconds in one of the workers; it asks the cache first.

        It refuses what an ffmpeg that is handed in cannot play.
        """
        self._binary = binary
        self._start = workers.start
        self._confined = workers.confined
        self._timeout = timeout
        self._cache = cache
        self._lookups = Lookups()
        self._known: LRUCache[FileVersion, Media] = LRUCache(KEPT, lambda media: media.size_in_memory)
        self._probing: dict[FileVersion, Future[Media]] = {}
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._idle: list[Worker] = []
        self._busy: set[Worker] = set()
        self._threads: dict[int, ThreadPoolExecutor] = {}
        """The threads that probe, by the device of the files."""
        self._reading: dict[FileVersion, Future[None]] = {}
        self._unreadable: LRUCache[FileVersion, Future[None]] = LRUCache(UNREADABLE)
        """Readings of files that cannot be read whole. They are not read again."""
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="probe-whole")
        self._keeper = ThreadPoolExecutor(1, thread_name_prefix="probe-keep")

    def probe(self, path: Path) -> Media:
        """Return a file's facts; a second caller for the same file waits for the first one's answer.

        Raises:
            MediaNotFound: there is no such file.
            NotPlayable: it is empty, corrupt, no media, or took too long.
            Unavailable: the prober is closed, or the storage of the file does not answer.
        """
        version, device = self._look_at(path)
        with self._lock:
            self._refuse_when_closed()
            if (known := self._known.get(version)) is not None:
                return known
            future = self._probing.get(version)
            if future is None:
                future = self._probing[version] = self._threads_for(device).submit(self._probe, version)
        try:
            return future.result()
        except CancelledError as error:
            raise Unavailable("The prober is closed.") from error

    def probe_index(self, path: Path) -> Media:
        """Return a file's facts as its index alone tells them, even if the whole file was read.

        Raises:
            MediaNotFound, NotPlayable, Unavailable: as ``probe`` does.
        """
        version, device = self._look_at(path)
        with self._lock:
            self._refuse_when_closed()
            future = self._threads_for(device).submit(self._probe_index, version)
        try:
            return future.result()
        except CancelledError as error:
            raise Unavailable("The prober is closed.") from error

    def read_whole(self, path: Path) -> Future[None]:
        """Read a whole file in the background, so that its next ``probe`` tells where all its frames are.

        This is for a file whose video is ``unread``. Files are read one after another, at the lowest priority.

        Raises:
            MediaNotFound: there is no such file.
            NotPlayable: it is no regular file.
            Unavailable: the prober is closed, or the storage of the file does not answer.
        """
        version, _ = self._look_at(path)
        with self._lock:
            self._refuse_when_closed()
            if (reading := self._unreadable.get(version)) is not None:
                return reading
            if version not in self._reading:
                self._reading[version] = self._reader.submit(self._read_whole, version)
            return self._reading[version]

    def close(self) -> None:
        """End the worker processes; probes under way fail. A worker that no kill ends is left behind."""
        with self._lock:
            self._closing.set()
            workers = [*self._idle, *self._busy]
            self._idle.clear()
        for worker in workers:
            worker.kill()
        self._lookups.abandon()
        deadline = time.monotonic() + CLOSING
        have_ended = all(worker.wait(max(0.0, deadline - time.monotonic())) is not None for worker in workers)
        for threads in (*self._threads.values(), self._reader):
            threads.shutdown(wait=have_ended, cancel_futures=True)
        self._keeper.shutdown()
        for worker in workers:
            worker.close()

    def _look_at(self, path: Path) -> tuple[FileVersion, int]:
        """Return the version of a regular file and the device that it is on, in a bounded time."""

        def look() -> tuple[FileVersion, int]:
            version = FileVersion.of(path)
            if not path.is_file():
                raise NotPlayable(str(path), "it is not a regular file")
            return version, path.stat().st_dev

        return self._lookups(path.parent, look)

    def _threads_for(self, device: int) -> ThreadPoolExecutor:
        """Return the threads that probe the files of a device. A device that hangs delays no file of another."""
        if device not in self._threads:
            self._threads[device] = ThreadPoolExecutor(WORKERS, thread_name_prefix="probe")
        return self._threads[device]

    def _probe(self, version: FileVersion) -> Media:
        try:
            media = self._recall(version) or self._read_and_keep(version)
            with self._lock:
                # A reading of the whole file may have found more meanwhile.
                return self._known.get(version) or self._remember(version, media)
        finally:
            # Only a success is remembered, because a time-out or a killed worker may not happen again.
            with self._lock:
                del self._probing[version]

    def _remember(self, version: FileVersion, media: Media) -> Media:
        with suppress(ValueError):  # it is larger than the whole cache may be
            self._known[version] = media
        return media

    def _read_and_keep(self, version: FileVersion) -> Media:
        if version.size == 0:
            raise NotPlayable(str(version.path), "it is empty")
        answer, arrays = self._read_index(version)
        facts = json.dumps(answer)
        self._keep(version, facts, arrays)
        return self._media(version, answer, arrays)

    def _probe_index(self, version: FileVersion) -> Media:
        return self._media(version, *self._read_index(version))

    def _media(self, version: FileVersion, answer: dict[str, Any], arrays: list[array[int]]) -> Media:
        """Return the facts of a file, without the tracks that claim too much or that this ffmpeg cannot decode.

        Raises:
            NotPlayable: nothing of the file is left.
        """
        try:
            keep_within_bounds(answer)
            if self._binary is not None:
                leave_out_unplayable(answer, self._binary)
        except (NothingPlays, TooMuch) as why:
            raise NotPlayable(str(version.path), str(why)) from why
        return _media(version, answer, arrays)

    def _read_index(self, version: FileVersion) -> Answer:
        path = str(version.path)
        try:
            answer, arrays = self._ask(version.path, None)
            if has_grown(version):
                # More was read than the file had. Only what it had is read when it plays.
                answer, arrays = self._ask(version.path, version.size)
        except TimeoutError as error:
            raise NotPlayable(path, f"reading its facts took more than {self._timeout:g} seconds") from error
        except OSError as error:  # no worker could be started, which says nothing of the file
            raise Unavailable(f"The file cannot be probed now: {error.strerror or error}.") from error
        except _Killed as error:
            self._refuse_when_closed()  # closing kills the workers
            raise Unavailable("The file cannot be probed now: the processes that read it were killed.") from error
        except WorkerFailed as error:
            self._refuse_when_closed()
            raise NotPlayable(path, "reading its facts crashed the prober") from error
        if "error" in answer:
            raise NotPlayable(path, answer["error"])
        return answer, arrays

    def _recall(self, version: FileVersion) -> Media | None:
        """Return the facts that the cache has of a file; None when it has none of use."""
        packed = None if self._cache is None else self._cache.recall(version)
        kept = None if packed is None else unpack(packed)
        return None if kept is None else self._media(version, *kept)

    def _keep(self, version: FileVersion, facts: str, arrays: list[array[int]]) -> None:
        """Put an answer into the cache in another thread, because the caller need not wait for that."""
        if (cache := self._cache) is None:
            return

        def keep() -> None:
            if (packed := pack(facts, arrays)) is not None:
                cache.keep(version, packed)

        with suppress(RuntimeError):  # it was closed meanwhile
            self._keeper.submit(keep)

    def _read_whole(self, version: FileVersion) -> None:
        worker = None
        try:
            with self._worker() as worker:
                answer, arrays = _answer(
                    worker.ask([_absolute(version.path), True, None, self._confined], READING_TIME)
                )
                worker.end()  # it has lowered its priority for good
            if "error" in answer:
                raise ValueError(answer["error"])
            if has_grown(version):
                raise ValueError("it is still written to")
            facts = json.dumps(answer)
            media = self._media(version, answer, arrays)
        except Exception as error:  # noqa: BLE001 - whatever it is, the file is as unreadable or readable as before
            # A worker that was killed, or could not be started, says nothing about the file: the next open tries again.
            was_killed = isinstance(error, WorkerFailed) and (worker is None or _was_killed(worker, error))
            is_lost = was_killed or isinstance(error, Unavailable | OSError)
            with self._lock:
                reading = self._reading.pop(version)
                if not is_lost or isinstance(error, TimeoutError):
                    self._unreadable[version] = reading
            if not self._closing.is_set():
                logger.warning("%s could not be read whole: %s", version.path, error)
            return
        self._keep(version, facts, arrays)
        with self._lock:
            self._remember(version, media)
            del self._reading[version]

    def _ask(self, path: Path, size: int | None) -> Answer:
        kills = crashes = 0
        while True:
            try:
                with self._worker() as worker:
                    return _answer(worker.ask([_absolute(path), False, size, self._confined], self._timeout))
            except WorkerFailed as error:
                # A killed worker says nothing about this file. It may also be one that could not be forked.
                if not _was_killed(worker, error):
                    crashes += 1
                    if crashes >= CRASHES or self._closing.is_set():
                        raise
                elif self._closing.wait(BACKOFF.delay(kills) if kills else 0.0) or kills + 1 >= KILLS:
                    raise _Killed from error
                else:
                    kills += 1

    @contextmanager
    def _worker(self) -> Iterator[Worker]:
        """Lend a worker: an idle one, or a new one. A worker that fails or is ended does not come back."""
        with self._lock:
            # A worker that is started after ``close`` has ended the others would never be ended.
            self._refuse_when_closed()
            worker = self._idle_worker() or self._start(PROBE)
            self._busy.add(worker)
        try:
            yield worker
        finally:
            with self._lock:
                self._busy.discard(worker)
                if worker.exit is None and not self._closing.is_set():
                    self._idle.append(worker)

    def _idle_worker(self) -> Worker | None:
        """Return an idle worker that has not died meanwhile; None when there is none."""
        while self._idle:
            worker = self._idle.pop()
            if worker.exit is None:
                return worker
            worker.close()
        return None

    def _refuse_when_closed(self) -> None:
        if self._closing.is_set():
            raise Unavailable("The prober is closed.")


def _absolute(path: Path) -> str:
    """Spell a path for a worker, whose working directory is another."""
    return str(path.absolute())


class _Killed(Exception):
    """All workers that were to read a file were killed from outside."""


def _was_killed(worker: Worker, error: Exception) -> bool:
    """Whether a worker was killed from outside, which says nothing about its file."""
    return not isinstance(error, WorkerErred) and worker.exit is not None and worker.exit.was_killed


def _answer(message: Message) -> Answer:
    """Return the answer that a message holds.

    Raises:
        WorkerFailed: it holds something else.
    """
    try:
        answer: dict[str, Any] = message.body
        lengths = answer.pop("arrays")
        data = memoryview(message.payload).cast("q")
        arrays = [
            array("q", data[end - length : end]) for length, end in zip(lengths, accumulate(lengths), strict=True)
        ]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise WorkerFailed("it answered with something else") from error
    return answer, arrays


def _media(version: FileVersion, answer: dict[str, Any], arrays: list[array[int]]) -> Media:
    video = answer["video"]
    media = Media(
        path=version.path,
        size=version.size,
        modified=version.modified,
        inode=version.inode,
        container=answer["container"],
        container_start=Fraction(answer["container_start"]),
        video=video and _video(video, *arrays),
        audio=tuple(_audio(track, exact=is_sought_exactly(answer["container"])) for track in answer["audio"]),
        subtitles=tuple(SubtitleTrack(**track) for track in answer["subtitles"]),
        notes=tuple(answer["notes"]),
        part=answer["part"] and tuple(answer["part"]),
    )
    return replace(media, chapters=tuple(_chapters(answer["chapters"], media)))


def _chapters(chapters: list[dict[str, Any]], media: Media) -> Iterator[Chapter]:
    """Yield the chapters that are within the film, each until the next one begins."""
    known = sorted((Fraction(each["start"]), Fraction(each["end"]), each["title"] or "") for each in chapters)
    starts = [max(start, media.start) for start, _, _ in known]
    for (start, following), (_, told, title) in zip(pairwise([*starts, media.end]), known, strict=True):
        end = min(told if told > start else following, following, media.end)
        if start < end:
            yield Chapter(start, end, title or None)


def _video(facts: dict[str, Any], times: array[int], sync_points: array[int], sizes: array[int]) -> VideoTrack:
    rationals: dict[str, Any] = {
        name: Fraction(facts.pop(name))
        for name in ("start", "end", "time_base", "frame_rate", "opening", "seek_margin")
    }
    configuration, depth = bytes.fromhex(facts.pop("configuration")), facts.pop("depth")
    ahead, uncut = Fraction(facts.pop("ahead")), facts.pop("uncut")
    open_gops, delay = facts.pop("open_gops"), facts.pop("delay")
    copy, uncopied = None, None
    try:
        size = facts["width"], facts["height"]
        codecs = video_codecs(facts["codec"], configuration, depth, size, rationals["frame_rate"])
        if uncut is not None:
            raise NotCopied(uncut)
        if ahead > OFFSET:
            raise NotCopied(f"its frames are decoded more than {float(OFFSET):g} seconds before they are shown")
        copy = VideoCopy(codecs, sync_points, sizes, open_gops, delay)
    except NotCopied as reason:
        uncopied = str(reason)
    # Reading the whole file helps only where nothing but the index stands against a copy.
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
