"""Brings journals to the disk at most a second after something was added: one thread for all recordings."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Final

from hls_sessions.errors import StorageFailed

if TYPE_CHECKING:
    from collections.abc import Callable

    from hls_sessions.live.journal import Journal

logger = logging.getLogger(__name__)

INTERVAL: Final = 0.5
"""Seconds between two rounds. A round and a write that comes just after it make less than a second."""


class Syncer:
    """Looks at every journal every so often. Any thread may use it."""

    def __init__(self, interval: float = INTERVAL) -> None:
        """Begin, without a journal."""
        self._interval = interval
        self._journals: set[Journal] = set()
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="journals", daemon=True)
        self._thread.start()

    @property
    def journals(self) -> list[Journal]:
        """The journals that it looks after."""
        with self._lock:
            return list(self._journals)

    def add(self, journal: Journal) -> None:
        """Look after a journal from now on."""
        with self._lock:
            self._journals.add(journal)

    def remove(self, journal: Journal) -> None:
        """Look after a journal no more; it is closed."""
        with self._lock:
            self._journals.discard(journal)
        journal.close()

    def close(self) -> None:
        """Close all journals, and end."""
        self._closing.set()
        self._thread.join()
        for journal in self.journals:
            _tried(journal.close)

    def _run(self) -> None:
        while not self._closing.wait(self._interval):
            for journal in self.journals:
                _tried(journal.sync)


def _tried(sync: Callable[[], None]) -> None:
    """Sync, and complain where that fails: the next try of its writer fails too, and tells its source."""
    try:
        sync()
    except StorageFailed as error:
        logger.error("a recording cannot be brought to the disk: %s", error)  # noqa: TRY400 - the disk's fault, not ours
