"""The file of the settings, watched: whoever changes it is heard at once."""

from __future__ import annotations

import logging
import os
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Self, TypeAlias

from watchdog.events import (
    DirCreatedEvent,
    DirMovedEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers import Observer

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from watchdog.observers.api import ObservedWatch

logger = logging.getLogger(__name__)

KINDS: list[type[FileSystemEvent]] = [FileClosedEvent, FileMovedEvent, FileCreatedEvent, DirMovedEvent, DirCreatedEvent]
"""What may have changed a file, a link, or a folder on the way to it."""

MOST_LINKS = 40
"""Links that are followed: as many as the kernel follows."""

Version: TypeAlias = tuple[int, int, int]
"""What tells one version of a file from another: inode, time of change, size."""


class SettingsFile(FileSystemEventHandler):
    """Calls back, in a thread of its own, when a file has another content. A context manager.

    The folder is watched and not the file, because most programs write a new file and rename it; and so is the folder
    of every link that leads to it, because whoever exchanges one has the path lead to another file. A file that is
    missing or empty is on its way, and nothing is said of it.
    """

    def __init__(self, path: Path, on_change: Callable[[], object]) -> None:
        self._path = path.absolute()
        self._on_change = on_change
        self._known = self._version()

    def __enter__(self) -> Self:
        """Begin to watch.

        Raises:
            OSError: the folder is gone, or the system's limit of watches is reached.
        """
        self._path.parent.stat()
        self._watches: dict[Path, ObservedWatch] = {}
        self._observer = Observer()
        self._observer.start()
        try:
            self._watch()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def _end(self) -> None:
        self._observer.stop()
        self._observer.join()

    def on_any_event(self, event: FileSystemEvent) -> None:
        """See whether it is the file that something has happened to."""
        del event  # its name says little: the file may be reached through a link to a folder that was exchanged
        try:
            self._watch()
        except OSError as error:
            logger.warning("not every folder on the way to %s can be watched: %s", self._path, error)
        now = self._version()  # after that, so that nothing falls between the two
        if now is None or now == self._known:
            return
        self._known = now
        try:
            self._on_change()
        except Exception:
            # Whatever it raises, the next change is heard.
            logger.exception("the settings could not be read again")

    def _watch(self) -> None:
        """Watch the folders that the path leads through now, and no others.

        Raises:
            OSError: one cannot be watched.
        """
        # Again, until it is so: what is made in a folder before it is watched is not heard.
        while (folders := folders_on_the_way(self._path)) != self._watches.keys():
            for folder in self._watches.keys() - folders:
                self._observer.unschedule(self._watches.pop(folder))
            for folder in folders - self._watches.keys():
                self._watches[folder] = self._observer.schedule(self, str(folder), event_filter=KINDS)

    def _version(self) -> Version | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return (found.st_ino, found.st_mtime_ns, found.st_size) if found.st_size else None


def folders_on_the_way(path: Path) -> set[Path]:
    """Return the folders in which it is decided what an absolute path leads to: those of all links, and the last.

    Where something on the way is missing, the last is the folder in which it would appear.
    """
    folders: set[Path] = set()
    at, parts, links = Path(path.anchor), deque(path.parts[1:]), 0
    while parts:
        part = parts.popleft()
        if part == os.pardir:
            at = at.parent
        elif (there := at / part).is_symlink() and links < MOST_LINKS:
            folders.add(at)
            links += 1
            target = there.readlink()
            at = Path(target.anchor) if target.is_absolute() else at
            parts.extendleft(reversed(target.parts[1:] if target.is_absolute() else target.parts))
        elif parts and there.is_dir():
            at = there
        else:
            folders.add(at)
            break
    return folders
