"""Checks the new segments of one rendition, and publishes them. Lives in the session's thread."""

from __future__ import annotations

import logging
import mmap
from contextlib import suppress
from typing import TYPE_CHECKING

from hls_sessions.encoding.phases import CHECK
from hls_sessions.media import (
    BrokenSegment,
    Refused,
    check_segment,
    filler_of,
    is_short,
    read_segment,
    read_time_scale,
    read_track,
    same_codec,
)
from hls_sessions.segments import SegmentCache

if TYPE_CHECKING:
    from pathlib import Path

    from hls_sessions.encoding.phases import Phases
    from hls_sessions.media import Presentation, Rendition
    from hls_sessions.segments import Reporter, SegmentDirectory, SessionQuota, Share

logger = logging.getLogger(__name__)


class Publisher:
    """The published init segment of one rendition, and the segments that belong to it."""

    __slots__ = ("_cuts", "_id", "_is_copied", "_origin", "_phases", "_track", "cache")

    def __init__(
        self,
        rendition: Rendition,
        presentation: Presentation,
        directory: SegmentDirectory,
        quota: SessionQuota,
        reporter: Reporter,
        phases: Phases,
        share: Share | None,
    ) -> None:
        """Take over the published segments of an earlier actor.

        A segment of this daemon was checked. A segment of an earlier daemon is checked when it is asked for. ``share``
        is the session's part in what sessions of this film share; None if it is kept apart.
        """
        self._id = rendition.id
        self._is_copied = rendition.copied
        self._cuts = presentation.cuts(rendition.id)
        self._origin = presentation.timeline.origin
        self._phases = phases
        self.cache = SegmentCache(rendition, self._cuts, directory, quota, reporter, self._check_earlier, share)
        self._track: bytes | None = None
        """The trak box of the published init segment; None while there is none."""
        try:
            if (init := self.cache.adopt_init()) is not None:
                self._track = read_track(init)
        except (OSError, BrokenSegment):
            pass
        if self._track is None:
            self.cache.clear()

    @property
    def has_init(self) -> bool:
        """Whether the init segment is on disk."""
        return self.cache.init.exists()

    @property
    def has_track(self) -> bool:
        """Whether a player may have an init segment, to which all further segments must belong."""
        return self._track is not None

    @property
    def time_scale(self) -> int | None:
        """The time scale of the published init segment, in ticks per second; None while there is none."""
        return None if self._track is None else read_time_scale(self._track)

    def publish_from_run(
        self, number: int, file: Path, *, went_on: bool, damaged: bool = False, share: bool = False
    ) -> bool:
        """Publish a segment that a run has made; False if it cannot be judged yet.

        Args:
            number: the segment.
            file: the run's file, an init segment with one segment.
            went_on: whether the run has finished it. Else the file may be cut off because its encoder was killed, or
                end early because there is a hole in the source.
            damaged: whether some of its frames are known to be missing from the source.
            share: whether other sessions may have it.

        Raises:
            BrokenSegment, Refused: it is faulty.
            OSError: it cannot be read or written.
        """
        data = file.read_bytes()
        segment = read_segment(data)
        if not went_on and is_short(segment, number, self._cuts, self._origin):
            return False
        check_segment(segment, number, self._cuts, self._origin, self._track, damaged=damaged)
        self._phases.reach(self._id, number, CHECK)
        whole = memoryview(data)
        if not self.has_init:
            # The copies of other sessions would not belong to that of an encoder, which stands in for copies here.
            self.cache.publish_init(whole[: segment.head], share=share and not self._is_copied)
            self._track = self._track or segment.track
        if number not in self.cache:
            self.cache.publish(number, whole[segment.head :], share=share)
        return True

    def publish_copy(self, number: int, file: Path, init: bytes, *, damaged: bool) -> None:
        """Publish a segment that a packager has made.

        Args:
            number: the segment.
            file: the segment.
            init: the init segment that it belongs to.
            damaged: whether some of its frames are known to be missing from the source.

        Raises:
            BrokenSegment, Refused: it is faulty.
            OSError: it cannot be read or moved.
        """
        with file.open("rb") as whole, mmap.mmap(whole.fileno(), 0, prot=mmap.PROT_READ) as mapped:
            size = len(mapped)
            with memoryview(mapped) as data:
                segment = read_segment(data, init)
        check_segment(segment, number, self._cuts, self._origin, self._track, damaged=damaged)
        self._phases.reach(self._id, number, CHECK)
        if number not in self.cache:
            self.cache.publish_file(number, file, size, share=not damaged)

    def publish_init(self, init: bytes) -> bool:
        """Publish the init segment of copies; False if the published segments are encoded and need another one.

        Raises:
            BrokenSegment: it is no init segment.
            OSError: it cannot be written.
        """
        track = read_track(init)
        if track == self._track and self.has_init:
            return True
        if self._track is not None and not same_codec(track, self._track):
            return False
        if self._track is not None and track != self._track:
            logger.warning("%s is made again: an earlier version has written its init segment", self._id)
            for number in tuple(self.cache.numbers):
                with suppress(OSError):
                    self.cache.evict(number)
        self.cache.publish_init(init)
        self._track = track
        return True

    def take(self, number: int) -> Path | None:
        """Return a segment that another session has made, made visible here; None if there is none."""
        return self.cache.take(number) if self.take_init() else None

    def take_init(self) -> bool:
        """Make the init segment of other sessions visible if this one has none; return whether there is one."""
        if self.has_init:
            return True
        if (init := self.cache.take_init()) is None:
            return False
        self._track = read_track(init)
        return True

    def publish_filler(self, number: int) -> Path:
        """Publish a segment before or after the track, and return its file. The init segment must be there.

        Raises:
            OSError: it cannot be written.
        """
        return self.cache.fill(number, filler_of(number, self._cuts, self._origin, self.cache.init.read_bytes()))

    def _check_earlier(self, number: int, data: bytes) -> None:
        """Check a published segment of an earlier daemon, which has no header of its own."""
        segment = read_segment(data, self.cache.init.read_bytes())
        check_segment(segment, number, self._cuts, self._origin, self._track)
        if number < self._cuts.last_of_track and is_short(segment, number, self._cuts, self._origin):
            raise Refused("it ends before the next begins")
