"""What is on disk of a recording's segments. They can be made again from the journal, but for the newest."""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from hls_sessions.media import BrokenSegment, read_segment

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hls_sessions.live.timeline import GrowingTimeline
    from hls_sessions.segments import SegmentDirectory
    from hls_sessions.segments.cache import Reporter
    from hls_sessions.segments.quota import SessionQuota, Spare

logger = logging.getLogger(__name__)

KINDS: Final = ("video", "audio")
"""The renditions that a recording may have."""

EDGE: Final = 15
"""Segments before the end, and after a viewer's position, that are not evicted."""


class RecordingCache:
    """The segments of a recording that are on disk, their parts and init segments. Lives in the session's thread."""

    def __init__(
        self,
        directory: SegmentDirectory,
        timeline: GrowingTimeline,
        reporter: Reporter,
        open_quota: Callable[[Spare], SessionQuota],
    ) -> None:
        """Begin with the segments that are there.

        Args:
            directory: the session's directory, open.
            timeline: the segments so far.
            reporter: hears of segments that come and go.
            open_quota: opens the session's quota, given what makes room.
        """
        self._directory = directory
        self._timeline = timeline
        self._reporter = reporter
        self.quota = open_quota(self.spare)
        self.positions: dict[str, int] = {}
        """The segment of each rendition that was asked for last."""
        self._sizes: dict[tuple[str, int], int] = {}
        """The bytes of each segment."""
        self._partial_sizes: dict[Path, int] = {}
        """The bytes of each part of a segment."""
        for kind in KINDS:
            for number, size in directory.published(kind).items():
                self._note(kind, number, size)

    def published(self, kind: str) -> int:
        """Return how many segments of a rendition are on disk."""
        return sum(each == kind for each, _ in self._sizes)

    def find(self, kind: str, number: int) -> Path | None:
        """Return a segment's file; None if it is not there. That of an earlier daemon is, once it was looked at."""
        path = self._directory.segment(kind, number)
        size = self._directory.size(path)
        if size is None:
            self._gone(kind, number)
            earlier = self._directory.earlier(kind, path.name)
            try:
                init = self._init_of(kind, number)
                if init is None:
                    return None
                read_segment(earlier.read_bytes(), init)
                self._directory.adopt(earlier)
                size = path.stat().st_size
            except (OSError, BrokenSegment):
                return None
        self._note(kind, number, size)
        return path

    def find_init(self, kind: str, part: int) -> Path | None:
        """Return the init segment of a part of the timeline; None if it is not there."""
        path = self._directory.init(kind, part)
        if not path.exists():
            try:
                self._directory.adopt(self._directory.earlier(kind, path.name))
            except OSError:
                return None
        return path

    def publish(self, kind: str, number: int, file: Path, size: int) -> Path | None:
        """Make a segment visible, and return its file; None where the disk has no room for it."""
        path = self._move(self._directory.segment(kind, number), file, size)
        if path is not None:
            self._note(kind, number, size)
            self._reporter.made(kind, number, size)
        return path

    def publish_partial(self, kind: str, number: int, part: int, file: Path, size: int) -> Path | None:
        """Do the same with a part of a segment."""
        path = self._move(self._directory.partial(kind, number, part), file, size)
        if path is not None:
            self.quota.wrote(size - self._partial_sizes.get(path, 0))
            self._partial_sizes[path] = size
        return path

    def publish_init(self, kind: str, part: int, init: bytes) -> Path | None:
        """Do the same with the init segment of a part of the timeline, unless it is there."""
        path = self._directory.init(kind, part)
        try:
            if not path.exists():
                self._directory.publish_init(kind, init, part)
        except OSError as error:
            logger.warning("%s of %s could not be published: %s", path.name, kind, error)
            return None
        return path

    def forget_partials(self) -> None:
        """Delete the parts of segments that are not offered any more."""
        for path, size in list(self._partial_sizes.items()):
            if int(path.name.partition(".")[0]) not in self._timeline.partials:
                with suppress(OSError):
                    path.unlink(missing_ok=True)
                self.quota.removed(size)
                del self._partial_sizes[path]

    def spare(self, size: int, *, urgent: bool) -> int:  # noqa: ARG002 - the newest are never spared, or live ends
        """Delete segments of so many bytes, the oldest first, but none that are asked for soon; return the bytes."""
        newest = len(self._timeline) - EDGE
        kept = {number for at in self.positions.values() for number in range(at, at + EDGE)}
        freed = 0
        for kind, number in sorted(self._sizes, key=lambda each: each[1]):
            if freed >= size or number >= newest:
                break
            if number not in kept:
                freed += self._sizes[kind, number]
                with suppress(OSError):
                    self._directory.segment(kind, number).unlink(missing_ok=True)
                self._gone(kind, number)
        return freed

    # ---- within

    def _move(self, path: Path, file: Path, size: int) -> Path | None:
        try:
            self._directory.publish_file(path, file)
        except OSError as error:
            logger.warning("%s of %s could not be published: %s", path.name, path.parent.name, error)
            self.quota.full(size)
            return None
        return path

    def _init_of(self, kind: str, number: int) -> bytes | None:
        path = self._directory.init(kind, self._timeline.part_of(number).number)
        for file in (path, self._directory.earlier(kind, path.name)):
            with suppress(OSError):
                return file.read_bytes()
        return None

    def _note(self, kind: str, number: int, size: int) -> None:
        before = self._sizes.get((kind, number), 0)
        self._sizes[kind, number] = size
        self.quota.wrote(size - before)

    def _gone(self, kind: str, number: int) -> None:
        if (size := self._sizes.pop((kind, number), None)) is not None:
            self.quota.removed(size)
            self._reporter.evicted(kind, number)
