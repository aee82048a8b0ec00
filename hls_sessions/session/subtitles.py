"""One text track of one session: what is on disk, and who waits. Lives in the session's thread.

There is nothing to decide: texts are read once per file for all sessions, and a segment is written when what is said
in it is known.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hls_sessions.encoding import RenditionInfo
from hls_sessions.errors import SegmentNotFound, SessionError, StorageFailed
from hls_sessions.media import OFFSET, check_text, webvtt_segment
from hls_sessions.segments import Shelf
from hls_sessions.session.messages import TextRead

if TYPE_CHECKING:
    from pathlib import Path

    from hls_sessions.ffmpeg import SubtitleReader
    from hls_sessions.media import Cue, Presentation, SubtitleRendition
    from hls_sessions.otp import From, Ref, Reply
    from hls_sessions.segments import Account, SegmentDirectory
    from hls_sessions.session.life import Life


class SubtitleLane:
    """One text track's desk."""

    def __init__(
        self,
        rendition: SubtitleRendition,
        presentation: Presentation,
        directory: SegmentDirectory,
        reader: SubtitleReader,
        owner: Ref,
        life: Life,
        account: Account,
    ) -> None:
        """Take over what an earlier life has published. ``owner`` hears TextRead for every segment asked for."""
        self.rendition = rendition
        self.cuts = presentation.cuts(rendition.id)
        self.fault: str | None = None
        """Why the last text could not be had; None once one could."""
        self._presentation = presentation
        self._directory = directory
        self._reader = reader
        self._owner = owner
        self._shelf = Shelf(rendition, range(len(self.cuts)), directory, account, life, _check)
        self._waiting: dict[int, list[From]] = {}
        self._asked: dict[int, Reply[list[Cue]]] = {}

    def get_segment(self, number: int, caller: From) -> Path | None:
        """Return a segment's file, or None and answer the caller when it is there.

        Raises:
            SegmentNotFound: the playlist has no such segment.
        """
        if not 0 <= number < len(self.cuts):
            raise SegmentNotFound(self.rendition.id, number, len(self.cuts))
        if (path := self._shelf.find(number)) is not None:
            return path
        self._waiting.setdefault(number, []).append(caller)
        if number not in self._asked:
            self._ask(number)
        return None

    def text_read(self, number: int, cues: Reply[list[Cue]]) -> None:
        """Publish a segment and answer all who wait for it."""
        if self._asked.pop(number, None) is None:
            return
        callers = self._waiting.pop(number, [])
        try:
            text = webvtt_segment(cues.get(0), self._presentation.timeline.origin, OFFSET)
            size = self._directory.publish_text(self.rendition.id, number, text)
        except OSError as error:
            _fail(callers, StorageFailed(str(self._directory.path), error.strerror or str(error)))
        except SessionError as error:
            self.fault = str(error)
            _fail(callers, error)
        else:
            self.fault = None
            self._shelf.published(number, size)
            for caller in callers:
                caller.reply(self._directory.segment(self.rendition.id, number, self.rendition.extension))

    def close(self) -> None:
        """Ask for nothing any more."""
        asked, self._asked = self._asked, {}
        for reply in asked.values():
            reply.cancel()

    def fail_waiting(self, error: Exception) -> None:
        """Answer everyone who waits with an error."""
        waiting, self._waiting = self._waiting, {}
        for callers in waiting.values():
            _fail(callers, error)

    @property
    def waiting(self) -> int:
        """How many viewers wait."""
        return sum(not caller.abandoned for callers in self._waiting.values() for caller in callers)

    @property
    def info(self) -> RenditionInfo:
        """What an operator sees of it."""
        rendition = self.rendition
        return RenditionInfo(
            id=rendition.id,
            kind=rendition.kind,
            codecs=rendition.codecs,
            bandwidth=rendition.peak,
            segments=len(self.cuts),
            published=len(self._shelf.there),
            language=rendition.track.language,
        )

    # ---- within

    def _ask(self, number: int) -> None:
        # What is said before the first segment or after the last belongs to those: nothing else would show it.
        start = self.cuts.times[number] if number else None
        end = None if self.cuts.is_last(number) else self.cuts.end(number)
        asked = self._asked[number] = self._reader.ask(self._presentation.media, self.rendition.track.index, start, end)
        asked.add_done_callback(lambda cues: self._owner.send(TextRead(self.rendition.id, number, cues)))


def _check(_number: int, data: bytes) -> None:
    check_text(data)


def _fail(callers: list[From], error: Exception) -> None:
    for caller in callers:
        caller.fail(error)
