"""The output of one rendition for its viewers, copied or encoded. Lives in the session's thread.

The encoders and the packager publish their segments here. The output answers the viewers who wait, and remembers which
segments are impossible.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Final

from hls_sessions.encoding.info import GapInfo
from hls_sessions.encoding.setbacks import Setbacks
from hls_sessions.errors import SegmentImpossible, StorageFailed

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Mapping
    from pathlib import Path

    from hls_sessions.encoding.common_runs import SessionRuns
    from hls_sessions.encoding.publisher import Publisher
    from hls_sessions.encoding.runs import Equipment
    from hls_sessions.encoding.viewers import Viewers
    from hls_sessions.errors import EncoderFailed
    from hls_sessions.media import Rendition
    from hls_sessions.segments import SessionQuota, Shortage

HOPELESS: Final = 3
"""After so many impossible segments, and none made, the init segment is given up."""


class Output:
    """The published segments of one rendition, and the viewers who wait for more."""

    __slots__ = (
        "_directory",
        "_impossible",
        "_lacking",
        "_phases",
        "_quota",
        "_runs",
        "cache",
        "cuts",
        "hopeless",
        "publisher",
        "rendition",
        "setbacks",
        "storage_fault",
        "viewers",
    )

    def __init__(
        self,
        rendition: Rendition,
        equipment: Equipment,
        quota: SessionQuota,
        viewers: Viewers,
        publisher: Publisher,
        runs: SessionRuns,
    ) -> None:
        """Begin with what the publisher has taken over, and with nothing impossible."""
        self.rendition = rendition
        self.cuts = equipment.presentation.cuts(rendition.id)
        self.viewers = viewers
        self.publisher = publisher
        self.cache = publisher.cache
        self.hopeless: EncoderFailed | None = None
        """Why nothing of the track can be played; None as long as anything may be."""
        self.storage_fault: OSError | None = None
        """Why the last file could not be written; None if it could."""
        self.setbacks = Setbacks(rendition.id, equipment.now, equipment.send_after)
        """The losses that say nothing about a segment, and the backoff after them."""
        self._directory = equipment.directory
        self._phases = equipment.phases
        self._quota = quota
        self._runs = runs
        self._impossible: dict[int, str] = {}
        self._lacking: tuple[Shortage | None, int] = None, 0

    # ---- answers

    def published(self, number: int) -> None:
        """Answer all callers who wait for a segment that was published, in this session and in others."""
        self.answer(number)
        self._runs.made()

    def take_over(self) -> None:
        """Answer callers who wait for a segment that another session has made, or for its init segment."""
        for number in (*self.viewers.waiting, *self.viewers.background):
            if self.publisher.take(number) is not None:
                self.answer(number)
        if self.waits_for_any and self.publisher.take_init():
            self.answer_for_init()

    def answer(self, number: int) -> None:
        """Answer all callers who wait for a segment, or for the init segment, with its file."""
        is_awaited = self.viewers.is_awaited(number) or self.viewers.wait_for_any
        self._phases.end(self.rendition.id, number, awaited=is_awaited)
        self.viewers.answer(number, self.cache.path(number))
        self.answer_for_init()

    def answer_for_init(self) -> None:
        """Answer all callers who wait for the init segment, or for segments that need nothing else."""
        self.viewers.answer_init(self.cache.init)
        for number in self._fillers_awaited:
            try:
                self.viewers.answer(number, self.publish_filler(number))
            except StorageFailed as error:
                self.viewers.fail([number], error)

    def publish_filler(self, number: int) -> Path:
        """Publish a segment before or after the track, and return its file. The init segment must be there.

        Raises:
            StorageFailed: it cannot be written.
        """
        try:
            return self.publisher.publish_filler(number)
        except OSError as error:
            raise self.storage_failed(error) from error

    @property
    def waits_for_any(self) -> bool:
        """Whether a viewer waits for the init segment, or for a segment that needs nothing else."""
        return self.viewers.wait_for_any or bool(self._fillers_awaited)

    @property
    def segment_for_init(self) -> int:
        """The segment to make for viewers who wait for the init segment: one at or near the latest position."""
        made = self.cuts.made
        at = min(max(*self.viewers.latest_first[:1], made.start, 0), made.stop - 1)
        nearest = (*range(at, made.stop), *range(made.start, at))
        return next((number for number in nearest if number not in self._impossible), at)

    @property
    def _fillers_awaited(self) -> list[int]:
        """The segments before and after the track that callers wait for."""
        waiting = (*self.viewers.waiting, *self.viewers.background)
        return [number for number in waiting if number not in self.cuts.made]

    # ---- impossible segments

    @property
    def impossible(self) -> Mapping[int, str]:
        """The segments that cannot be made, and why."""
        return self._impossible

    def make_impossible(self, number: int, reason: str) -> None:
        """Answer callers who wait for a segment, and later requests for it, that it cannot be made."""
        self._impossible[number] = reason
        self.viewers.fail([number], SegmentImpossible(self.rendition.id, number, reason))

    @property
    def is_hopeless(self) -> bool:
        """Whether nothing was ever made of it, and enough segments are impossible."""
        return not self.publisher.has_track and len(self._impossible) >= min(HOPELESS, len(self.cuts.made))

    def fail_init(self, reason: str) -> None:
        """Tell callers who wait for the init segment, or for segments that need nothing else, that it is impossible."""
        error = SegmentImpossible(self.rendition.id, self.segment_for_init, reason)
        self.viewers.fail(self._fillers_awaited, error)
        self.viewers.fail_init(error)

    def try_all_anew(self) -> None:
        """Forget which segments are impossible, because they are to be made in another way."""
        self._impossible.clear()

    @property
    def gaps(self) -> Iterator[GapInfo]:
        """The stretches of impossible segments, neighbours with the same reason as one."""
        numbered = enumerate(sorted(self._impossible.items()))
        for (_, reason), group in groupby(numbered, key=lambda item: (item[1][0] - item[0], item[1][1])):
            numbers = [number for _, (number, _) in group]
            yield GapInfo(numbers[0], numbers[-1], reason)

    def storage_failed(self, error: OSError) -> StorageFailed:
        """Return the error for a file that cannot be written."""
        return StorageFailed(str(self._directory.path), error.strerror or str(error))

    # ---- room on disk

    def reserve(self, writer: Hashable, size: int, *, urgent: bool) -> Shortage | None:
        """Reserve bytes for a writer's next segment, or return the limit that this would exceed.

        Args:
            writer: a run, one that is to be started, or a packager's task.
            size: how many bytes.
            urgent: whether a viewer waits for them.
        """
        lack = self._quota.reserve(self.rendition.id, writer, size, urgent=urgent)
        if lack is not None and not self._lacking[1]:
            self._lacking = lack, size if urgent else 0
        return lack

    def begin(self) -> None:
        """Forget the refused reservation, because all are made anew."""
        self._lacking = None, 0

    def report_lack(self) -> None:
        """Tell the quota whether a reservation was refused since ``begin``, and its bytes if a viewer waits for it."""
        self._quota.note(self.rendition.id, *self._lacking)

    def want_nothing(self) -> None:
        """Tell the quota that nothing more is to be written."""
        self._quota.note(self.rendition.id, None)

    def settle(self, writer: Hashable, size: int = 0) -> None:
        """Set the reservation of a writer that writes no more for now to ``size`` bytes."""
        self._quota.settle(self.rendition.id, writer, size)

    def disk_is_full(self, size: int) -> None:
        """Note that the disk had no room for so many bytes."""
        self._quota.full(size)

    def fail_if_larger(self, number: int, size: int) -> None:
        """Answer callers who wait for a segment with an error, if it may be larger than the budget."""
        if size > self._quota.most:
            self.viewers.fail([number], self._never_fits(size))

    def fail_init_if_larger(self, size: int) -> None:
        """Answer callers who wait for the init segment with an error, if the segment it comes with may be larger."""
        if size > self._quota.most:
            self.viewers.fail_init(self._never_fits(size))

    def _never_fits(self, size: int) -> StorageFailed:
        why = f"a segment of {self.rendition.id} may need {size} bytes, and disk_budget or session_disk_budget is less"
        return StorageFailed(str(self._directory.path), why)
