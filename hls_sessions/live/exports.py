"""Files for others, made of what has arrived: the same packets with an index, each made once for what there is.

::

    <recordings-dir>/<id>/made/
        video-0-505425.mp4         of part 0, when it had so many bytes; video-all-… of all parts
"""

from __future__ import annotations

import errno
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from hls_sessions.errors import NotPlayable, StorageFailed, Unavailable
from hls_sessions.ffmpeg import REMUX, WorkerFailed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from hls_sessions.ffmpeg import Workers
    from hls_sessions.live.journal import Part

KINDS: Final = ("video", "audio", "wav", "subtitles")
"""``video``: all of it, as MP4 or Matroska; ``audio``: its sound alone, as M4A; ``wav``: the samples of its sound;
``subtitles``: its first texts, as WebVTT."""

FOLDER: Final = "made"
ALL: Final = "all"

EXTENSIONS: Final = {
    ("video", "mp4"): "mp4",
    ("video", "matroska"): "mkv",
    ("audio", "mp4"): "m4a",
    ("audio", "matroska"): "mka",
    ("video", "mov"): "mov",
    ("audio", "mov"): "mov",
    ("wav", "wav"): "wav",
    ("subtitles", "webvtt"): "vtt",
}
"""By the kind and the container."""

LONGEST: Final = 600.0
"""Seconds that making one may take."""

FULL: Final = {errno.ENOSPC, errno.EDQUOT, errno.EIO}


def made_files(folder: Path) -> Iterator[tuple[Path, str, int | None]]:
    """Yield the files that were made of a recording, the kind of each, and its part; None for all of them."""
    for path in sorted((folder / FOLDER).glob("*-*-*.*")):
        kind, part, _ = path.stem.split("-")
        yield path, kind, None if part == ALL else int(part)


class Exports:
    """Makes such files. Any thread may use it; it returns when the file is there."""

    def __init__(self, workers: Workers) -> None:
        self._workers = workers
        self._lock = threading.Lock()
        """One is made at a time, because a long one keeps the disk busy."""

    def of(self, parts: Sequence[Part], kind: str) -> Path:
        """Return the file of a kind, made of what has arrived of parts, one after another.

        Raises:
            NotPlayable: there is nothing of that kind in them, or they cannot be in one file.
            StorageFailed: there is no room for it.
            Unavailable: no process can make it now.
        """
        folder = parts[0].path.parent / FOLDER
        which = f"{kind}-{parts[0].number if len(parts) == 1 else ALL}"
        name = f"{which}-{sum(part.size for part in parts)}"
        with self._lock:
            if (made := next(folder.glob(f"{name}.*"), None)) is not None:
                return made
            try:
                folder.mkdir(mode=0o700, exist_ok=True)
                unfinished = folder / f"{name}-unfinished"
                made = unfinished.rename(folder / f"{name}.{self._made(parts, kind, unfinished)}")
                for earlier in folder.glob(f"{which}-*"):
                    if earlier != made:
                        earlier.unlink(missing_ok=True)
            except OSError as error:
                raise StorageFailed(str(folder), error.strerror or str(error)) from error
            return made

    def _made(self, parts: Sequence[Part], kind: str, to: Path) -> str:
        """Make a file, and return its extension."""
        confined = str(to.parent) if self._workers.confined else None
        paths = [str(part.path) for part in parts]
        request = {"paths": paths, "confined_to": confined, "to": str(to), "kind": kind}
        worker = None
        try:
            worker = self._workers.start(REMUX)
            answer = worker.ask(request, LONGEST).body
        except (OSError, TimeoutError, WorkerFailed) as error:
            raise Unavailable(f"The file cannot be made now: {error}.") from error
        finally:
            if worker is not None:
                worker.end()
        match answer:
            case {"made": form}:
                return EXTENSIONS[kind, form]
            case {"error": why, "errno": number}:
                with suppress(OSError):
                    to.unlink(missing_ok=True)
                if number in FULL:
                    raise StorageFailed(str(to.parent), why)
                raise NotPlayable(parts[0].path.name, why)
            case _:
                raise Unavailable("The file cannot be made now.")
