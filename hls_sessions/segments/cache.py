"""What is on disk of one rendition. Lives in the session's thread.

What this daemon has published was checked before. What an earlier one left counts as there for as long as nothing is
known against it: it is checked when it is first asked for, and shown again or deleted.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

from hls_sessions.media import BrokenSegment, Refused
from hls_sessions.segments.directory import size_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hls_sessions.media import Rendition, SubtitleRendition
    from hls_sessions.segments.directory import SegmentDirectory
    from hls_sessions.segments.quota import Account

logger = logging.getLogger(__name__)


class Reporter(Protocol):
    """Hears what becomes of a session's segments."""

    def made(self, rendition: str, segment: int, size: int) -> None:
        """Hear that a segment of so many bytes was published."""

    def evicted(self, rendition: str, segment: int) -> None:
        """Hear that a segment that was published is on disk no more."""


class Shelf:
    """The published segments of one rendition. The account and the reporter hear of each that comes and goes."""

    def __init__(
        self,
        rendition: Rendition | SubtitleRendition,
        known: range,
        directory: SegmentDirectory,
        account: Account,
        reporter: Reporter,
        check: Callable[[int, bytes], None],
    ) -> None:
        """Take over what an earlier life has published.

        Args:
            rendition: whose segments.
            known: the segments that may be an earlier daemon's.
            directory: where they are.
            account: what the session has on disk.
            reporter: hears of segments that come and go.
            check: raises BrokenSegment, Refused or OSError for one of an earlier daemon that is not what it should be.
        """
        self._rendition = rendition
        self._directory = directory
        self._account = account
        self._reporter = reporter
        self._check = check
        self._checked = directory.published(rendition.id, rendition.extension)
        self._unchecked = directory.unchecked(rendition.id, rendition.extension) & set(known) - self._checked
        for number in self.there:
            account.wrote(rendition.id, number, size_of(self._file(number)))

    def __contains__(self, number: int) -> bool:
        """Whether a segment is there and was checked."""
        return number in self._checked

    @property
    def there(self) -> set[int]:
        """All segments that are on disk, checked or not."""
        return self._checked | self._unchecked

    def find(self, number: int) -> Path | None:
        """Return a segment's file; None when there is none, or none that may be shown."""
        path = self._directory.segment(self._rendition.id, number, self._rendition.extension)
        if number in self._unchecked:
            return path if self._adopt(number) else None
        if path.exists():
            self._checked.add(number)
            return path
        if number in self._checked:
            self._gone(number)
        return None

    def published(self, number: int, size: int) -> None:
        """Note that a segment of so many bytes was made and is on disk; one of an earlier daemon makes way for it."""
        self.filled(number, size)
        self._reporter.made(self._rendition.id, number, size)

    def filled(self, number: int, size: int) -> None:
        """Note the same of one that no encoder has made."""
        if number in self._unchecked:
            _delete(self._file(number))
            self._unchecked.discard(number)
        self._checked.add(number)
        self._account.wrote(self._rendition.id, number, size)

    def evict(self, number: int) -> int:
        """Delete a segment from disk; return how many bytes it had.

        Raises:
            OSError: it cannot be deleted.
        """
        size = self._account.stored.get((self._rendition.id, number), 0)
        self._file(number).unlink(missing_ok=True)
        self._gone(number)
        return size

    def _adopt(self, number: int) -> bool:
        file = self._file(number)
        try:
            self._check(number, file.read_bytes())
            self._directory.adopt(file)
        except (BrokenSegment, Refused, OSError) as fault:
            logger.warning("segment %d of %s is made again: %s", number, self._rendition.id, fault)
            _delete(file)
            self._gone(number)
            return False
        self._unchecked.discard(number)
        self._checked.add(number)
        return True

    def _gone(self, number: int) -> None:
        self._checked.discard(number)
        self._unchecked.discard(number)
        self._account.removed(self._rendition.id, number)
        self._reporter.evicted(self._rendition.id, number)

    def _file(self, number: int) -> Path:
        """Return where a segment is, or will be."""
        path = self._directory.segment(self._rendition.id, number, self._rendition.extension)
        return self._directory.earlier(self._rendition.id, path.name) if number in self._unchecked else path


def _delete(file: Path) -> None:
    with suppress(OSError):
        file.unlink(missing_ok=True)
