"""The segments of one rendition that are on disk, encoded, copied or subtitles. Lives in the session's thread.

Nothing else knows these files: the cache writes, finds, measures and deletes them. A segment of this daemon was checked
before it was published. A segment of an earlier daemon counts as there until it fails its check: it is checked when it
is first asked for, and then published again or deleted.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

from hls_sessions.media import BrokenSegment, Refused
from hls_sessions.segments.budget import dispensable

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
    from pathlib import Path

    from hls_sessions.media import Cuts, Rendition, SubtitleRendition
    from hls_sessions.segments.budget import Likelihood
    from hls_sessions.segments.directory import SegmentDirectory
    from hls_sessions.segments.quota import SessionQuota

logger = logging.getLogger(__name__)


class Reporter(Protocol):
    """Hears of a session's segments that come and go."""

    def made(self, rendition: str, segment: int, size: int) -> None:
        """Hear that a segment of so many bytes was published."""

    def evicted(self, rendition: str, segment: int) -> None:
        """Hear that a published segment is no longer on disk."""


class SegmentCache:
    """One rendition's segments. The quota and the reporter hear of each that comes and goes."""

    __slots__ = ("_check", "_cuts", "_directory", "_quota", "_rendition", "_reporter", "_sizes", "_unchecked")

    def __init__(
        self,
        rendition: Rendition | SubtitleRendition,
        cuts: Cuts,
        directory: SegmentDirectory,
        quota: SessionQuota,
        reporter: Reporter,
        check: Callable[[int, bytes], None],
    ) -> None:
        """Take over the published segments of an earlier actor.

        Args:
            rendition: the rendition of the segments.
            cuts: where it is cut.
            directory: where the segments are.
            quota: the session's bytes on disk.
            reporter: hears of segments that come and go.
            check: raises BrokenSegment, Refused or OSError for a faulty segment of an earlier daemon.
        """
        self._rendition = rendition
        self._cuts = cuts
        self._directory = directory
        self._quota = quota
        self._reporter = reporter
        self._check = check
        self._sizes = directory.published(rendition.id, rendition.extension)
        unchecked = directory.unchecked(rendition.id, rendition.extension)
        # A filler segment before or after the track is written anew, because that costs nothing.
        self._unchecked = {number for number in unchecked if number in cuts.made} - self._sizes.keys()
        self._sizes |= {number: unchecked[number] for number in self._unchecked}
        for size in self._sizes.values():
            quota.wrote(size)

    def __contains__(self, number: int) -> bool:
        """Whether a segment is there and was checked."""
        return number in self._sizes and number not in self._unchecked

    @property
    def numbers(self) -> Collection[int]:
        """All segments that are on disk, checked or not."""
        return self._sizes.keys()

    @property
    def init(self) -> Path:
        """The path of the init segment, once it is published."""
        return self._directory.init(self._rendition.id)

    def path(self, number: int) -> Path:
        """Return the path where a segment is, or will be."""
        path = self._directory.segment(self._rendition.id, number, self._rendition.extension)
        return self._directory.earlier(self._rendition.id, path.name) if number in self._unchecked else path

    def find(self, number: int) -> Path | None:
        """Return a segment's file; None if there is none, or only a faulty one of an earlier daemon."""
        if number in self._unchecked and not self._adopt(number):
            return None
        path = self.path(number)
        size = self._directory.size(path)
        if size is None:
            if number in self._sizes:
                self._gone(number)
            return None
        if number not in self._sizes:
            self._note(number, size)
        return path

    # ---- writing

    def publish_init(self, data: bytes | memoryview) -> None:
        """Make the init segment visible.

        Raises:
            OSError: it cannot be written; nothing has become visible.
        """
        self._directory.publish_init(self._rendition.id, data)

    def adopt_init(self) -> bytes | None:
        """Return the init segment of this daemon or of an earlier one, made visible again; None if there is none.

        Raises:
            OSError: it cannot be read or made visible.
        """
        if not self.init.exists():
            earlier = self._directory.earlier(self._rendition.id, self.init.name)
            if not earlier.exists():
                return None
            self._directory.adopt(earlier)
        return self.init.read_bytes()

    def publish(self, number: int, data: bytes | memoryview) -> Path:
        """Make a segment visible, and return its path.

        Raises:
            OSError: it cannot be written; nothing has become visible.
        """
        self.fill(number, data)
        self._reporter.made(self._rendition.id, number, len(data))
        return self.path(number)

    def publish_file(self, number: int, file: Path, size: int) -> None:
        """Make a segment visible whose file is written already, by moving the file.

        Raises:
            OSError: it cannot be moved; nothing has become visible.
        """
        self._directory.publish_file(self.path(number), file)
        self._note(number, size)
        self._reporter.made(self._rendition.id, number, size)

    def fill(self, number: int, data: bytes | memoryview) -> Path:
        """Publish a filler segment, like ``publish``. It does not count as made.

        Raises:
            OSError: it cannot be written; nothing has become visible.
        """
        self._directory.publish(self._rendition.id, number, data, self._rendition.extension)
        self._note(number, len(data))
        return self.path(number)

    # ---- deleting

    def evictable(
        self, positions: Mapping[int, float], waiting: Iterable[int], look_ahead: float, *, urgent: bool
    ) -> Iterator[tuple[Likelihood, int]]:
        """Yield the segments that can be evicted, as ``dispensable`` does."""
        stored = self._sizes.keys()
        yield from dispensable(self._cuts, stored, positions, frozenset(waiting), look_ahead, urgent=urgent)

    def evict(self, number: int) -> int:
        """Delete a segment from disk; return how many bytes it had.

        Raises:
            OSError: it cannot be deleted.
        """
        size = self._sizes.get(number, 0)
        self.path(number).unlink(missing_ok=True)
        self._gone(number)
        return size

    def clear(self) -> None:
        """Delete all files of the rendition, the init segment too, because without it no segment is of use."""
        self._directory.forget(self._rendition.id)
        for number in list(self._sizes):
            self._gone(number)

    # ---- within

    def _adopt(self, number: int) -> bool:
        file = self.path(number)
        try:
            self._check(number, file.read_bytes())
            self._directory.adopt(file)
        except (BrokenSegment, Refused, OSError) as fault:
            logger.warning("segment %d of %s is made again: %s", number, self._rendition.id, fault)
            _delete(file)
            self._gone(number)
            return False
        self._unchecked.discard(number)
        return True

    def _note(self, number: int, size: int) -> None:
        """Note that a checked segment is there, and delete an earlier daemon's of the same number."""
        if number in self._unchecked:
            _delete(self.path(number))
            self._unchecked.discard(number)
        before, self._sizes[number] = self._sizes.get(number, 0), size
        self._quota.wrote(size - before)

    def _gone(self, number: int) -> None:
        self._unchecked.discard(number)
        self._quota.removed(self._sizes.pop(number, 0))
        self._reporter.evicted(self._rendition.id, number)


def _delete(file: Path) -> None:
    with suppress(OSError):
        file.unlink(missing_ok=True)
