"""One subtitle track of one session: its segments, and its viewers. Lives in the session's thread.

There is nothing to decide. Subtitles are read once per file for all sessions. A segment is written when its cues are
known.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hls_sessions.encoding import RenditionInfo, Viewers
from hls_sessions.errors import SegmentNotFound, SessionError, StorageFailed
from hls_sessions.media import OFFSET, check_text, webvtt_segment
from hls_sessions.segments import SegmentCache

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from hls_sessions.encoding import Source
    from hls_sessions.ffmpeg import SubtitleReader
    from hls_sessions.media import Cue, Presentation, SubtitleRendition
    from hls_sessions.otp import From, Reply
    from hls_sessions.segments import Likelihood, Reporter, SegmentDirectory, SessionQuota


@dataclass(frozen=True, slots=True)
class SubtitlesRead:
    """The cues in a segment of a subtitle track are known, or cannot be."""

    rendition: str
    segment: int
    cues: Reply[list[Cue]]
    """A reply that is done."""


class SessionSubtitles:
    """One subtitle track."""

    def __init__(
        self,
        rendition: SubtitleRendition,
        presentation: Presentation,
        directory: SegmentDirectory,
        reader: SubtitleReader,
        owner: Source,
        quota: SessionQuota,
        reporter: Reporter,
        now: Callable[[], float],
        kept_for: float,
    ) -> None:
        """Take over the published segments of an earlier actor.

        Args:
            rendition: the track.
            presentation: the file's presentation.
            directory: the session's directory.
            reader: reads the file.
            owner: hears SubtitlesRead for every segment that was asked for.
            quota: the session's bytes on disk.
            reporter: hears of segments that come and go.
            now: the clock, in seconds.
            kept_for: seconds a viewer's position is kept without a request.
        """
        self.rendition = rendition
        self.viewers = Viewers(now, kept_for)
        self.fault: str | None = None
        """Why the last segment could not be had; None if it could."""
        self._cuts = presentation.cuts(rendition.id)
        self._presentation = presentation
        self._directory = directory
        self._reader = reader
        self._owner = owner
        self._quota = quota
        self._cache = SegmentCache(rendition, self._cuts, directory, quota, reporter, _check)
        self._asked: dict[int, Reply[list[Cue]]] = {}

    def get_segment(self, number: int, caller: From) -> Path | None:
        """Return a segment's file; if it is not there, return None and answer the caller when it is.

        Raises:
            SegmentNotFound: the playlist has no such segment.
        """
        if not 0 <= number < len(self._cuts):
            raise SegmentNotFound(self.rendition.id, number, len(self._cuts))
        self.viewers.visit(number)
        if (path := self._cache.find(number)) is not None:
            return path
        self.viewers.wait(number, caller)
        if number not in self._asked:
            self._ask(number)
        return None

    def get_cues(self, caller: From) -> None:
        """Answer a caller with all cues of the track when they are known."""
        asked = self._reader.ask(self._presentation.media, self.rendition.track.index, None, None)
        asked.add_done_callback(lambda cues: _pass_on(cues, caller))

    def visit(self, number: int) -> None:
        """Note that a viewer is at a segment."""
        self.viewers.visit(number)

    def read(self, number: int, cues: Reply[list[Cue]]) -> None:
        """Publish a segment and answer all callers who wait for it."""
        if self._asked.pop(number, None) is None:
            return
        try:
            text = webvtt_segment(cues.get(0), self._presentation.timeline.origin, OFFSET)
            file = self._publish(number, text.encode())
        except OSError as error:
            self.viewers.fail([number], StorageFailed(str(self._directory.path), error.strerror or str(error)))
        except SessionError as error:
            self.fault = str(error)
            self.viewers.fail([number], error)
        else:
            self.fault = None
            self.viewers.answer(number, file)

    def close(self) -> None:
        """Cancel all requests to the reader."""
        asked, self._asked = self._asked, {}
        for reply in asked.values():
            reply.cancel()

    def fail_waiting(self, error: Exception) -> None:
        """Answer all callers who wait with an error."""
        self.viewers.fail_all(error)

    def evictable(self, *, urgent: bool) -> Iterator[tuple[Likelihood, int]]:
        """Yield the segments that can be deleted, each with how likely it is to be asked for."""
        self.viewers.forget_the_gone()
        return self._cache.evictable(self.viewers.positions, self.viewers.waiting, 0.0, urgent=urgent)

    def evict(self, number: int) -> int:
        """Delete a segment from disk; return how many bytes it had."""
        return self._cache.evict(number)

    @property
    def info(self) -> RenditionInfo:
        """The state of the track, for operators."""
        rendition = self.rendition
        return RenditionInfo(
            id=rendition.id,
            kind=rendition.kind,
            codecs=rendition.codecs,
            bandwidth=rendition.peak,
            segments=len(self._cuts),
            published=len(self._cache.numbers),
            language=rendition.track.language,
        )

    # ---- within

    def _publish(self, number: int, text: bytes) -> Path:
        """Publish a segment if there is room, and return its file.

        A player that gets a segment without cues for want of room asks for it again, so nothing waits for the room.

        Raises:
            StorageFailed: there is no room, and none can be made at once.
            OSError: it cannot be written.
        """
        id_ = self.rendition.id
        if (lack := self._quota.reserve(id_, number, len(text), urgent=True)) is not None:
            raise StorageFailed(str(self._directory.path), lack.value)
        try:
            return self._cache.publish(number, text)
        finally:
            self._quota.settle(id_, number, 0)

    def _ask(self, number: int) -> None:
        # Cues before the first segment or after the last one are put into these, because no other would show them.
        start = self._cuts.times[number] if number else None
        end = None if self._cuts.is_last(number) else self._cuts.end(number)
        asked = self._asked[number] = self._reader.ask(self._presentation.media, self.rendition.track.index, start, end)
        asked.add_done_callback(lambda cues: self._owner.send(SubtitlesRead(self.rendition.id, number, cues)))


def _pass_on(cues: Reply[list[Cue]], caller: From) -> None:
    try:
        caller.reply(cues.get(0))
    except Exception as error:  # noqa: BLE001 - every error is the answer
        caller.fail(error)


def _check(_number: int, data: bytes) -> None:
    check_text(data)
