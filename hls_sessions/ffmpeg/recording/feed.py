"""The part of a recording that is on disk, as a file that a demuxer can read while it still grows."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


class Feed:
    """A file without a seek, whose end is not there yet. A read waits for more bytes instead of ending."""

    def __init__(self, path: str, ask: Callable[[int], dict[str, Any]]) -> None:
        """Begin at the first byte.

        Args:
            path: the file.
            ask: says that so many bytes were read, and waits for an answer: ``{"size": bytes}`` as soon as there are
                more, ``{"ended": true}`` when no more will come.

        Raises:
            OSError: it cannot be opened.
        """
        self._file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self._ask = ask
        self._at = 0
        self._size = 0
        self._has_ended = False

    def read(self, size: int) -> bytes:
        """Return some bytes, as soon as there are any; none at the end.

        Raises:
            EOFError: nobody says any more how many there are.
            OSError: they cannot be read.
        """
        while self._at >= self._size and not self._has_ended:
            answer = self._ask(self._at)
            self._size = answer.get("size", self._size)
            self._has_ended = bool(answer.get("ended", False))
        data = os.pread(self._file, min(size, self._size - self._at), self._at)
        self._at += len(data)
        return data
