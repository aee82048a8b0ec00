"""The file of the settings, watched: whoever changes it is heard at once."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Self, TypeAlias

from watchdog.events import FileClosedEvent, FileCreatedEvent, FileMovedEvent, FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import TracebackType

logger = logging.getLogger(__name__)

Version: TypeAlias = tuple[int, int, int]
"""What tells one version of a file from another: inode, time of change, size."""


class SettingsFile(FileSystemEventHandler):
    """Calls back, in a thread of its own, when a file has another content. A context manager.

    The folder is watched and not the file, because most programs write a new file and rename it. A file that is
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
        # A link may be changed where it is, and where it leads to.
        folders = {self._path.parent, self._path.resolve().parent}
        for folder in folders:
            folder.stat()
        self._observer = Observer()
        self._observer.start()
        try:
            for folder in folders:
                kinds: list[type[FileSystemEvent]] = [FileClosedEvent, FileMovedEvent, FileCreatedEvent]
                self._observer.schedule(self, str(folder), event_filter=kinds)
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
        now = self._version()
        if now is None or now == self._known:
            return
        self._known = now
        try:
            self._on_change()
        except Exception:
            # Whatever it raises, the next change is heard.
            logger.exception("the settings could not be read again")

    def _version(self) -> Version | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return (found.st_ino, found.st_mtime_ns, found.st_size) if found.st_size else None
