"""The folder in which state outlives the daemon, held by one process at a time."""

from __future__ import annotations

import contextlib
import fcntl
import os
from typing import IO, TYPE_CHECKING

from hls_sessions.errors import StateUnusable

if TYPE_CHECKING:
    from pathlib import Path

LOCK = "lock"
DATABASE = "history.db"


class StateFolder:
    """One state folder."""

    def __init__(self, folder: Path) -> None:
        """Name a folder; ``take`` makes it."""
        self.folder = folder.expanduser().absolute()
        self.database = self.folder / DATABASE
        self._lock: IO[str] | None = None

    def take(self) -> None:
        """Make the folder if it is missing, and lock it until ``leave``.

        Raises:
            StateUnusable: another process holds it, or it cannot be made or written to.
        """
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = (self.folder / LOCK).open("a+", encoding="utf-8")
        except OSError as error:
            raise StateUnusable(str(self.folder), error.strerror or str(error)) from error
        try:
            # The kernel gives a lock back with its process, however that ends. No child inherits the descriptor.
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not os.access(self.folder, os.W_OK):
                raise PermissionError(0, "it cannot be written to")
        except BlockingIOError:
            holder = _holder(lock)
            lock.close()
            raise StateUnusable(str(self.folder), f"another daemon uses it{holder}") from None
        except OSError as error:
            lock.close()
            raise StateUnusable(str(self.folder), error.strerror or str(error)) from error
        with contextlib.suppress(OSError):  # it is for people; a full disk is no reason not to start
            lock.truncate(0)
            lock.write(f"{os.getpid()}\n")
            lock.flush()
        self._lock = lock

    def leave(self) -> None:
        """Unlock the folder. The lock file stays, because two processes could hold the lock after a deletion."""
        lock, self._lock = self._lock, None
        if lock is not None:
            with contextlib.suppress(OSError):
                lock.close()


def _holder(lock: IO[str]) -> str:
    lock.seek(0)
    pid = lock.read().strip()
    return f" (process {pid})" if pid else ""
