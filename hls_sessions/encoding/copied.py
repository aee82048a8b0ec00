"""The copied segments of one rendition, made by the packager when viewers wait. Lives in the session's thread."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from hls_sessions.encoding.copies import ATTEMPTS
from hls_sessions.encoding.encoded import NO_ROOM
from hls_sessions.encoding.packager import Wanted
from hls_sessions.encoding.phases import FILE, FORK, SCHEDULE
from hls_sessions.encoding.setbacks import lacking
from hls_sessions.errors import EncoderFailed
from hls_sessions.ffmpeg import request_for
from hls_sessions.media import BrokenSegment, Refused
from hls_sessions.segments import Estimate

if TYPE_CHECKING:
    from pathlib import Path

    from hls_sessions.encoding.copies import Copies, Number
    from hls_sessions.encoding.output import Output
    from hls_sessions.encoding.packager import SessionPackager
    from hls_sessions.encoding.runs import Equipment
    from hls_sessions.ffmpeg import Packaged

logger = logging.getLogger(__name__)


class Copied:
    """The copied part of one rendition."""

    __slots__ = (
        "_copies",
        "_estimate",
        "_has_stand_in",
        "_output",
        "_packager",
        "_phases",
        "_presentation",
        "_rendition",
        "_reporter",
    )

    def __init__(
        self, output: Output, copies: Copies, equipment: Equipment, packager: SessionPackager, *, has_stand_in: bool
    ) -> None:
        """Begin with nothing asked. ``has_stand_in`` says whether a segment that cannot be copied can be encoded."""
        self._output = output
        self._copies = copies
        self._presentation = equipment.presentation
        self._phases = equipment.phases
        self._reporter = equipment.reporter
        self._packager = packager
        self._has_stand_in = has_stand_in
        self._rendition = output.rendition.id
        self._estimate = Estimate(output.rendition.peak, output.cuts)

    def act(self) -> None:
        """Have the packager make the segments that viewers wait for, if they can be copied and there is room."""
        copies, output = self._copies, self._output
        if copies.given_up is not None or output.setbacks.back_off():
            return
        for number in (*output.viewers.waiting, *output.viewers.background):
            if number not in output.cuts.made or number not in copies or number in copies.asked:
                continue
            urgent = number in output.viewers.waiting
            if output.reserve(self._task(number), self.size_of(number), urgent=urgent) is None:
                self._ask(number)
        if self._lacks_init and not copies.asked:  # else it comes with the segment that was asked for
            self._ask(None)

    def request(self, number: Number, file: Path) -> dict[str, Any] | None:
        """Return the request to a packager for a segment; None if no viewer wants it any more.

        Args:
            number: the segment; None for the init segment.
            file: the path to write to.
        """
        is_wanted = self._lacks_init if number is None else self._output.viewers.is_awaited(number)
        if number not in self._copies or not is_wanted:
            self._settle(number)
            return None
        self._reach(number, FORK)
        scale = self._output.publisher.time_scale
        return request_for(self._presentation, self._output.rendition, number, scale, file)

    def packaged(self, number: Number, file: Path, answer: Packaged) -> None:
        """Publish the segment that a packager has made, or count its failure.

        Raises:
            StorageFailed: it could not be written, too often.
        """
        self._reach(number, FILE)
        try:
            if answer.errno is not None:
                raise OSError(answer.errno, answer.error)
            if answer.error is not None:
                self.failed(number, "failed", answer.error)
                return
            self._publish(number, file, answer.init)
            self._output.storage_fault = None
        except (BrokenSegment, Refused) as refusal:
            self._reporter.refused()
            self.failed(number, "refused", str(refusal))
        except OSError as error:
            self._not_written(number, error)
        finally:
            self._settle(number)

    def failed(self, number: Number, cause: str, reason: str) -> None:
        """Count a failure of a packager. A segment that failed too often is encoded, if that is possible."""
        self._settle(number)
        self._reporter.failed()
        named = "the init segment" if number is None else f"segment {number}"
        about = {"rendition": self._rendition, "segment": number, "reason": cause}
        logger.warning("%s of %s was not copied (%s): %s", named, self._rendition, cause, reason, extra=about)
        if not self._copies.failed(number, reason):
            return
        if self._has_stand_in:
            logger.warning("%s of %s is encoded, not copied", named, self._rendition, extra=about)
            return
        if number is not None:
            self._output.make_impossible(number, reason)
        if number is None or self._output.is_hopeless:
            self._output.hopeless = EncoderFailed(self._rendition, number or 0, ATTEMPTS, reason)
            self._output.fail_init(reason)

    def lost(self, number: Number) -> None:
        """Note that a segment was not made for a reason that says nothing about it. It is asked for again."""
        self._settle(number)

    def rest(self) -> None:
        """Forget the segments that the packager was asked for."""
        for number in tuple(self._copies.asked):
            self._settle(number)

    def size_of(self, number: int) -> int:
        """Return how many bytes a packager may write for a segment."""
        return self._estimate.segment(number)

    # ---- within

    @property
    def _lacks_init(self) -> bool:
        """Whether the init segment is missing, and a viewer waits for it or for a segment that needs it."""
        output, uncopied = self._output, self._copies.uncopied
        stands_in = not output.publisher.has_track and any(map(output.viewers.is_awaited, uncopied))
        return (output.waits_for_any or stands_in) and not output.publisher.has_init

    def _publish(self, number: Number, file: Path, init: bytes) -> None:
        """Publish a segment with its init segment, or the init segment alone.

        Raises:
            BrokenSegment, Refused: it is faulty.
            OSError: it cannot be read or written.
        """
        publisher = self._output.publisher
        if not publisher.publish_init(init):
            if self._has_stand_in:
                self._copies.given_up = "the published segments are encoded"
            raise Refused("its codec configuration is not the init segment's")
        self._output.answer_for_init()
        if number is not None:
            damaged = not self._has_stand_in and self._copies.is_last_try(number)
            publisher.publish_copy(number, file, init, damaged=damaged)
            self._copies.made(number)
            self._output.setbacks.over()
            self._output.hopeless = None
            self._output.published(number)

    def _not_written(self, number: Number, error: OSError) -> None:
        """Wait for room if the disk is full; else have another packager try, in another folder.

        Raises:
            StorageFailed: the last try has failed.
        """
        if (lacks := lacking(error)) is not None and self._output.setbacks.suffer(lacks):
            return
        if error.errno in NO_ROOM:
            self._output.disk_is_full(0 if number is None else self.size_of(number))
            return
        self._output.storage_fault = error
        self._packager.renew()
        if self._copies.is_last_try(number):
            raise self._output.storage_failed(error)
        self.failed(number, "could not write", f"it could not be written ({error.strerror or error})")

    def _reach(self, number: Number, phase: str) -> None:
        if number is not None:
            self._phases.reach(self._rendition, number, phase)

    def _ask(self, number: Number) -> None:
        self._reach(number, SCHEDULE)
        self._copies.asked.add(number)
        self._packager.want(self._task(number))

    def _settle(self, number: Number) -> None:
        """Give back the reservation for a segment that is made, or that will not be."""
        if number in self._copies.asked:
            self._copies.asked.discard(number)
            self._output.settle(self._task(number))

    def _task(self, number: Number) -> Wanted:
        return Wanted(self._rendition, number)
