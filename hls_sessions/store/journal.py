"""A bounded queue of rows to write, in order. A row replaces an earlier one of the same key."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

Batch = dict["Hashable", Any]
"""Rows by key, in the order in which they are to be written."""


class Journal:
    """A queue in which a row takes the place of an earlier one of the same key. Its user keeps threads apart."""

    def __init__(self, limit: int) -> None:
        """Make a journal that holds so many rows at most."""
        self._limit = limit
        self._rows: Batch = {}
        self._numbers = count()

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, row: Any, key: Hashable = None, in_hand: int = 0) -> bool:
        """Put a row last, or in the place of the one it replaces; None replaces none. False when there is no room.

        ``in_hand`` says how many rows were taken that may yet be given back.
        """
        if key is None:
            key = next(self._numbers)
        if key not in self._rows and len(self._rows) + in_hand >= self._limit:
            return False
        self._rows[key] = row
        return True

    def take(self) -> Batch:
        """Return all of it, and be empty."""
        batch, self._rows = self._rows, {}
        return batch

    def drop(self, unwanted: Callable[[Any], bool]) -> None:
        """Forget rows."""
        self._rows = {key: row for key, row in self._rows.items() if not unwanted(row)}

    def give_back(self, batch: Batch) -> None:
        """Put a batch that could not be written back at the front. Rows that were replaced meanwhile stay replaced."""
        self._rows = batch | self._rows
