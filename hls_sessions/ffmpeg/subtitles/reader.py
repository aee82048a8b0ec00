"""All subtitle tracks of a file, read once per (path, size, modification time), in a process with limits.

Reading starts with the first question. A caller is answered as soon as the reading has passed the times that were asked
for, because a film without an index for its subtitles takes as long as its disk needs to read all of it.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from hls_sessions.errors import MediaNotFound, SessionError, SubtitlesFailed, Unavailable
from hls_sessions.ffmpeg.file_version import FileVersion, version_of
from hls_sessions.ffmpeg.lookups import Lookups
from hls_sessions.ffmpeg.workers import READ_SUBTITLES, WorkerErred, WorkerFailed
from hls_sessions.media import Cue, cue_text
from hls_sessions.otp import Reply

if TYPE_CHECKING:
    from collections.abc import Iterator
    from fractions import Fraction
    from pathlib import Path

    from hls_sessions.ffmpeg.workers import Worker, Workers
    from hls_sessions.media import Media

logger = logging.getLogger(__name__)

WORKERS = 4
"""Files read at once; each waits for its disk most of the time."""

LONGEST = 3600.0
"""Seconds that reading one file may take."""

LARGEST = 32 * 1024**2
"""Bytes of memory that the subtitles of one file may take: a hundred tracks of talk, or one of a thousand hours."""

KEPT = 64 * 1024**2
"""Bytes of memory that all remembered subtitles may take together."""

ATTEMPTS = 3
"""How often the same file may fail before it is given up."""

LONGEST_END = 1.0
"""Seconds from the end of a worker's channel to that of its process."""

SHOWN = 3_000_000
"""Microseconds that a cue is shown for if the file does not tell its end, or tells one before its start."""

CUE_SIZE = 200
"""Bytes of memory that a cue takes beside its text."""

READING_SIZE = 4096
"""Bytes of memory that a file without subtitles takes."""


_CLOSED = "The subtitle reader is closed."


class SubtitleReader:
    """Reads the subtitle tracks of files, each file once for all callers."""

    def __init__(self, workers: Workers, timeout: float = 30.0) -> None:
        """Make a reader that gives a file up when nothing more comes from a worker for ``timeout`` seconds."""
        self._start = workers.start
        self._confined = workers.confined
        self._timeout = timeout
        self._lookups = Lookups()
        self._known: OrderedDict[FileVersion, _Reading] = OrderedDict()
        self._lock = threading.Lock()
        self._closed = False
        self._workers: set[Worker] = set()
        self._threads = ThreadPoolExecutor(WORKERS, thread_name_prefix="subtitles")

    def ask(self, media: Media, track: int, start: Fraction | None, end: Fraction | None) -> Reply[list[Cue]]:
        """Ask for all cues of a track that are shown between two times; answered when they are known.

        Args:
            media: a file that was probed.
            track: the stream's index in it.
            start: seconds on the file's clock; None for its beginning.
            end: seconds on the file's clock, itself excluded; None for its end.

        The reply fails with SubtitlesFailed when they cannot be read, with MediaNotFound when the file is gone, with
        Unavailable when the reader is closed.
        """
        reply: Reply[list[Cue]] = Reply()
        with self._lock:
            if self._closed:
                reply.fail(Unavailable(_CLOSED))
                return reply
            reading = self._reading(media)
        reading.ask(_Question(track, _ticks(start, -_FOREVER), _ticks(end, _FOREVER), reply))
        return reply

    def close(self) -> None:
        """End all processes, and fail the replies that still wait."""
        with self._lock:
            self._closed = True
            readings = list(self._known.values())
            for worker in self._workers:
                worker.kill()
        self._lookups.abandon()
        for reading in readings:
            reading.fail(Unavailable(_CLOSED))
        self._threads.shutdown(cancel_futures=True)

    def _reading(self, media: Media) -> _Reading:
        version = version_of(media)
        reading = self._known.get(version)
        if reading is None or (reading.error is not None and reading.attempt < ATTEMPTS):
            attempt = 1 if reading is None else reading.attempt + 1
            reading = self._known[version] = _Reading(attempt)
            self._threads.submit(self._read, reading, version, media)
        self._known.move_to_end(version)
        return reading

    def _read(self, reading: _Reading, version: FileVersion, media: Media) -> None:
        path = str(media.path)
        try:
            self._follow(reading, version, media)
        except (SubtitlesFailed, MediaNotFound, Unavailable) as error:
            reading.fail(error)
        except TimeoutError:
            reading.fail(SubtitlesFailed(path, "it took too long"))
        except _NotNow as error:
            reading.attempt -= 1
            reading.fail(SubtitlesFailed(path, str(error)))
        except Exception as error:  # noqa: BLE001 - whatever it is, callers wait for an answer
            logger.warning("reading the subtitles of %s ended with %r", path, error)
            reading.fail(SubtitlesFailed(path, "the process that reads them crashed"))
        self._forget_the_oldest()

    def _follow(self, reading: _Reading, version: FileVersion, media: Media) -> None:
        """Have a process read a file, and take in its messages until it is at the end."""
        path = str(version.path)
        if self._look_at(version.path) != version:
            raise SubtitlesFailed(path, "it is not the file that was opened any more")
        tracks = [track.index for track in media.subtitles]
        with self._worker() as worker:
            worker.send(
                {
                    "path": str(version.path.absolute()),
                    "container": media.container,
                    "tracks": tracks,
                    "part": media.part,  # the rest of it has another clock
                    "confined": self._confined,
                }
            )
            deadline = time.monotonic() + LONGEST
            while True:
                match worker.receive(min(self._timeout, deadline - time.monotonic())).body:
                    case ["cue", int(track), int(start), int() | None as end, str(text)]:
                        reading.add(track, Cue(start, start + SHOWN if end is None else end, cue_text(text)))
                    case ["at", int(moment)]:
                        reading.reached(moment)
                    case ["end"]:
                        reading.end()
                        return
                    case ["error", reason]:
                        raise SubtitlesFailed(path, str(reason))
                if reading.size > LARGEST:
                    raise SubtitlesFailed(path, f"they are more than {LARGEST >> 20} MiB")

    def _look_at(self, path: Path) -> FileVersion:
        try:
            return self._lookups(path.parent, lambda: FileVersion.of(path))
        except Unavailable as error:
            raise _NotNow("its storage does not answer") from error

    @contextmanager
    def _worker(self) -> Iterator[Worker]:
        with self._lock:
            # A worker that is started after ``close`` has killed the others would never be killed.
            if self._closed:
                raise Unavailable(_CLOSED)
            try:
                worker = self._start(READ_SUBTITLES)
            except OSError as error:
                raise _NotNow(f"no process can be started ({error.strerror or error})") from error
            self._workers.add(worker)
        try:
            yield worker
        except WorkerFailed as error:
            how = None if isinstance(error, WorkerErred) else worker.wait(LONGEST_END)
            if how is not None and how.was_killed:
                raise _NotNow("the process that reads them was killed") from error
            raise
        finally:
            with self._lock:
                self._workers.discard(worker)
            worker.end()

    def _forget_the_oldest(self) -> None:
        with self._lock:
            size = sum(reading.size for reading in self._known.values())
            for version, reading in list(self._known.items())[:-1]:
                if size <= KEPT:
                    return
                if reading.ended:
                    del self._known[version]
                    size -= reading.size


class _NotNow(Exception):
    """A file cannot be read now, for a reason that says nothing about the file; the message says why."""


class _Question(NamedTuple):
    """One caller's question. Times in microseconds on the file's clock."""

    track: int
    start: int
    end: int
    reply: Reply[list[Cue]]


class _Reading:
    """The cues of one file that are known, and the questions that wait for more. Any thread may use it."""

    def __init__(self, attempt: int) -> None:
        self.attempt = attempt
        self.size = READING_SIZE
        """Bytes of memory."""
        self.ended = False
        self.error: SessionError | None = None
        self._cues: dict[int, list[Cue]] = {}
        self._latest: dict[int, int] = {}
        """When the latest cue of each track begins; a track is read in order."""
        self._reached = -_FOREVER
        """All cues that begin before this have been read, in all tracks."""
        self._waiting: list[_Question] = []
        self._lock = threading.Lock()

    def ask(self, question: _Question) -> None:
        with self._lock:
            self._waiting.append(question)
        self._settle()

    def add(self, track: int, cue: Cue) -> None:
        with self._lock:
            self._latest[track] = max(cue.start, self._latest.get(track, cue.start))
            if cue.text:
                self._cues.setdefault(track, []).append(cue)
                self.size += CUE_SIZE + sys.getsizeof(cue.text)
        self._settle()

    def reached(self, moment: int) -> None:
        self._reached = moment
        self._settle()

    def end(self) -> None:
        self.ended = True
        self._settle()

    def fail(self, error: SessionError) -> None:
        with self._lock:
            # A reading that has ended well stays so.
            if not self.ended:
                self.ended, self.error, self.size = True, error, READING_SIZE
                self._cues.clear()
        self._settle()

    def _settle(self) -> None:
        """Answer all questions whose answers are known."""
        with self._lock:
            ready = [question for question in self._waiting if self._knows(question)]
            if not ready:
                return
            self._waiting = [q for q in self._waiting if not self._knows(q) and not q.reply.cancelled()]
            answers = [(question.reply, self._between(question)) for question in ready]
        for reply, cues in answers:
            if self.error is not None:
                # Without the traceback, which would grow with every caller that raises it.
                reply.fail(self.error.with_traceback(None))
            else:
                reply.set(cues)

    def _knows(self, question: _Question) -> bool:
        return self.ended or max(self._reached, self._latest.get(question.track, -_FOREVER)) >= question.end

    def _between(self, question: _Question) -> list[Cue]:
        cues = self._cues.get(question.track, ())
        return [cue for cue in cues if cue.start < question.end and cue.end > question.start]


_FOREVER = 1 << 62


def _ticks(time: Fraction | None, otherwise: int) -> int:
    return otherwise if time is None else round(time * 1_000_000)
