"""A packager as its session sees it: a process that keeps the film open and makes one copied segment after another."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hls_sessions.ffmpeg.process import Exit, ProcessId, processor_seconds
from hls_sessions.ffmpeg.workers import PACKAGE
from hls_sessions.media import OFFSET, VideoTrack

if TYPE_CHECKING:
    from collections.abc import Callable

    from hls_sessions.ffmpeg.workers import Message, Workers
    from hls_sessions.media import Media, Presentation, Rendition

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Packaged:
    """The answer of a packager."""

    init: bytes
    """The rendition's init segment; empty when it failed."""
    error: str | None = None
    """Why it could not make the segment; None when it could."""
    errno: int | None = None
    """The system's number for why it could not be written; None for every other reason."""


def request_for(
    presentation: Presentation, rendition: Rendition, number: int | None, scale: int | None, file: Path
) -> dict[str, Any]:
    """Return the request for a segment of a copied rendition, or for its init segment alone.

    Args:
        presentation: the film.
        rendition: one that is copied.
        number: the segment; None for the init segment alone.
        scale: ticks per second of the init segment that is published; None while there is none.
        file: where the segment is to be written.
    """
    cuts, track = presentation.cuts(rendition.id), rendition.track
    begins, ends, shown = "0", None, None
    if number is not None:
        begins = str(cuts.start(number) - cuts.slack)
        if not cuts.is_last(number):
            ends = str(cuts.end(number) - cuts.slack)
        if number == 0 and isinstance(track, VideoTrack):
            begins, shown = str(track.start - cuts.slack), str(cuts.start(0))
    return {
        "stream": track.index,
        "delay": track.copy.delay if isinstance(track, VideoTrack) and track.copy is not None else 0,
        "begins": begins,
        "ends": ends,
        "shown": shown,
        "offset": f"{float(OFFSET - presentation.timeline.origin):.6f}",
        "scale": scale,
        "file": None if number is None else str(file),
    }


def film_of(media: Media, folder: Path | None = None) -> dict[str, Any]:
    """Return the first message to a packager: which film it is to open.

    With a folder, it confines itself to reading that film and writing to that folder.
    """
    return {
        "confined_to": None if folder is None else str(folder.absolute()),
        "path": str(media.path.absolute()),  # its working directory is another
        "container": media.container,
        "codec": None if media.video is None else media.video.codec,
        "size": media.size,
        "modified": media.modified,
    }


class Packager:
    """One packager's process, from its start to its end. Any thread may use it."""

    def __init__(
        self,
        workers: Workers,
        media: Media,
        folder: Path,
        record: Callable[[ProcessId | None], None],
        on_answer: Callable[[Packaged], None],
        on_exit: Callable[[Exit], None],
    ) -> None:
        """Start a process; return at once.

        Args:
            workers: where it comes from.
            media: the film.
            folder: where it writes its segments; it can write nowhere else.
            record: writes down which process it is, so that a later daemon finds it after a crash. May raise OSError.
            on_answer: called with every answer, in a thread that serves all packagers.
            on_exit: called once, and last, with how it ended.

        Raises:
            OSError, WorkerFailed: it cannot be started.
        """
        self._on_answer, self._on_exit = on_answer, on_exit
        self._has_ended = threading.Event()
        self._has_erred = False
        self._worker = workers.start_heard(PACKAGE, record, self._answered, self._exited)
        self._worker.send(film_of(media, folder if workers.confined else None))

    def __repr__(self) -> str:
        return f"<Packager [pid {self.pid}]>"

    @property
    def pid(self) -> int | None:
        """Its process id; None until it has started."""
        return self._worker.pid

    @property
    def seconds(self) -> float:
        """Processor seconds it has computed for, while it runs."""
        return 0.0 if self.pid is None or self._worker.exit is not None else processor_seconds(self.pid)

    @property
    def progress(self) -> tuple[float, int]:
        """Two numbers that grow while it works: processor time, and the bytes it has read (proc(5), rchar of io)."""
        try:
            read = Path(f"/proc/{self.pid}/io").read_text().split()[1]
        except (OSError, IndexError):
            return self.seconds, 0
        return self.seconds, int(read)

    def ask(self, request: dict[str, Any]) -> None:
        """Ask for a segment. Either ``on_answer`` or ``on_exit`` is called."""
        self._worker.send(request)

    def kill(self) -> None:
        """End it at once. ``on_exit`` is called when it is gone."""
        self._worker.kill()

    def wait(self, timeout: float) -> bool:
        """Wait until it has ended and ``on_exit`` was called. False when that took more than ``timeout`` seconds."""
        return self._has_ended.wait(timeout)

    def _answered(self, message: Message) -> None:
        answer, init = message
        match answer:
            case {"error": str(why), "errno": int() | None as number}:
                self._on_answer(Packaged(b"", why, number))
            case {"size": int()}:
                self._on_answer(Packaged(init))
            case {"crashed": why}:
                logger.error("a packager crashed: %s", why)
            case _:
                self._has_erred = True
                self.kill()

    def _exited(self, how: Exit) -> None:
        # It was killed because it answered with nonsense over this film. That is its own failure, unlike other kills.
        self._on_exit(how._replace(code=1) if self._has_erred else how)
        self._has_ended.set()
