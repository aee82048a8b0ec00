"""Makes thumbnails of all films, each once as long as it is remembered, in processes with limits.

A viewer who scrubs asks for many and waits for the last one, so the newest question is answered first.
"""

from __future__ import annotations

import logging
import signal
import threading
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Final, NamedTuple

from cachetools import LRUCache, TTLCache

from hls_sessions.errors import SessionError, ThumbnailFailed, Unavailable
from hls_sessions.ffmpeg.file_version import FileVersion, grew, version_of
from hls_sessions.ffmpeg.lookups import Lookups
from hls_sessions.ffmpeg.workers import MAKE_THUMBNAILS, WorkerErred, WorkerFailed
from hls_sessions.otp import Reply

if TYPE_CHECKING:
    from hls_sessions.ffmpeg.workers import Message, Worker, Workers
    from hls_sessions.media import Media, Sheet

logger = logging.getLogger(__name__)

WORKERS: Final = 2
"""Films of which thumbnails are made at the same time."""

OPEN: Final = 8
"""Films that are kept open, because a viewer who has asked for one thumbnail asks for more."""

TIMEOUT: Final = 30.0
"""Seconds that a sheet may take: one of a large film on a slow share takes some."""

KEPT: Final = 64 * 1024**2
"""Bytes of memory that all remembered thumbnails may take together: those of some thirty films."""

FAILURES: Final = 1000
"""How many thumbnails are remembered that cannot be made."""

FAILED_FOR: Final = 60.0
"""Seconds for which that is remembered: a share that was slow may be quick again."""

CLOSED: Final = "The maker of thumbnails is closed."


class _Question(NamedTuple):
    file: FileVersion
    part: tuple[int, int] | None
    sheet: Sheet


class ThumbnailMaker:
    """Any thread may use it."""

    def __init__(self, workers: Workers) -> None:
        self._start = workers.start
        self._confined = workers.confined
        self._lookups = Lookups()
        self._known: LRUCache[_Question, bytes] = LRUCache(KEPT, len)
        self._failed: TTLCache[_Question, SessionError] = TTLCache(FAILURES, FAILED_FOR)
        self._slow: TTLCache[FileVersion, SessionError] = TTLCache(FAILURES, FAILED_FOR)
        """Films of which a thumbnail took too long."""
        self._asked: OrderedDict[_Question, tuple[Media, list[Reply[bytes]]]] = OrderedDict()
        """The questions that nobody works at, the newest last."""
        self._open: OrderedDict[FileVersion, Worker] = OrderedDict()
        """The films that are open and idle, the one that was used last at the end."""
        self._busy: dict[FileVersion, Worker | None] = {}
        """The films that are worked at."""
        self._closed = False
        self._lock = threading.Lock()
        self._threads = ThreadPoolExecutor(WORKERS, thread_name_prefix="thumbnails")

    def ask(self, media: Media, sheet: Sheet) -> Reply[bytes]:
        """Ask for thumbnails of a film, as one JPEG image. Cancel the reply if they are not wanted any more.

        The reply fails with ThumbnailFailed when they cannot be made, with MediaNotFound when the file is gone, with
        Unavailable when its storage does not answer or the maker is closed.
        """
        reply: Reply[bytes] = Reply()
        question = _Question(version_of(media), media.part, sheet)
        with self._lock:
            if self._closed:
                reply.fail(Unavailable(CLOSED))
            elif (image := self._known.get(question)) is not None:
                reply.set(image)
            elif (error := self._failure(question)) is not None:
                reply.fail(error)
            else:
                self._asked.setdefault(question, (media, []))[1].append(reply)
                self._asked.move_to_end(question)
                self._threads.submit(self._work)
        return reply

    def close(self) -> None:
        """End all processes, and fail the replies that still wait."""
        with self._lock:
            self._closed = True
            waiting = [reply for _, replies in self._asked.values() for reply in replies]
            self._asked.clear()
            workers = [*self._open.values(), *filter(None, self._busy.values())]
            for worker in workers:
                worker.kill()
        self._lookups.abandon()
        for reply in waiting:
            reply.fail(Unavailable(CLOSED))
        self._threads.shutdown()
        for worker in workers:
            worker.end()

    # ---- within

    def _work(self) -> None:
        """Answer the newest question about a film that nobody else works at, if there is one."""
        with self._lock:
            question = next((each for each in reversed(self._asked) if each.file not in self._busy), None)
            if question is None:
                return
            media, replies = self._asked.pop(question)
            self._busy[question.file] = None
        try:
            if not all(reply.done() for reply in replies):
                self._answer_all(question, media, replies)
        finally:
            with self._lock:
                given_up = self._put_back(question.file, self._busy.pop(question.file))
                if self._asked and not self._closed:
                    self._threads.submit(self._work)
            for worker in given_up:
                worker.end()

    def _answer_all(self, question: _Question, media: Media, replies: list[Reply[bytes]]) -> None:
        failure: SessionError
        try:
            with self._lock:  # it may have been made, or have failed, since it was asked for
                known, failed = self._known.get(question), self._failure(question)
            if known is None and failed is not None:
                raise failed
            image = known or self._made(question, media)
        except SessionError as error:
            failure = error
        except Exception as error:  # noqa: BLE001 - whatever it is, callers wait for an answer
            logger.warning("making a thumbnail of %s ended with %r", media.path, error)
            failure = ThumbnailFailed(str(media.path), "the process that makes them failed")
        else:
            for reply in replies:
                reply.set(image)
            return
        for reply in replies:
            reply.fail(failure)

    def _failure(self, question: _Question) -> SessionError | None:
        return self._failed.get(question) or self._slow.get(question.file)

    def _put_back(self, file: FileVersion, worker: Worker | None) -> list[Worker]:
        """Keep a film open, and return the workers that are not kept."""
        if worker is not None:
            self._open[file] = worker
        surplus = [each for each, known in self._open.items() if known.exit is not None]
        surplus += [each for each in self._open if each not in surplus][: max(0, len(self._open) - len(surplus) - OPEN)]
        return [self._open.pop(each) for each in surplus]

    def _made(self, question: _Question, media: Media) -> bytes:
        """Have an image made, and remember it.

        Raises:
            ThumbnailFailed, MediaNotFound, Unavailable: it cannot be made.
        """
        path = str(media.path)
        try:
            message = self._answer(question, media)
            if (why := message.body.get("error")) is not None:
                raise ThumbnailFailed(path, str(why))
        except (TimeoutError, WorkerFailed, ThumbnailFailed) as error:
            failure = error if isinstance(error, ThumbnailFailed) else ThumbnailFailed(path, _reason(error))
            with self._lock:
                self._failed[question] = failure
                if isinstance(error, TimeoutError):
                    self._slow[question.file] = failure  # or each of its thumbnails would take as long
            raise failure from error
        with self._lock, suppress(ValueError):  # it is larger than the whole cache may be
            self._known[question] = message.payload
        return message.payload

    def _answer(self, question: _Question, media: Media) -> Message:
        """Ask the worker that has the film open."""
        sheet = question.sheet
        request = {
            "times": [str(time) for time in sheet.times],
            "columns": sheet.columns,
            "width": sheet.width,
            "height": sheet.height,
        }
        worker = self._worker(question, media)
        try:
            return worker.ask(request, TIMEOUT)
        except WorkerFailed as error:
            how = worker.wait(TIMEOUT)
            if how is not None and how.was_killed:
                raise Unavailable("The process that makes thumbnails was killed.") from error
            # One that was idle for long ends by itself, perhaps just now.
            if how is None or how.code != -signal.SIGALRM:
                raise
        return self._worker(question, media).ask(request, TIMEOUT)

    def _worker(self, question: _Question, media: Media) -> Worker:
        """Return a worker that has the film open."""
        if media.video is None:
            raise ThumbnailFailed(str(media.path), "it has no video")
        with self._lock:
            worker = self._open.pop(question.file, None)
        if worker is not None and worker.exit is None:
            return self._take(question.file, worker)
        if worker is not None:
            worker.close()
        now = self._lookups(media.path.parent, lambda: FileVersion.of(media.path))
        if now != question.file and not grew(question.file, now):
            raise ThumbnailFailed(str(media.path), "it is not the file that was opened any more")
        worker = self._start(MAKE_THUMBNAILS)
        worker.send(
            {
                "path": str(media.path.absolute()),
                "container": media.container,
                "codec": media.video.codec,
                "stream": media.video.index,
                "size": media.size,
                "part": media.part,
                "confined": self._confined,
            }
        )
        return self._take(question.file, worker)

    def _take(self, file: FileVersion, worker: Worker) -> Worker:
        with self._lock:
            self._busy[file] = worker
            if self._closed:
                worker.kill()
        return worker


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return f"it takes more than {TIMEOUT:g} seconds"
    return "the process that makes them failed" if isinstance(error, WorkerErred) else "it crashes a decoder"
