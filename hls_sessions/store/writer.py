"""The one thread that writes. A caller that records a row never waits for it, and never gets its errors."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any

from hls_sessions.store.database import sentence
from hls_sessions.store.journal import Journal

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from hls_sessions.store.journal import Batch

logger = logging.getLogger(__name__)

LIMIT = 20_000
"""Rows that may wait to be written; more are lost, and counted."""

FIRST_RETRY = 0.5
"""Seconds before a batch that could not be written is tried again; doubled at each further failure."""
LAST_RETRY = 30.0

STOP_TIMEOUT = 5.0
"""Seconds that writing the rest may take when it stops."""


class Writer:
    """Writes batches of rows as they come."""

    def __init__(self, write: Callable[[Batch], None]) -> None:
        """Make a writer; ``write`` writes a batch whole, or raises and writes nothing of it."""
        self.failures = 0
        """How often writing failed."""
        self.lost = 0
        """Rows there was no room for."""
        self.trouble: str | None = None
        """Why the last try failed; None when it did not."""
        self._write = write
        self._journal = Journal(LIMIT)
        self._in_hand = 0
        self._added = 0
        self._written = 0
        self._stopping = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="store writer", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """About how many rows are yet to be written: a row that replaces one being written counts twice."""
        return len(self._journal) + self._in_hand

    def add(self, row: Any, key: Hashable = None) -> bool:
        """Queue a row, in the place of an unwritten one of the same key. Return False if there is no room."""
        with self._changed:
            if self._stopping or not self._journal.add(row, key, self._in_hand):
                self.lost += 1
                return False
            self._added += 1
            self._changed.notify_all()
            return True

    def drop(self, unwanted: Callable[[Any], bool]) -> None:
        """Remove rows from the queue that are not being written yet."""
        with self._changed:
            self._journal.drop(unwanted)

    def flush(self, timeout: float) -> bool:
        """Wait until all that was added is written; False when it takes longer, or cannot be written now."""
        with self._changed:
            wanted = self._added
            self._changed.wait_for(lambda: self._written >= wanted or self.trouble is not None, timeout)
            return self._written >= wanted

    def stop(self) -> None:
        """Write the rest, if it can be written, and end. Idempotent."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        self._thread.join(STOP_TIMEOUT)
        if self._journal:
            logger.error("%d rows of the history could not be written and are lost", len(self._journal))

    def _run(self) -> None:
        delay = FIRST_RETRY
        while (taken := self._take()) is not None:
            batch, upto = taken
            try:
                self._write(batch)
            except Exception as error:  # noqa: BLE001 - no fault of the history may end its writer
                if not self._failed(batch, error, delay):
                    return
                delay = min(2 * delay, LAST_RETRY)
            else:
                self._succeeded(upto)
                delay = FIRST_RETRY

    def _take(self) -> tuple[Batch, int] | None:
        """Wait for rows, and take them all; None at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._journal or self._stopping)
            if not self._journal:
                return None
            batch = self._journal.take()
            self._in_hand = len(batch)
            return batch, self._added

    def _succeeded(self, upto: int) -> None:
        with self._changed:
            if self.trouble is not None:
                logger.warning("the history is written again")
            self.trouble = None
            self._in_hand = 0
            self._written = upto
            self._changed.notify_all()

    def _failed(self, batch: Batch, error: Exception, delay: float) -> bool:
        """Give a batch back, and wait before the next try; False if this was the last."""
        with self._changed:
            self._journal.give_back(batch)
            self._in_hand = 0
            self.failures += 1
            if self.trouble is None:
                logger.error("the history cannot be written, and will be tried again: %s", sentence(error))
            self.trouble = sentence(error)
            self._changed.notify_all()
            tried_last = self._stopping
            self._changed.wait_for(lambda: self._stopping, delay)
            return not tried_last
