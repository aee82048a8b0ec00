"""The tokens of a daemon, and the rights that each of them gives. They are compared in constant time.

One may be a setting; others are in a file, a line each: ``operate 3f9c…`` or ``watch 81d0…``; a line of one word is an
operator's token, and one that begins with ``#`` is a comment. The file is read again when it changes, so a token is
rotated without a restart: add the new one, give it to its users, remove the old one.
"""

from __future__ import annotations

import hmac
import logging
import time
from enum import IntEnum
from typing import TYPE_CHECKING, Final

from hls_sessions.errors import SettingsRefused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

logger = logging.getLogger(__name__)

LOOK_AGAIN: Final = 1.0
"""Seconds until it is looked whether the file has changed."""


class Right(IntEnum):
    """What a caller may do. Who may do more may do what is before it, too."""

    NOTHING = 0
    WATCH = 1
    """Open sessions, and do with one whose id it knows what its viewer does."""
    OPERATE = 2
    """Everything."""


RIGHTS: Final = {"watch": Right.WATCH, "operate": Right.OPERATE}


class Tokens:
    """All of them. Any thread may use it."""

    def __init__(
        self, token: str | None = None, file: Path | None = None, now: Callable[[], float] = time.monotonic
    ) -> None:
        """Take an operator's token, and those of a file.

        Raises:
            SettingsRefused: the file cannot be read, or is not of that form.
        """
        self._own = {} if token is None else {token.encode(): Right.OPERATE}
        self._file = file
        self._now = now
        self._of_file: dict[bytes, Right] = {}
        self._version: tuple[int, int, int] | None = None
        self._looked = now()
        if file is not None:
            try:
                self._read(file)
            except (OSError, ValueError) as error:
                raise SettingsRefused({"token_file": str(error)}) from error

    def right_of(self, given: bytes) -> Right:
        """Return the right that a token gives. Takes as long for any."""
        found = Right.NOTHING
        for token, right in self.all():
            if hmac.compare_digest(given, token):
                found = max(found, right)
        return found

    def all(self) -> Iterator[tuple[bytes, Right]]:
        """Yield all tokens of now, each with its right."""
        self._look_again()
        yield from (self._own | self._of_file).items()

    def _look_again(self) -> None:
        """Read the file again if it has changed. One that cannot be read changes nothing."""
        if self._file is None or self._now() - self._looked < LOOK_AGAIN:
            return
        self._looked = self._now()
        try:
            self._read(self._file)
        except (OSError, ValueError) as error:
            logger.error("The token file is refused, and the tokens stay as they are: %s", error)  # noqa: TRY400 - a fault of the file, not of ours

    def _read(self, file: Path) -> None:
        status = file.stat()
        version = status.st_mtime_ns, status.st_size, status.st_ino
        if version != self._version:
            self._of_file, self._version = dict(_parsed(file.read_text(encoding="utf-8"))), version


def _parsed(text: str) -> Iterator[tuple[bytes, Right]]:
    """Yield the tokens of a file. Faults name the line, and never what is in it."""
    tokens = 0
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        right = Right.OPERATE if len(words) == 1 else RIGHTS.get(words[0])
        if right is None or len(words) > 2:  # noqa: PLR2004 - a right and a token
            raise ValueError(f"line {number} is neither a token, nor a right (watch, operate) and a token")
        tokens += 1
        yield words[-1].encode(), right
    if not tokens:
        raise ValueError("it holds no token")
