"""The file of the settings, watched: whoever changes it is heard at once."""

from __future__ import annotations

import logging
import os
from collections import deque
from contextlib import suppress
from operator import itemgetter
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

EXCHANGES: list[type[FileSystemEvent]] = [DirMovedEvent, DirCreatedEvent]
"""What may have put another folder in the place of one."""

MOST_LINKS = 40
"""Links that are followed: as many as the kernel follows."""

Version: TypeAlias = tuple[int, int, int]
"""What tells one version of a file from another: inode, time of change, size."""

Folder: TypeAlias = tuple[Path, bool]
"""A folder that is watched, and whether only for what takes the place of one below."""


class SettingsFile(FileSystemEventHandler):
    """Calls back, in a thread of its own, when a file has another content. A context manager.

    The folder is watched and not the file, because most programs write a new file and rename it; and so is the folder
    of every link that leads to it, because whoever exchanges one has the path lead to another file; and those above,
    because a folder may be exchanged too. A file that is missing or empty is on its way, and nothing is said of it.
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
        self._watches: dict[Folder, ObservedWatch | None] = {}
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
        # Its name alone says little: the file may be reached through a link to a folder that was exchanged.
        if isinstance(event, DirMovedEvent | DirCreatedEvent):
            self._forget({Path(str(event.src_path)), Path(str(event.dest_path))})
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
        while (folders := self._folders()) != self._watches.keys():
            for folder in self._watches.keys() - folders:
                self._unwatch(folder)
            # Those above first: they tell when one that is gone at this moment is back.
            for folder in sorted(folders - self._watches.keys(), key=itemgetter(1), reverse=True):
                self._watches[folder] = self._watched(*folder)

    def _forget(self, exchanged: set[Path]) -> None:
        """Watch no folder that is another now, or below one: a watch stays with the folder that it was set on."""
        for folder in list(self._watches):
            if not exchanged.isdisjoint((folder[0], *folder[0].parents)):
                self._unwatch(folder)

    def _unwatch(self, folder: Folder) -> None:
        watch = self._watches.pop(folder)
        with suppress(KeyError, OSError):  # the folder is gone, and its watch with it
            if watch is not None:
                self._observer.unschedule(watch)

    def _watched(self, path: Path, above: bool) -> ObservedWatch | None:
        try:
            return self._observer.schedule(self, str(path), event_filter=EXCHANGES if above else KINDS)
        except OSError:
            if not above:
                raise
            return None  # who may not look into it may still be told of what is below

    def _folders(self) -> set[Folder]:
        near = folders_on_the_way(self._path)
        above = {parent for folder in near for parent in folder.parents} - near
        return {(folder, folder in above) for folder in near | above}

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
