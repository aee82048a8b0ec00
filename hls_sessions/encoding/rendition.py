"""One rendition of one session: its requests, and the parts that answer them. Lives in the session's thread.

Its viewers wait, its encoders and the session's packager make segments, and its output answers. The policy decides what
to do next.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hls_sessions.encoding.copied import Copied
from hls_sessions.encoding.copies import Copies
from hls_sessions.encoding.encoded import Encoded
from hls_sessions.encoding.info import RenditionInfo
from hls_sessions.encoding.output import Output
from hls_sessions.encoding.publisher import Publisher
from hls_sessions.encoding.sharing import content_key
from hls_sessions.encoding.viewers import Viewers
from hls_sessions.errors import SegmentImpossible, SegmentNotFound
from hls_sessions.ffmpeg import methods
from hls_sessions.media import CopiedVideo

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from hls_sessions.encoding.copies import Number
    from hls_sessions.encoding.packager import SessionPackager
    from hls_sessions.encoding.policy import Limits
    from hls_sessions.encoding.run import EncoderRun
    from hls_sessions.encoding.runs import Equipment
    from hls_sessions.encoding.scheduler import SessionSlots
    from hls_sessions.encoding.sharing import Sharing
    from hls_sessions.errors import EncoderFailed
    from hls_sessions.ffmpeg import Encoder, Exit, Packaged
    from hls_sessions.media import Rendition
    from hls_sessions.otp import From
    from hls_sessions.segments import Likelihood, SessionQuota


class SessionRendition:
    """One rendition. Raises StorageFailed when nothing can be written."""

    __slots__ = (
        "_copied",
        "_copies",
        "_encoded",
        "_output",
        "_phases",
        "_rendition",
        "_runs_of_all",
        "cuts",
        "id",
        "kind",
        "viewers",
    )

    def __init__(
        self,
        rendition: Rendition,
        equipment: Equipment,
        encoder: Encoder,
        quota: SessionQuota,
        slots: SessionSlots,
        packager: SessionPackager,
        sharing: Sharing,
        limits: Limits,
        encoder_idle_timeout: float,
    ) -> None:
        """Take over the published segments of an earlier actor.

        Args:
            rendition: the rendition of the presentation.
            equipment: the values that encoders are started with.
            encoder: the video encoder to use as long as it works.
            quota: the session's bytes on disk.
            slots: the session's encoder slots.
            packager: makes the copied segments.
            sharing: what the session shares with others that play the same film.
            limits: the limits of the rendition's encoders.
            encoder_idle_timeout: seconds without a request for which a position, and the runs for it, are kept.
        """
        self.id = rendition.id
        self.kind = rendition.kind
        self._rendition = rendition
        self.viewers = Viewers(equipment.now, encoder_idle_timeout)
        self._phases = equipment.phases
        usable = methods(rendition, encoder)
        share, self._runs_of_all = sharing.of(
            rendition.id, content_key(equipment.presentation, rendition.id, usable, equipment.binary.version)
        )
        publisher = Publisher(
            rendition, equipment.presentation, equipment.directory, quota, equipment.reporter, equipment.phases, share
        )
        self._output = Output(rendition, equipment, quota, self.viewers, publisher, self._runs_of_all)
        self.cuts = self._output.cuts
        self._copies: Copies | None = None
        if rendition.copied:
            held = range(len(self.cuts) - self.cuts.held, len(self.cuts))
            too_large = rendition.too_large if isinstance(rendition, CopiedVideo) else ()
            self._copies = Copies((*held, *too_large), has_stand_in=bool(usable))
        self._encoded = Encoded(self._output, self._copies, equipment, usable, quota, slots, self._runs_of_all, limits)
        self._copied: Copied | None = None
        if self._copies is not None:
            self._copied = Copied(self._output, self._copies, equipment, packager, has_stand_in=bool(usable))

    # ---- asked

    def get_segment(self, number: int, caller: From, *, background: bool = False) -> Path | None:
        """Return a segment's file; if it is not there, return None and answer the caller when it is.

        In the ``background`` the caller is no viewer, and is answered when every viewer has enough.

        Raises:
            SegmentNotFound: the playlist has no such segment.
            SegmentImpossible: it was tried, and the file does not hold it.
            StorageFailed: it is before or after the track, and cannot be written.
        """
        output = self._output
        if not 0 <= number < len(self.cuts):
            raise SegmentNotFound(self.id, number, len(self.cuts))
        if not background:
            self.visit(number)
        if (path := output.cache.find(number) or output.publisher.take(number)) is not None:
            return path
        if (reason := output.impossible.get(number)) is not None:
            raise SegmentImpossible(self.id, number, reason)
        self._encoded.failures.try_anew(number)
        if number not in self.cuts.made and output.publisher.has_init:
            return output.publish_filler(number)
        if not background:
            self._begin_phases(number)
        self.viewers.wait(number, caller, background=background)
        return None

    def get_init(self, hint: int, caller: From) -> Path | None:
        """Return the init segment's file; if it is not there, return None and answer the caller when it is.

        It comes with any segment, so a segment near ``hint``, where the viewer will be, is made. If only the init
        segment was deleted, that segment is made again.
        """
        if self._output.publisher.take_init():
            return self._output.cache.init
        self.visit(min(hint, len(self.cuts) - 1))
        self._begin_phases(self._output.segment_for_init)
        self.viewers.wait_for_init(caller)
        return None

    def visit(self, number: int) -> None:
        """Note that a viewer is at a segment."""
        self.viewers.visit(number)
        self._encoded.visit(number)

    def request(self, number: Number, file: Path) -> dict[str, Any] | None:
        """Return the request to a packager for a segment; None if no viewer wants it any more."""
        return None if self._copied is None else self._copied.request(number, file)

    # ---- heard

    def file_closed(self, run: int, path: Path) -> None:
        """Publish the segments that a run has finished."""
        self._encoded.file_closed(run, path)

    def run_exited(self, run: int, exit_: Exit) -> None:
        """Settle a run that has ended: publish its rest, or count its failure.

        Raises:
            StorageFailed: the same segment could not be written, too often.
        """
        self._encoded.run_exited(run, exit_)

    def packaged(self, number: Number, file: Path, answer: Packaged) -> None:
        """Publish the segment that a packager has made, or count its failure.

        Raises:
            StorageFailed: it could not be written, too often.
        """
        if self._copied is not None:
            self._copied.packaged(number, file, answer)

    def copy_failed(self, number: Number, cause: str, reason: str) -> None:
        """Count a failure of a packager."""
        if self._copied is not None:
            self._copied.failed(number, cause, reason)

    def copy_lost(self, number: Number) -> None:
        """Note that a packager has not made a segment for a reason that says nothing about it."""
        if self._copied is not None:
            self._copied.lost(number)

    def excuse(self, run: int) -> None:
        """Note that the end of a run is no fault of its own, and says nothing about its segment."""
        if (found := self._encoded.runs.find(run)) is not None:
            found.excuse()

    def look_for_stalls(self) -> None:
        """Stop the runs that do nothing."""
        self._encoded.look_for_stalls()

    def look_at_others(self) -> None:
        """Have other sessions stop their runs that do nothing, if a viewer may wait for them."""
        if self.viewers.has_callers:
            self._runs_of_all.look_for_stalls()

    def reconfigure(self, limits: Limits, encoder_idle_timeout: float) -> None:
        """Use other limits and times from now on."""
        self._encoded.limits, self.viewers.kept_for = limits, encoder_idle_timeout

    # ---- doing

    def act(self) -> None:
        """Decide what to do now, and do it.

        Raises:
            StorageFailed: nothing can be written.
        """
        self.viewers.forget_the_gone()
        self._runs_of_all.note(waits=self.viewers.has_callers)
        self._output.take_over()
        self._refuse_what_never_fits()
        while True:
            self._output.begin()
            if self._copied is not None:
                self._copied.act()
            if not self._encoded.has_work or self._encoded.act():
                break
        self._output.report_lack()

    def rest(self) -> None:
        """Stop all runs. The segments on disk stay, and viewers who wait go on waiting."""
        self._encoded.rest()
        self._want_nothing()

    def restore(self, positions: Iterable[int], runs: Iterable[tuple[int, bool]]) -> None:
        """Restore viewers' positions, and runs by the segment that each makes next and whether it is held.

        A run whose earlier segments are gone is left to the policy, which starts at the first missing one.
        """
        self.viewers.be_at(positions)
        self._encoded.restore(runs)

    def close(self, timeout: float) -> None:
        """Kill all runs and wait until they are gone, each up to ``timeout`` seconds."""
        self._want_nothing()
        self._encoded.close(timeout)

    def fail_waiting(self, error: Exception) -> None:
        """Answer all callers who wait with an error."""
        self.viewers.fail_all(error)

    # ---- room on disk

    def evictable(self, *, urgent: bool) -> Iterator[tuple[Likelihood, int]]:
        """Yield the segments that can be deleted, each with how likely it is to be asked for.

        ``urgent`` says that a viewer waits for the room.
        """
        viewers, ahead = self.viewers, self._encoded.limits.look_ahead
        return self._output.cache.evictable(viewers.positions, viewers.waiting, ahead, urgent=urgent)

    def evict(self, number: int) -> int:
        """Delete a segment from disk; return how many bytes it had."""
        return self._output.cache.evict(number)

    # ---- seen from outside

    @property
    def runs(self) -> tuple[EncoderRun, ...]:
        """All runs that have not ended."""
        return tuple(self._encoded.runs)

    @property
    def given_up(self) -> tuple[str, ...]:
        """Why copying and each better method were given up, in sentences."""
        return *(self._copies.notes if self._copies else ()), *self._encoded.failures.notes

    @property
    def hopeless(self) -> EncoderFailed | None:
        """Why nothing of it can be played; None as long as anything may be."""
        return self._output.hopeless

    @property
    def lacks(self) -> str | None:
        """The resource that has run out, for which it waits; None if it waits for none."""
        return self._output.setbacks.lacks

    @property
    def info(self) -> RenditionInfo:
        """The state of the rendition, for operators."""
        rendition = self._rendition
        is_copied = self._copies is not None and self._copies.given_up is None
        return RenditionInfo(
            id=rendition.id,
            kind=rendition.kind,
            codecs=rendition.codecs,
            bandwidth=rendition.peak,
            segments=len(self.cuts),
            published=len(self._output.cache.numbers),
            gaps=tuple(self._output.gaps),
            width=getattr(rendition, "width", None),
            height=getattr(rendition, "height", None),
            language=getattr(rendition.track, "language", None),
            encoder="copy" if is_copied else str(self._encoded.failures.method),
            given_up=self.given_up,
        )

    # ---- within

    def _begin_phases(self, number: int) -> None:
        """Note that a viewer is about to wait for a segment, or for the init segment that comes with it."""
        self._phases.begin(self.id, number, joins=self.viewers.wait_for_any or self.viewers.is_awaited(number))

    def _refuse_what_never_fits(self) -> None:
        """Answer callers who wait for a segment that may be larger than the budget with an error."""
        for number in (*self.viewers.waiting, *self.viewers.background):
            self._output.fail_if_larger(number, self._size_of(number))
        if self.viewers.wait_for_any and self._copies is None:
            self._output.fail_init_if_larger(self._size_of(self._output.segment_for_init))

    def _size_of(self, number: int) -> int:
        """Return how many bytes may be written for a segment before anything is decided anew."""
        if self._copied is not None and self._copies is not None and number in self._copies:
            return self._copied.size_of(number)
        return self._encoded.size_of(number)

    def _want_nothing(self) -> None:
        if self._copied is not None:
            self._copied.rest()
        self._output.want_nothing()
