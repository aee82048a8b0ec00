"""The encoded segments of one rendition: asks the policy and acts, hears its runs, counts failures.

Lives in the session's thread.
"""

from __future__ import annotations

import errno
import logging
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from hls_sessions.encoding.failures import Failures
from hls_sessions.encoding.phases import FILE, FIRST_PACKET, LOOK
from hls_sessions.encoding.policy import GoOn, Hold, Reason, Request, Situation, Start, Stop, Wait, decide, propose
from hls_sessions.encoding.runs import Runs
from hls_sessions.encoding.setbacks import LACKING, PATIENCE, lacked, lacking, may_have_lacked_threads, missed
from hls_sessions.encoding.viewers import NEIGHBOURS
from hls_sessions.errors import EncoderFailed
from hls_sessions.ffmpeg import starts_lightly
from hls_sessions.media import BrokenSegment, Refused
from hls_sessions.segments import Estimate

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from hls_sessions.encoding.common_runs import SessionRuns
    from hls_sessions.encoding.copies import Copies
    from hls_sessions.encoding.output import Output
    from hls_sessions.encoding.policy import Claim, Limits
    from hls_sessions.encoding.run import EncoderRun
    from hls_sessions.encoding.runs import Equipment
    from hls_sessions.encoding.scheduler import SessionSlots
    from hls_sessions.ffmpeg import Exit, Method
    from hls_sessions.segments import SessionQuota, Shortage

logger = logging.getLogger(__name__)

STALLED: Final = 10.0
"""Seconds after which a run that does nothing is ended while a viewer waits."""

NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
"""The system's errors for a full disk or disk quota: a reason to wait, and no failure."""

FULL: Final = "No space left on device"
"""The same in the last lines of ffmpeg's log."""


LAST_WORDS: Final = 2
"""Lines of an encoder's log that the daemon's log has of its failure."""


class Encoded:
    """The encoded part of one rendition: all segments, or those that cannot be copied."""

    __slots__ = (
        "_copies",
        "_estimate",
        "_output",
        "_phases",
        "_presentation",
        "_rendition",
        "_reporter",
        "_session_runs",
        "_slots",
        "failures",
        "limits",
        "runs",
    )

    def __init__(
        self,
        output: Output,
        copies: Copies | None,
        equipment: Equipment,
        methods: Sequence[Method],
        quota: SessionQuota,
        slots: SessionSlots,
        runs: SessionRuns,
        limits: Limits,
    ) -> None:
        """Begin without a run. ``methods`` are the ways to encode it, the best first; there may be none."""
        self.limits = limits
        self._output = output
        self._copies = copies
        self._phases = equipment.phases
        self._presentation = equipment.presentation
        self._reporter = equipment.reporter
        self._slots = slots
        self._session_runs = runs
        rendition = output.rendition
        self._rendition = rendition.id
        self.runs = Runs(rendition.id, equipment, quota)
        self.failures = Failures(rendition.id, methods)
        self._estimate = Estimate(rendition.peak, output.cuts)

    # ---- heard

    def visit(self, number: int) -> None:
        """Note that a viewer is at a segment."""
        self.runs.visit(number, NEIGHBOURS)

    def file_closed(self, number: int, path: Path) -> None:
        """Publish the segments that a run has finished."""
        run = self.runs.find(number)
        if run is not None and not run.stopping and path.stem.isdecimal() and int(path.stem) >= run.next:
            self._publish_from(run, ended=False)

    def run_exited(self, number: int, exit_: Exit) -> None:
        """Settle a run that has ended: publish its rest, or count its failure.

        Raises:
            StorageFailed: the same segment could not be written, too often.
        """
        run = self.runs.ended(number)
        if run is None:
            return
        logger.info("%r has ended: it %s", run, exit_, extra=run.about)
        try:
            self.failures.note(run)
            if not run.stopping:
                self._publish_from(run, ended=exit_.code == 0)  # its end may be reported before its last files
            if not run.stopping and run.next <= run.last and any(FULL in line for line in exit_.log):
                self._output.disk_is_full(self.size_of(run.next))
            elif run.fault is not None or (not run.stopping and run.next <= run.last):
                if run.fault is None and self._was_no_fault(run, exit_):
                    self._lost(run, exit_)
                else:
                    self._count_failure(run, exit_)
        finally:
            self.runs.clear(run)

    def look_for_stalls(self) -> None:
        """Stop the runs that do nothing."""
        self.runs.stop_stalled(STALLED)

    # ---- doing

    @property
    def has_work(self) -> bool:
        """Whether the policy has anything to decide."""
        copies = self._copies
        if copies is None or copies.given_up is not None:
            return self.failures.can_encode
        # Segments encoded in the place of copies are played with the init segment of the copies.
        stands_in = copies.uncopied and self._output.publisher.has_track
        return self.failures.can_encode and bool(stands_in or self.runs)

    def act(self) -> bool:
        """Do as the policy decides; False if a run could not be started, because that changes the situation.

        Raises:
            StorageFailed: nothing can be written.
        """
        proposal = propose(self._situation(), self.limits)
        for action in decide(proposal, self._refused(proposal.requests)):
            match action:
                case Start():
                    if self._start(action) is None:
                        return False
                case Stop(run):
                    self.runs[run].stop()
                case Hold(run, why):
                    self.runs.hold(self.runs[run], why)
                case GoOn(run):
                    self.runs[run].go_on()
                case Wait():
                    pass
        self._announce()
        return True

    def restore(self, runs: Iterable[tuple[int, bool]]) -> None:
        """Start runs at these segments, held or not, if a viewer or the segment before is there and limits allow it."""
        there, positions = self._output.cache.available, self._output.viewers.positions
        for segment, held in runs:
            goes_on = segment in positions or segment - 1 in there
            busy = len(self.runs.going) >= self.limits.max_runs
            settled = segment in there or self._is_copied(segment)
            claim = Start(segment)
            if not goes_on or busy or settled or self._reserve(claim, segment, urgent=False) is not None:
                continue
            run = self._start(claim)
            if run is not None and held:
                self.runs.hold(run, Reason.AHEAD)
        self._announce()

    def rest(self) -> None:
        """Stop all runs."""
        self.runs.stop()
        self._announce()
        self._slots.request(self._rendition, ())

    def close(self, timeout: float) -> None:
        """Kill all runs and wait until they are gone, each up to ``timeout`` seconds."""
        self._slots.request(self._rendition, ())
        self.runs.close(timeout)

    def size_of(self, number: int) -> int:
        """Return how many bytes a run may write for a segment before anything is decided anew."""
        return self._estimate.run(number)

    # ---- within

    def _situation(self) -> Situation:
        cuts, viewers, failures = self._output.cuts, self._output.viewers, self.failures
        # Before the segments are read, because a run of another session is at the next one when it has made one.
        others = self._session_runs.others() if self._output.cache.is_shared else ()
        waiting = [segment for segment in viewers.waiting if segment in cuts.made and not self._is_copied(segment)]
        filled = set(range(len(cuts))) - set(cuts.made)
        settled = {*self._output.cache.available, *self._output.impossible, *failures.given_up, *filled}
        if self._copies is not None and self._copies.given_up is None:
            settled |= set(range(len(cuts))) - self._copies.uncopied
        # Segments before and after the track need the init segment, and nothing else that a run makes.
        elif not waiting and self._output.waits_for_any:
            waiting = [self._output.segment_for_init]
            settled.discard(waiting[0])
        return Situation(
            cuts=cuts,
            settled=settled,
            waiting=waiting,
            positions=viewers.latest_first,
            background=[number for number in viewers.background if number in cuts.made],
            runs=tuple(run.state for run in self.runs.going),
            any_will_do=self._output.waits_for_any,
            others=others,
            pace=self.runs.pace,
            joints=self._joints(waiting),
        )

    def _joints(self, waiting: Iterable[int]) -> set[int]:
        """Return the segments after those that viewers wait for, if runs of video begin with them lightly.

        Audio has none, because its encoder looks ahead by no more than a frame.
        """
        made = self._output.cuts.made if self._output.rendition.kind == "video" else ()
        after = (segment + 1 for segment in waiting)
        return {at for at in after if at in made and starts_lightly(self._presentation, self._output.rendition, at)}

    def _refused(self, requests: tuple[Request, ...]) -> Mapping[Claim, Reason | Shortage]:
        """Return which requests get no slot or no room on disk, or are to wait for a backoff, and why."""
        setbacks = self._output.setbacks
        waits = {request for request in requests if not request.exists and setbacks.back_off(request.segment)}
        refused: dict[Claim, Reason | Shortage] = {request.claim: Reason.BACKOFF for request in waits}
        requests = tuple(request for request in requests if request not in waits)
        slots = self._slots.request(self._rendition, requests)
        for request in requests:
            if request.claim not in slots:
                refused[request.claim] = Reason.NO_SLOT
            elif (lack := self._reserve(request.claim, request.segment, urgent=request.urgent)) is not None:
                refused[request.claim] = lack
        return refused

    def _announce(self) -> None:
        """Tell other sessions of the runs whose segments they can take."""
        is_shared = self._output.cache.is_shared
        runs = (run for run in self.runs.going if is_shared and run.is_sound and not self._stands_in_at(run.next))
        self._session_runs.announce([run.state for run in runs])

    def _start(self, claim: Start) -> EncoderRun | None:
        """Start a run; None when another session is starting one for the same segment, or it could not be started."""
        if self._output.cache.is_shared and not self._session_runs.may_start(claim.segment):
            self._output.settle(claim)
            return None
        run = self._start_process(claim)
        self._announce()
        return run

    def _start_process(self, claim: Start) -> EncoderRun | None:
        """Start a run's process; None when it could not be started."""
        ends = (claim.until, None if self._copies is None else self._copies.until(claim.segment))
        until = min((end for end in ends if end is not None), default=None)
        try:
            run = self.runs.start(claim, self.failures.method, until, self.failures.attempts(claim.segment))
        except OSError as error:
            lacks = lacking(error)
            if lacks is None and error.errno in NO_ROOM:
                self._output.disk_is_full(self.size_of(claim.segment))
                return None
            reason = f"its encoder could not be started ({error.strerror or error})"
            if lacks is None or self._is_hopeless(claim.segment, lacks):
                self._note_failure(claim.segment, "could not start", reason, self.failures.method)
                self._give_up(claim.segment, reason)
            return None
        self._output.setbacks.lacks = None
        if (cause := self.failures.replaced(claim.segment)) is not None:
            self._reporter.replaced(self._rendition, claim.segment, cause)
        return run

    def _publish_from(self, run: EncoderRun, *, ended: bool) -> None:
        """Publish, in order, all segments that a run has finished."""
        while run.next <= run.last and not run.stopping:
            file = run.file(run.next)
            if not file.exists() or not self._publish(run, file, ended=ended):
                return

    def _publish(self, run: EncoderRun, file: Path, *, ended: bool) -> bool:
        """Publish a run's next file if it passes the check. False if it was refused, or cannot be judged yet."""
        number = run.next
        went_on = ended or run.file(number + 1).exists()
        self._note_phases(run)
        try:
            if not self._publish_checked(run, file, went_on=went_on):
                return False
        except (BrokenSegment, Refused) as refusal:
            if went_on:
                self._reporter.refused()
                run.stop("refused", fault=str(refusal))
                run.faulty_source = True
            return False
        except OSError as error:
            if (lacks := lacking(error)) is not None and not self._is_hopeless(number, lacks):
                run.stop()
                return False
            if error.errno in NO_ROOM:
                run.stop()
                self._output.disk_is_full(self.size_of(number))
                return False
            self._output.storage_fault = error
            run.stop("could not write", fault=f"it could not be written ({error.strerror or error})")
            return False
        self._output.storage_fault = None
        if not run.method.silent:
            self._output.hopeless = None
        self.failures.note(run)
        self.runs.published(run, number, self._output.cuts)
        self.failures.made(number)
        self._output.setbacks.over()
        self._announce()  # first, because those that are told of the segment see which one the run makes next
        self._output.published(number)
        return True

    def _note_phases(self, run: EncoderRun) -> None:
        """Note when ffmpeg wrote the file that is about to be judged."""
        reach, number = partial(self._phases.reach, self._rendition, run.next), run.next
        if number == run.first and run.first_packet_at is not None:
            reach(FIRST_PACKET, run.first_packet_at)
        reach(FILE, run.closed_at(number))
        reach(LOOK)

    def _was_no_fault(self, run: EncoderRun, exit_: Exit) -> bool:
        """Whether a run was killed from outside, or had not what it needed or its film, and there is hope."""
        lacks, patience = lacked(exit_.log) if exit_.code else None, None
        if lacks is None and may_have_lacked_threads(exit_.log) and self.failures.is_last(run.method):
            lacks, patience = LACKING[errno.EAGAIN], PATIENCE
        was_away = exit_.code != 0 and missed(exit_.log, self._presentation.media.path)
        is_none = exit_.was_killed or was_away or lacks is not None
        return is_none and not self._is_hopeless(run.next, lacks, patience)

    def _is_hopeless(self, segment: int, lacks: str | None = None, patience: float | None = None) -> bool:
        """Note a setback at a segment; return whether there were setbacks and no progress for too long."""
        if self._output.setbacks.suffer(lacks, patience):
            return False
        self.failures.exhaust(segment)
        return True

    def _publish_checked(self, run: EncoderRun, file: Path, *, went_on: bool) -> bool:
        """Publish a run's next file if it is the announced segment, or if no other run would make a better one.

        Raises:
            BrokenSegment, Refused: it is faulty.
            OSError: it cannot be read or written.
        """
        publish = self._output.publisher.publish_from_run
        try:
            return publish(run.next, file, went_on=went_on, share=run.is_sound and not self._stands_in_at(run.next))
        except Refused:
            if not self.failures.are_of_the_source(run.next, run.method):
                raise
        is_published = publish(run.next, file, went_on=went_on, damaged=True)
        if is_published:
            self.failures.made_damaged()
        return is_published

    def _count_failure(self, run: EncoderRun, exit_: Exit) -> None:
        ended_early = exit_.code == 0 and run.fault is None
        reason = run.fault or ("the file ends before it" if ended_early else f"its encoder {exit_}")
        cause = "ended early" if ended_early else run.cause or "crashed"
        self._note_failure(run.next, cause, reason, run.method, run.about, exit_.log)
        has_published = bool(self._output.cache.numbers)
        can_blame = not ended_early and self._output.storage_fault is None  # a storage fault is no fault of the method
        if can_blame and self.failures.is_spent(run, exit_, has_published=has_published):
            self.failures.step_down(run, reason, exit_)
            for other in self.runs:
                if other.next == other.first:  # a run that has made a segment goes on
                    other.stop()
        else:
            # An encoder that works, and whose segment is refused, has a damaged source. The rest of it may be whole.
            self._give_up(run.next, reason, exit_.log, impossible=ended_early or run.faulty_source)

    def _lost(self, run: EncoderRun, exit_: Exit) -> None:
        """Note that a run was killed from outside. It says nothing about the segment, which is tried again."""
        about = run.about | {"reason": "killed"}
        logger.warning("an encoder was lost at segment %d of %s: it %s", run.next, self._rendition, exit_, extra=about)
        self.failures.lost(run.next, "killed")

    def _note_failure(
        self,
        segment: int,
        cause: str,
        reason: str,
        method: Method,
        run: Mapping[str, Any] = MappingProxyType({}),
        log: Sequence[str] = (),
    ) -> None:
        """Count a failure at a segment, and write it down with what names its run and the run's last words."""
        about = {"rendition": self._rendition, "segment": segment, **run, "reason": cause}
        said = " | ".join(log[-LAST_WORDS:])
        logger.warning("segment %d of %s failed: %s %s", segment, self._rendition, reason, said, extra=about)
        self._reporter.failed()
        self.failures.count(segment, cause, method)
        self._output.setbacks.failed(segment, self.failures.attempts(segment))
        if any(run.first == segment for run in self.runs.going):
            # The run was stopped and did not end at once, so another is at its segment already.
            self.failures.replaced(segment)
            self._reporter.replaced(self._rendition, segment, cause)

    def _give_up(self, segment: int, reason: str, log: tuple[str, ...] = (), *, impossible: bool = False) -> None:
        """Give up a segment, or the whole rendition, if it has failed too often."""
        if not self.failures.is_given_up(segment):
            return
        if not impossible and not self._output.viewers.is_awaited(segment) and not self._output.viewers.wait_for_any:
            return  # it was made ahead and nobody waits for it: it is tried anew when somebody asks for it
        if (fault := self._output.storage_fault) is not None:
            raise self._output.storage_failed(fault)
        self._output.make_impossible(segment, reason)
        if not (self._output.is_hopeless or self.failures.method.silent):
            return
        self._output.hopeless = EncoderFailed(self._rendition, segment, self.failures.attempts(segment), reason, log)
        if self.failures.fall_silent(reason):
            self._output.try_all_anew()
        else:
            self._output.fail_init(reason)

    def _stands_in_at(self, number: int) -> bool:
        """Whether a segment is encoded because it could not be copied, which another session may be able to do."""
        return self._copies is not None and self._copies.could_not(number)

    def _is_copied(self, number: int) -> bool:
        return self._copies is not None and number in self._copies

    def _reserve(self, claim: Claim, number: int, *, urgent: bool) -> Shortage | None:
        return self._output.reserve(claim, self.size_of(number), urgent=urgent)
