"""The segments of one rendition that are on disk, encoded, copied or subtitles. Lives in the session's thread.

Nothing else knows these files: the cache writes, finds, measures and deletes them. A segment of this daemon was checked
before it was published. A segment of an earlier daemon counts as there until it fails its check: it is checked when it
is first asked for, and then published again or deleted.

What is published is shared with other sessions of the same film, unless the session is kept apart, and what others have
published is taken over as it is. A segment that is shared is counted once for all who have it.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from functools import partial
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
    from hls_sessions.segments.shared import Share

logger = logging.getLogger(__name__)


class Reporter(Protocol):
    """Hears of a session's segments that come and go."""

    def made(self, rendition: str, segment: int, size: int) -> None:
        """Hear that a segment of so many bytes was published."""

    def took(self, rendition: str, segment: int, size: int) -> None:
        """Hear that a segment of so many bytes was taken over from another session."""

    def evicted(self, rendition: str, segment: int) -> None:
        """Hear that a published segment is no longer on disk."""


class SegmentCache:
    """One rendition's segments. The quota and the reporter hear of each that comes and goes."""

    __slots__ = (
        "_check",
        "_cuts",
        "_directory",
        "_linked",
        "_quota",
        "_rendition",
        "_reporter",
        "_share",
        "_sizes",
        "_unchecked",
    )

    def __init__(
        self,
        rendition: Rendition | SubtitleRendition,
        cuts: Cuts,
        directory: SegmentDirectory,
        quota: SessionQuota,
        reporter: Reporter,
        check: Callable[[int, bytes], None],
        share: Share | None = None,
    ) -> None:
        """Take over the published segments of an earlier actor.

        Args:
            rendition: the rendition of the segments.
            cuts: where it is cut.
            directory: where the segments are.
            quota: the session's bytes on disk.
            reporter: hears of segments that come and go.
            check: raises BrokenSegment, Refused or OSError for a faulty segment of an earlier daemon.
            share: the session's part in what sessions of this film share; None if it is kept apart.
        """
        self._rendition = rendition
        self._cuts = cuts
        self._directory = directory
        self._quota = quota
        self._reporter = reporter
        self._check = check
        self._share = share
        self._linked: set[int] = set()
        """The segments that are counted with those that are shared."""
        self._sizes = directory.published(rendition.id, rendition.extension)
        unchecked = directory.unchecked(rendition.id, rendition.extension)
        # A filler segment before or after the track is written anew, because that costs nothing.
        self._unchecked = {number for number in unchecked if number in cuts.made} - self._sizes.keys()
        self._sizes |= {number: unchecked[number] for number in self._unchecked}
        known = frozenset(self._share.numbers if self._share else ())
        for number, size in self._sizes.items():
            is_shared = number in known and self._put(number, size)
            quota.wrote(size, is_shared=is_shared)

    def __contains__(self, number: int) -> bool:
        """Whether a segment is there and was checked."""
        return number in self._sizes and number not in self._unchecked

    @property
    def numbers(self) -> Collection[int]:
        """All segments that are on disk, checked or not."""
        return self._sizes.keys()

    @property
    def available(self) -> Collection[int]:
        """The same, and all that other sessions have and this one can take."""
        return {*self._sizes, *self._share.numbers} if self._share else self._sizes.keys()

    @property
    def is_shared(self) -> bool:
        """Whether other sessions can take what is published here, and this one what they publish."""
        return self._share is not None and self._share.works

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

    def publish_init(self, data: bytes | memoryview, *, share: bool = True) -> None:
        """Make the init segment visible. ``share`` says whether all other sessions may have it.

        Raises:
            OSError: it cannot be written; nothing has become visible.
        """
        self._directory.publish_init(self._rendition.id, data)
        if self._share:
            self._share.agree(bytes(data), may_begin=share)

    def take_init(self) -> bytes | None:
        """Return the init segment of other sessions, made visible here; None if there is none."""
        if self._share is None or (init := self._share.init) is None:
            return None
        try:
            self._directory.publish_init(self._rendition.id, init)
        except OSError as error:
            logger.warning("%s is made anew, and not shared: %s", self._rendition.id, error)
            self._share.is_over = True
            return None
        return init

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
        init = self.init.read_bytes()
        if self._share:
            self._share.agree(init, may_begin=False)  # nobody knows any more how it was made
        return init

    def publish(self, number: int, data: bytes | memoryview, *, share: bool = False) -> Path:
        """Make a segment visible, and return its path.

        Args:
            number: the segment.
            data: its bytes.
            share: whether other sessions may have it.

        Raises:
            OSError: it cannot be written; nothing has become visible.
        """
        self._directory.publish(self._rendition.id, number, data, self._rendition.extension)
        self._note(number, len(data), share=share)
        self._reporter.made(self._rendition.id, number, len(data))
        return self.path(number)

    def publish_file(self, number: int, file: Path, size: int, *, share: bool = False) -> None:
        """Make a segment visible whose file is written already, by moving the file. ``share`` as of ``publish``.

        Raises:
            OSError: it cannot be moved; nothing has become visible.
        """
        self._directory.publish_file(self.path(number), file)
        self._note(number, size, share=share)
        self._reporter.made(self._rendition.id, number, size)

    def take(self, number: int) -> Path | None:
        """Make a segment of another session visible here, and return its path; None if there is none."""
        if self._share is None or (taken := self._share.take(number, partial(self._link, number))) is None:
            return None
        self._quota.took(taken.size)  # first, because it may evict others, and must not evict this one
        self._sizes[number] = taken.size
        self._linked.add(number)
        if not taken.is_checked:
            self._unchecked.add(number)
            if not self._adopt(number):
                return None
        self._reporter.took(self._rendition.id, number, taken.size)
        return self.path(number)

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
            self._note_check(number, is_sound=False)
            _delete(file)
            self._gone(number)
            return False
        self._unchecked.discard(number)
        self._note_check(number, is_sound=True)
        return True

    def _note_check(self, number: int, *, is_sound: bool) -> None:
        if self._share and number in self._linked:
            self._share.checked(number, is_sound=is_sound)

    def _note(self, number: int, size: int, *, share: bool = False) -> None:
        """Note that a checked segment is there, in place of one that was there before."""
        if number in self._unchecked:
            _delete(self.path(number))
            self._unchecked.discard(number)
        self._forget(number)
        self._sizes[number] = size
        self._quota.wrote(size, is_shared=share and self._put(number, size))

    def _put(self, number: int, size: int) -> bool:
        if self._share is None or not self._share.put(number, self.path(number), size):
            return False
        self._linked.add(number)
        return True

    def _link(self, number: int, file: Path, is_checked: bool) -> None:
        path = self._directory.segment(self._rendition.id, number, self._rendition.extension)
        self._directory.link(path if is_checked else self._directory.earlier(self._rendition.id, path.name), file)

    def _gone(self, number: int) -> None:
        self._unchecked.discard(number)
        self._forget(number)
        self._reporter.evicted(self._rendition.id, number)

    def _forget(self, number: int) -> None:
        is_shared = number in self._linked
        self._quota.removed(self._sizes.pop(number, 0), is_shared=is_shared)
        if self._share and is_shared:
            self._linked.discard(number)
            self._share.release(number)


def _delete(file: Path) -> None:
    with suppress(OSError):
        file.unlink(missing_ok=True)
