"""The settings file, looked at once a second for a change."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Self, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import TracebackType

logger = logging.getLogger(__name__)

INTERVAL = 1.0
"""Seconds between two looks."""

Version: TypeAlias = tuple[int, int, int]
"""Inode, time of change and size, which tell one version of a file from another."""


class SettingsFile:
    """Calls back, in a thread of its own, when a file has other content. A context manager.

    The path is followed anew at every look, because a link or a folder on the way to the file may have been exchanged.
    A file that is missing or empty is ignored, because it is about to be written.
    """

    def __init__(self, path: Path, on_change: Callable[[], object], interval: float = INTERVAL) -> None:
        self._path = path.absolute()
        self._on_change = on_change
        self._interval = interval
        self._known = self._version()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="settings file", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    def look(self) -> None:
        """Call back if the file is another version than at the last look."""
        now = self._version()
        if now is None or now == self._known:
            return
        self._known = now
        try:
            self._on_change()
        except Exception:
            # The thread lives on, so that the next change is seen.
            logger.exception("the settings could not be read again")

    def _run(self) -> None:
        while not self._ended.wait(self._interval):
            self.look()

    def _version(self) -> Version | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return (found.st_ino, found.st_mtime_ns, found.st_size) if found.st_size else None
