"""One rendition of one session: what is on disk, who waits, what runs. Lives in the session's thread."""

from __future__ import annotations

import errno
import logging
import mmap
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain, groupby
from typing import TYPE_CHECKING

from hls_sessions.encoding.copies import Copies
from hls_sessions.encoding.info import GapInfo, RenditionInfo
from hls_sessions.encoding.packager import Wanted
from hls_sessions.encoding.policy import REACH, Action, GoOn, Hold, Limits, Situation, Start, Stop, decide
from hls_sessions.encoding.run import EncoderRun
from hls_sessions.encoding.scheduler import Want
from hls_sessions.errors import EncoderFailed, SegmentImpossible, SegmentNotFound, StorageFailed, said
from hls_sessions.ffmpeg import request_for, ways
from hls_sessions.ffmpeg import run as plan_run
from hls_sessions.media import (
    BrokenSegment,
    Refused,
    check_segment,
    gap_of,
    is_short,
    read_segment,
    read_time_scale,
    read_track,
    same_codec,
)
from hls_sessions.segments import Estimate, Shelf, dispensable, size_of

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Iterator
    from pathlib import Path
    from typing import Any

    from hls_sessions.encoding.copies import Number
    from hls_sessions.encoding.packager import Copier
    from hls_sessions.encoding.reporter import Reporter
    from hls_sessions.encoding.scheduler import LaneKey, Pacer
    from hls_sessions.encoding.watcher import Watcher
    from hls_sessions.ffmpeg import Binary, Encoder, Exit, Packaged, Way
    from hls_sessions.media import Presentation, Rendition
    from hls_sessions.otp import From, Ref
    from hls_sessions.segments import Account, Lack, Likelihood, SegmentDirectory

logger = logging.getLogger(__name__)

ATTEMPTS = 3
"""How often a segment is tried before it counts as impossible to make."""

STALLED = 10.0
"""Seconds after which a run that does nothing is given up while somebody waits."""

CURSORS = 8
"""How many viewers' places are kept per rendition."""

NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT})
"""What the system says of a disk, or of a share of one, that is full: a reason to wait, and no failure."""

FULL = "No space left on device"
"""The same in ffmpeg's last words."""

NEIGHBOURS = 2
"""A request this many segments or fewer after a viewer's place is taken to be that viewer's next."""


@dataclass(slots=True)
class Workshop:
    """What all lanes of a session work with. The session changes its limits and times in its own thread."""

    presentation: Presentation
    binary: Binary
    encoder: Encoder
    """What pictures are encoded with, as long as it works."""
    directory: SegmentDirectory
    watcher: Watcher
    reporter: Reporter
    session_id: str
    limits: Limits
    encoder_idle_timeout: float
    """Seconds a viewer's place is kept, and runs for it, without a request."""
    owner: Ref
    """Who hears of the runs: the session."""
    now: Callable[[], float]
    """The clock, in seconds."""
    account: Account
    """What the session may write."""
    pacer: Pacer
    """Which encoders may run."""
    copier: Copier
    """What makes copied segments."""


class Lane:
    """One rendition's desk. Raises EncoderFailed or StorageFailed when it has to give up."""

    def __init__(self, rendition: Rendition, workshop: Workshop) -> None:
        """Take over what an earlier life has published: what this daemon has is checked, the rest when asked for."""
        self.rendition = rendition
        self.cuts = workshop.presentation.cuts(rendition.id)
        self._workshop = workshop
        self._ways = ways(rendition, workshop.encoder)
        self._left_ways: list[str] = []
        """Why each way to encode before the present one was given up, in sentences."""
        self._copies = Copies(has_stand_in=bool(self._ways)) if rendition.copied else None
        self._waiting: dict[int, list[From]] = {}
        self._waiting_for_init: list[From] = []
        self._cursors: dict[int, float] = {}
        """Where viewers are, and since when, the latest to ask last."""
        self._runs: dict[int, EncoderRun] = {}
        self._run_number = 0
        self._failures: Counter[int] = Counter()
        self._lost: dict[int, str] = {}
        """Segments whose encoder was lost before they were made, and to what."""
        self._impossible: dict[int, str] = {}
        self._lack: tuple[Lack | None, int] = None, 0
        """What there is too little of for what it wants to write, and how many bytes of that somebody waits for."""
        self._storage_fault: OSError | None = None
        """Why the last file could not be written; None once one could."""
        self._estimate = Estimate(rendition.peak, self.cuts)
        self._track = self._published_track()
        """The trak box of the published init segment; None while there is none."""
        # What comes before the track begins is written anew: it costs nothing.
        known = range(self.cuts.lead, len(self.cuts))
        self._shelf = Shelf(rendition, known, workshop.directory, workshop.account, workshop.reporter, self._check)

    # ---- asked

    def get_segment(self, number: int, caller: From) -> Path | None:
        """Return a segment's file, or None and answer the caller when it is there.

        Raises:
            SegmentNotFound: the playlist has no such segment.
            SegmentImpossible: it was tried, and the file does not hold it.
            StorageFailed: it comes before the track begins, and cannot be written.
        """
        if not 0 <= number < len(self.cuts):
            raise SegmentNotFound(self.rendition.id, number, len(self.cuts))
        self.visit(number)
        if (path := self._shelf.find(number)) is not None:
            return path
        if number in self._impossible:
            raise SegmentImpossible(self.rendition.id, number, self._impossible[number])
        if self._failures[number] >= ATTEMPTS:
            del self._failures[number]
        if number < self.cuts.lead and self._workshop.directory.init(self.rendition.id).exists():
            return self._publish_lead(number)
        self._waiting.setdefault(number, []).append(caller)
        return None

    def get_init(self, hint: int, caller: From) -> Path | None:
        """Return the init segment's file, or None and answer the caller when it is there.

        It comes with any segment, so one near where the viewer will be, ``hint``, is made; again, if the init
        segment alone was deleted.
        """
        path = self._workshop.directory.init(self.rendition.id)
        if path.exists():
            return path
        self.visit(min(hint, len(self.cuts) - 1))
        self._waiting_for_init.append(caller)
        return None

    def visit(self, number: int) -> None:
        """Note that a viewer is at a segment."""
        now = self._workshop.now()
        near = next((at for at in self._cursors if 0 <= number - at <= NEIGHBOURS), None)
        if near is not None:
            del self._cursors[near]
        elif len(self._cursors) >= CURSORS:
            del self._cursors[next(iter(self._cursors))]
        self._cursors[number] = now
        for run in self._runs.values():
            if run.first <= number <= run.next + NEIGHBOURS:
                run.used = now

    # ---- heard

    def file_closed(self, number: int, path: Path) -> None:
        """Publish what a run has finished."""
        run = self._runs.get(number)
        if run is not None and not run.stopping and path.stem.isdecimal() and int(path.stem) >= run.next:
            self._publish_from(run, ended=False)

    def request(self, number: Number, file: Path) -> dict[str, Any] | None:
        """Return what to ask a packager for; None when nobody wants it any more.

        Args:
            number: the segment; None for the init segment.
            file: where it is to be written.
        """
        waiting = () if number is None else self._waiting.get(number, ())
        is_wanted = any(not caller.abandoned for caller in waiting) or (number is None and self._lacks_init)
        if self._copies is None or number not in self._copies or not is_wanted:
            self._settle_copy(number)
            return None
        return request_for(self._workshop.presentation, self.rendition, number, self._scale, file)

    def packaged(self, number: Number, file: Path, answer: Packaged) -> None:
        """Publish what a packager has made, or count its failure.

        Raises:
            StorageFailed: it could not be written, too often.
        """
        try:
            if answer.errno is not None:
                raise OSError(answer.errno, answer.error)
            if answer.error is not None:
                self.copy_failed(number, "failed", answer.error)
                return
            self._take_init(answer.init)
            if number is not None:
                self._publish_copy(number, file, answer.init)
            self._storage_fault = None
        except (BrokenSegment, Refused) as refusal:
            self._workshop.reporter.refused()
            self.copy_failed(number, "refused", str(refusal))
        except OSError as error:
            self._copy_not_written(number, error)
        finally:
            self._settle_copy(number)

    def copy_failed(self, number: Number, cause: str, reason: str) -> None:
        """Count a failure of a packager. What has failed too often is encoded instead, where that is possible."""
        self._settle_copy(number)
        self._workshop.reporter.failed()
        logger.warning("%s of %s was not copied (%s): %s", _named(number), self.rendition.id, cause, reason)
        if self._copies is None or not self._copies.failed(number, reason):
            return
        if self._ways:
            logger.warning("%s of %s is encoded, not copied", _named(number), self.rendition.id)
        elif number is not None:
            self._make_impossible(number, reason)
        else:
            callers, self._waiting_for_init = self._waiting_for_init, []
            for caller in callers:
                caller.fail(SegmentImpossible(self.rendition.id, self._segment_for_init(), reason))

    def run_exited(self, number: int, exit_: Exit) -> None:
        """Settle a run that has ended: publish its rest, or count its failure.

        Raises:
            EncoderFailed: the same segment has now failed too often, and not because the file ends.
        """
        run = self._runs.pop(number, None)
        if run is None:
            return
        try:
            if not run.stopping:
                self._publish_from(run, ended=exit_.code == 0)  # its end may be heard of before its last files
            if not run.stopping and run.next <= run.last and any(FULL in line for line in exit_.log):
                self._workshop.account.full(self._size_of(run.next))
            elif run.fault is not None or (not run.stopping and run.next <= run.last):
                self._count_failure(run, exit_)
        finally:
            run.clear()
            self._workshop.account.settle(self.rendition.id, number, 0)

    def look_for_stalls(self) -> None:
        """Stop the runs that do nothing."""
        now = self._workshop.now()
        for run in self._runs.values():
            if run.is_stalled(now, STALLED):
                run.stop("stalled", fault=f"its encoder did nothing for {STALLED:g} seconds")

    # ---- doing

    def act(self) -> None:
        """Decide what to do now, and do it.

        Raises:
            EncoderFailed: a run could not even be started, too often.
        """
        self._forget_the_gone()
        self._refuse_what_never_fits()
        while True:
            self._lack = None, 0
            self._copy()
            # A run that could not be started is a counted failure, which changes the situation.
            if not self._encodes or self._carry_out(decide(self._situation(), self._workshop.limits)):
                break
        self._workshop.account.note(self.rendition.id, *self._lack)

    def _copy(self) -> None:
        """Have a packager make what viewers wait for, as far as it can be copied and there is room for it."""
        if (copies := self._copies) is None or copies.given_up is not None:
            return
        wanted = [number for number in self._waiting if number >= self.cuts.lead and number in copies]
        for number in wanted:
            if number not in copies.asked and self._may_write(self._run_number + 1, number, self._size_of(number)):
                self._ask_packager(copies, number)
        if self._lacks_init and not copies.asked:  # else it comes with what was asked for
            self._ask_packager(copies, None)

    def _ask_packager(self, copies: Copies, number: Number) -> None:
        self._run_number += 1
        copies.asked[number] = self._run_number
        self._workshop.copier.want(Wanted(self.rendition.id, number))

    def _settle_copy(self, number: Number) -> None:
        """Give back the room that was reserved for a copy that is made, or that will not be."""
        if self._copies is not None and (key := self._copies.asked.pop(number, None)) is not None:
            self._workshop.account.settle(self.rendition.id, key, 0)

    def _is_copied(self, number: int) -> bool:
        return self._copies is not None and number in self._copies

    @property
    def _encodes(self) -> bool:
        """Whether there is anything for the policy to decide."""
        if self._copies is None or self._copies.given_up is not None:
            return bool(self._ways)
        # What is encoded in the place of a copy stands under the init segment of the copies.
        return bool(self._ways and ((self._copies.uncopied and self._track) or self._runs))

    @property
    def _lacks_init(self) -> bool:
        """Whether somebody waits for what the init segment is needed for, and it is not there."""
        copies = self._copies
        stand_in = copies is not None and any(number in copies.uncopied for number in self._waiting)
        early = any(number < self.cuts.lead for number in self._waiting)
        wanted = self._waiting_for_init or early or (stand_in and self._track is None)
        return bool(wanted) and not self._workshop.directory.init(self.rendition.id).exists()

    def _situation(self) -> Situation:
        given_up = {segment for segment, times in self._failures.items() if times >= ATTEMPTS}
        lead = self.cuts.lead
        waiting = [segment for segment in self._waiting if segment >= lead and not self._is_copied(segment)]
        settled = self._shelf.there | self._impossible.keys() | given_up | set(range(lead))
        if self._copies is not None and self._copies.given_up is None:
            settled |= set(range(len(self.cuts))) - self._copies.uncopied.keys()
        # What comes before the track begins needs the init segment, and nothing else that a run makes.
        elif not waiting and (self._waiting_for_init or self._waiting):
            waiting = [self._segment_for_init()]
            settled.discard(waiting[0])
        return Situation(
            cuts=self.cuts,
            published=settled,
            waiting=waiting,
            cursors=tuple(reversed(self._cursors)),
            runs=tuple(run.state for run in self._runs.values() if not run.stopping),
        )

    def _carry_out(self, actions: list[Action]) -> bool:
        """Do what was decided; False when a run could not be started."""
        placed = self._workshop.pacer.ask(self._key, self._wants(actions))
        for action in actions:
            match action:
                case Start(segment):
                    if -1 - segment in placed and self._may_begin(segment) and not self._start(segment):
                        return False
                case Stop(run):
                    self._runs[run].stop()
                case Hold(run):
                    self._hold(self._runs[run])
                case GoOn(run):
                    if run in placed:
                        self._go_on(self._runs[run])
        self._hold_what_may_not_run(placed)
        return True

    def _hold_what_may_not_run(self, placed: Container[int]) -> None:
        for run in self._runs.values():
            if run.stopping or run.state.held:
                continue
            is_new = run.number not in placed and -1 - run.first in placed
            if run.number in placed or is_new:
                self._go_on(run)
            else:
                self._hold(run)

    def _wants(self, actions: Iterable[Action]) -> Iterator[Want]:
        """Yield what is to run after these actions."""
        told = {action.run: action for action in actions if not isinstance(action, Start)}
        for run in self._runs.values():
            orders = told.get(run.number)
            goes = isinstance(orders, GoOn) or (orders is None and not run.state.held)
            if goes and not run.stopping:
                yield Want(run.number, self._lead(run.next), self._is_waited_for(run.next))
        for segment in (action.segment for action in actions if isinstance(action, Start)):
            yield Want(-1 - segment, self._lead(segment), self._is_waited_for(segment), exists=False)

    def _lead(self, segment: int) -> float:
        """Return how many seconds a segment is ahead of the nearest viewer before it."""
        times = self.cuts.times
        return float(times[min(segment, len(self.cuts))] - times[self._viewer_before(segment)])

    def _viewer_before(self, segment: int) -> int:
        """Return where the nearest viewer is who comes to a segment; the segment itself, when none does."""
        segment = min(segment, len(self.cuts))
        return max((place for place in self._cursors if place <= segment), default=segment)

    def _is_waited_for(self, segment: int) -> bool:
        """Whether somebody waits for what a run makes that is at a segment."""
        # Who waits for the init segment, or for what comes before the track begins, waits for whatever is made.
        wanted = self._waiting_for_init or any(number < self.cuts.lead for number in self._waiting)
        return bool(wanted) or any(0 <= number - segment <= REACH for number in self._waiting)

    @property
    def _key(self) -> LaneKey:
        return self._workshop.session_id, self.rendition.id

    def _may_begin(self, segment: int) -> bool:
        """Whether there is room on disk for what the next run makes first, if it begins at a segment."""
        return self._may_write(self._run_number + 1, segment, self._size_of(segment))

    def _go_on(self, run: EncoderRun) -> None:
        """Let a run continue if there is room on disk for what it makes next; else hold it."""
        if not self._may_write(run.number, run.next, self._size_of(run.next)):
            self._hold(run)
        elif run.state.held:
            run.go_on()

    def _may_write(self, run: int, segment: int, size: int) -> bool:
        """Whether there is room on disk for so many bytes of a run. Where there is none, that is noted."""
        urgent = self._is_waited_for(segment)
        lack = self._workshop.account.reserve(self.rendition.id, run, size, urgent=urgent)
        if lack is not None and not self._lack[1]:
            self._lack = lack, size if urgent else 0
        return lack is None

    def _refuse_what_never_fits(self) -> None:
        """Tell those who wait for a segment that is larger than the budget."""
        most = self._workshop.account.most
        for number in list(self._waiting):
            if (size := self._size_of(number)) > most:
                for caller in self._waiting.pop(number):
                    caller.fail(self._never_fits(size))
        needs_segment = self._waiting_for_init and self._copies is None
        if needs_segment and (size := self._size_of(self._segment_for_init())) > most:
            callers, self._waiting_for_init = self._waiting_for_init, []
            for caller in callers:
                caller.fail(self._never_fits(size))

    def _never_fits(self, size: int) -> StorageFailed:
        why = f"a segment of {self.rendition.id} may need {size} bytes, and disk_budget or session_disk_budget is less"
        return StorageFailed(str(self._workshop.directory.path), why)

    def _size_of(self, number: int) -> int:
        """Return how many bytes may be written for a segment before anything is decided anew."""
        return self._estimate.segment(number) if self._is_copied(number) else self._estimate.run(number)

    def _hold(self, run: EncoderRun) -> None:
        run.hold()
        self._workshop.account.settle(self.rendition.id, run.number, run.bytes)

    def spare(self, *, urgent: bool) -> Iterator[tuple[Likelihood, int]]:
        """Yield the segments that can be deleted, each with how likely it is to be asked for.

        ``urgent`` says that somebody waits for the room.
        """
        account, id_ = self._workshop.account, self.rendition.id
        stored = [number for rendition, number in account.stored if rendition == id_]
        ahead = self._workshop.limits.look_ahead
        yield from dispensable(self.cuts, stored, self._cursors, self._waiting, ahead, urgent=urgent)

    def evict(self, number: int) -> int:
        """Delete a segment from disk; return how many bytes it had."""
        return self._shelf.evict(number)

    def rest(self) -> None:
        """Stop all runs. What is on disk stays, and who waits still does."""
        for run in self._runs.values():
            run.stop()
        self._forget_copies()
        self._workshop.account.note(self.rendition.id, None)
        self._workshop.pacer.ask(self._key, ())

    def restore(self, places: Iterable[int], runs: Iterable[tuple[int, bool]]) -> None:
        """Be as before a rest: viewers at these places, runs that make these segments next and are held or not.

        A run whose earlier segments are no longer there is left to the policy, which starts at the first missing one.

        Raises:
            EncoderFailed: a run could not even be started, too often.
        """
        self._cursors.clear()
        for place in places:
            self.visit(place)
        for segment, held in runs:
            goes_on = segment in self._cursors or segment - 1 in self._shelf.there
            busy = sum(not run.stopping for run in self._runs.values()) >= self._workshop.limits.max_runs
            settled = segment in self._shelf.there or self._is_copied(segment)
            if not goes_on or busy or settled or not self._may_begin(segment):
                continue
            if self._start(segment) and held:
                self._hold(self._runs[self._run_number])

    def close(self, timeout: float) -> None:
        """Kill all runs and wait until they are gone, each up to ``timeout`` seconds."""
        runs, self._runs = list(self._runs.values()), {}
        self._forget_copies()
        self._workshop.account.note(self.rendition.id, None)
        self._workshop.pacer.ask(self._key, ())
        for run in runs:
            run.stop()
        for run in runs:
            if not run.wait(timeout):
                logger.error("%r did not end within %g s of SIGKILL", run, timeout)
            run.clear()
            self._workshop.account.settle(self.rendition.id, run.number, 0)

    def fail_waiting(self, error: Exception) -> None:
        """Answer everyone who waits with an error."""
        for caller in chain(self._waiting_for_init, *self._waiting.values()):
            caller.fail(error)
        self._waiting.clear()
        self._waiting_for_init.clear()

    # ---- seen from outside

    @property
    def place(self) -> int | None:
        """The segment the latest viewer is at."""
        return next(reversed(self._cursors), None)

    @property
    def places(self) -> tuple[int, ...]:
        """The segments viewers are at, the latest to ask last."""
        return tuple(self._cursors)

    @property
    def latest(self) -> tuple[float, int] | None:
        """When a viewer last asked for a segment, on the clock, and which; None when none is here."""
        return None if self.place is None else (self._cursors[self.place], self.place)

    @property
    def waiting(self) -> int:
        """How many viewers wait."""
        callers = chain(self._waiting_for_init, *self._waiting.values())
        return sum(not caller.abandoned for caller in callers)

    @property
    def next_forgotten(self) -> float | None:
        """When the next viewer's place is forgotten, on the clock; None when there is none."""
        return min(map(self._kept_until, self._cursors.values()), default=None)

    @property
    def runs(self) -> tuple[EncoderRun, ...]:
        """All runs that have not ended."""
        return tuple(self._runs.values())

    @property
    def given_up(self) -> tuple[str, ...]:
        """What is not made as was meant first, and why, in sentences."""
        return *(self._copies.notes if self._copies else ()), *self._left_ways

    @property
    def _way(self) -> Way:
        """How it is encoded now."""
        return self._ways[len(self._left_ways)]

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
            gaps=tuple(self._gaps()),
            width=getattr(rendition, "width", None),
            height=getattr(rendition, "height", None),
            language=getattr(rendition.track, "language", None),
            encoder="copy" if self._copies and self._copies.given_up is None else str(self._way),
            given_up=self.given_up,
        )

    # ---- within

    def _check(self, number: int, data: bytes) -> None:
        """See that a published segment of an earlier daemon, which has no header of its own, is what it should be."""
        origin = self._workshop.presentation.timeline.origin
        segment = read_segment(data, self._workshop.directory.init(self.rendition.id).read_bytes())
        check_segment(segment, number, self.cuts, origin, self._track)
        if is_short(segment, number, self.cuts, origin):
            raise Refused("it ends before the next begins")

    def _gaps(self) -> Iterator[GapInfo]:
        """Yield what is impossible: neighbours for the same reason as one."""
        numbered = enumerate(sorted(self._impossible.items()))
        for (_, reason), group in groupby(numbered, key=lambda item: (item[1][0] - item[0], item[1][1])):
            numbers = [number for _, (number, _) in group]
            yield GapInfo(numbers[0], numbers[-1], reason)

    def _segment_for_init(self) -> int:
        """Return the segment to make for those who wait for the init segment: the nearest to the latest of them."""
        place = self.place or 0
        lead = self.cuts.lead
        place = max(place, lead)
        nearest = (*range(place, len(self.cuts)), *range(lead, place))
        return next((segment for segment in nearest if segment not in self._impossible), place)

    def _forget_the_gone(self) -> None:
        """Forget who no longer waits, and the places nobody has asked from for a while."""
        now = self._workshop.now()
        self._cursors = {at: since for at, since in self._cursors.items() if self._kept_until(since) > now}
        self._waiting_for_init = [caller for caller in self._waiting_for_init if not caller.abandoned]
        for number, callers in list(self._waiting.items()):
            if all(caller.abandoned for caller in callers):
                del self._waiting[number]

    def _kept_until(self, since: float) -> float:
        return since + self._workshop.encoder_idle_timeout

    def _start(self, segment: int) -> bool:
        """Start a run from a segment on; False when it could not be started."""
        self._run_number += 1
        workshop, number = self._workshop, self._run_number
        until = None if self._copies is None else self._copies.until(segment)
        try:
            folder = workshop.directory.new_run(self.rendition.id, number)
            plan = plan_run(workshop.binary, workshop.presentation, self.rendition, self._way, segment, folder, until)
            run = EncoderRun(
                self.rendition.id, number, plan, folder, workshop.owner, workshop.watcher, workshop.reporter
            )
        except OSError as error:
            workshop.account.settle(self.rendition.id, number, 0)
            if error.errno in NO_ROOM:
                workshop.account.full(self._size_of(segment))
                return False
            reason = f"its encoder could not be started ({error.strerror or error})"
            self._note_failure(segment, "could not start", reason, (), self._way)
            self._give_up(segment, reason)
            return False
        run.used = workshop.now()
        self._runs[number] = run
        if (cause := self._lost.pop(segment, None)) is not None:
            workshop.reporter.replaced(self.rendition.id, segment, cause)
        logger.info("started %r", run)
        return True

    def _publish_from(self, run: EncoderRun, *, ended: bool) -> None:
        """Publish, in order, all that a run has finished."""
        while run.next <= run.last and not run.stopping:
            file = run.file(run.next)
            if not file.exists() or not self._publish(run, file, ended=ended):
                return

    def _publish(self, run: EncoderRun, file: Path, *, ended: bool) -> bool:
        """Publish a run's next file if it passes the check. False when it was refused, or cannot be judged yet."""
        number, origin = run.next, self._workshop.presentation.timeline.origin
        # A file may be cut off because its encoder was killed, and end early because there is a hole in the source.
        # Only when the encoder has gone on, or has ended well, is the file as it was meant.
        went_on = ended or run.file(number + 1).exists()
        try:
            data = file.read_bytes()
            segment = read_segment(data)
            # What was refused for its beginning every time has lost its beginning: the rest is what can be played.
            damaged = run.way is self._ways[-1] and self._failures[number] >= ATTEMPTS - 1
            check_segment(segment, number, self.cuts, origin, self._track, damaged=damaged)
            if not went_on and is_short(segment, number, self.cuts, origin):
                return False
            if number not in self._shelf or not self._workshop.directory.init(self.rendition.id).exists():
                size = self._workshop.directory.publish(self.rendition.id, number, data, segment.head)
                self._shelf.published(number, size)
        except (BrokenSegment, Refused) as refusal:
            if went_on:
                self._workshop.reporter.refused()
                run.stop("refused", fault=str(refusal))
                run.faulty_source = True
            return False
        except OSError as error:
            if error.errno in NO_ROOM:
                run.stop()
                self._workshop.account.full(self._size_of(number))
                return False
            self._storage_fault = error
            run.stop("could not write", fault=f"it could not be written ({error.strerror or error})")
            return False
        self._storage_fault = None
        file.unlink(missing_ok=True)
        if run.state.held:
            self._workshop.account.settle(self.rendition.id, run.number, run.bytes)
        self._track = self._track or segment.track
        run.next = number + 1
        self._answer(number)
        return True

    def _answer(self, number: int) -> None:
        """Let everyone know who waits for a segment, or for the init segment, that it is there."""
        self._failures.pop(number, None)
        self._lost.pop(number, None)
        for caller in self._waiting.pop(number, ()):
            caller.reply(self._workshop.directory.segment(self.rendition.id, number))
        self._answer_for_init()

    def _answer_for_init(self) -> None:
        """Let everyone know who waits for the init segment, or for what needs nothing else, that it is there."""
        directory = self._workshop.directory
        for caller in self._waiting_for_init:
            caller.reply(directory.init(self.rendition.id))
        self._waiting_for_init.clear()
        for early in [segment for segment in self._waiting if segment < self.cuts.lead]:
            for caller in self._waiting.pop(early):
                try:
                    caller.reply(self._publish_lead(early))
                except StorageFailed as error:
                    caller.fail(error)

    def _publish_lead(self, number: int) -> Path:
        """Write a segment that comes before the track begins, for which the init segment must be there."""
        directory, origin = self._workshop.directory, self._workshop.presentation.timeline.origin
        try:
            init = directory.init(self.rendition.id).read_bytes()
            directory.publish_gap(self.rendition.id, number, gap_of(number, self.cuts, origin, init))
        except OSError as error:
            raise StorageFailed(str(directory.path), error.strerror or str(error)) from error
        path = directory.segment(self.rendition.id, number)
        self._shelf.filled(number, size_of(path))
        return path

    def _count_failure(self, run: EncoderRun, exit_: Exit) -> None:
        ended_early = exit_.code == 0 and run.fault is None
        reason = run.fault or ("the file ends before it" if ended_early else f"its encoder {exit_}")
        cause = "ended early" if ended_early else run.cause or "crashed"
        self._note_failure(run.next, cause, reason, exit_.log, run.way)
        if not ended_early and self._is_done_with_its_way(run, exit_):
            self._step_down(f"{run.way} was given up at segment {run.next}: {reason}.{said([exit_.cause])}")
        else:
            # An encoder that does its work and makes the wrong thing has a damaged source: the rest may well be whole.
            self._give_up(run.next, reason, exit_.log, impossible=ended_early or run.faulty_source)

    def _note_failure(self, segment: int, cause: str, reason: str, log: tuple[str, ...], way: Way) -> None:
        self._workshop.reporter.failed()
        self._failures[segment] += way is self._way  # what a way does after it was given up is not held against another
        if any(run.first == segment and not run.stopping for run in self._runs.values()):
            self._workshop.reporter.replaced(
                self.rendition.id, segment, cause
            )  # it was stopped, and did not end at once
        else:
            self._lost[segment] = cause
        logger.warning("segment %d of %s failed: %s %s", segment, self.rendition.id, reason, " | ".join(log[-2:]))

    def _is_done_with_its_way(self, run: EncoderRun, exit_: Exit) -> bool:
        """Whether a failed run's way is to be left for the next: it failed too often, or has never made anything.

        Neither a full disk nor one who kills a run says anything of a way.
        """
        if run.way is not self._way or run.way is self._ways[-1] or self._storage_fault is not None:
            return False
        never_worked = not self._shelf.there and (run.fault is not None or not exit_.was_killed)
        return never_worked or self._failures[run.next] >= ATTEMPTS

    def _step_down(self, why: str) -> None:
        """Go over to the next way, for good. What was published stays, and a run that has made something goes on."""
        self._left_ways.append(why)
        self._failures.clear()
        logger.warning("%s goes on with %s: %s", self._way, self.rendition.id, why)
        for run in self._runs.values():
            if run.next == run.first:
                run.stop()

    def _give_up(self, segment: int, reason: str, log: tuple[str, ...] = (), *, impossible: bool = False) -> None:
        """Give up a segment, or the whole rendition, if it has failed too often."""
        if self._failures[segment] < ATTEMPTS:
            return
        if not impossible and segment not in self._waiting and not self._waiting_for_init:
            return  # it was made ahead, and nobody has missed it: whoever asks for it has it tried anew
        if self._storage_fault is not None:
            error = self._storage_fault
            raise StorageFailed(str(self._workshop.directory.path), error.strerror or str(error))
        if not impossible:
            raise EncoderFailed(self.rendition.id, segment, self._failures[segment], reason, log)
        self._make_impossible(segment, reason)

    def _make_impossible(self, segment: int, reason: str) -> None:
        """Tell whoever waits for a segment, or asks for it from now on, that the file does not hold it."""
        self._impossible[segment] = reason
        callers = self._waiting.pop(segment, [])
        if not self._shelf.there and len(self._impossible) >= min(ATTEMPTS, len(self.cuts) - self.cuts.lead):
            # Not one segment could be made, so nothing will bring the init segment.
            early = [self._waiting.pop(number) for number in list(self._waiting) if number < self.cuts.lead]
            callers, self._waiting_for_init = [*callers, *self._waiting_for_init, *chain(*early)], []
        for caller in callers:
            caller.fail(SegmentImpossible(self.rendition.id, segment, reason))

    def _forget_copies(self) -> None:
        for number in list(self._copies.asked if self._copies else ()):
            self._settle_copy(number)

    def _take_init(self, init: bytes) -> None:
        """Publish the init segment of the copies, where it is not the one that is there.

        Raises:
            BrokenSegment, Refused: it does not serve.
            OSError: it cannot be written.
        """
        directory, track = self._workshop.directory, read_track(init)
        if track == self._track and directory.init(self.rendition.id).exists():
            return
        if self._track is not None and not same_codec(track, self._track):
            if self._copies is not None and self._ways:
                self._copies.given_up = "what is published is encoded"
            raise Refused("its codec configuration is not the init segment's")
        if self._track is not None and track != self._track:
            logger.warning("%s is made again: an earlier version has written its init segment", self.rendition.id)
            for number in self._shelf.there:
                with suppress(OSError):
                    self._shelf.evict(number)
        directory.publish_init(self.rendition.id, init)
        self._track = track
        self._answer_for_init()

    def _publish_copy(self, number: int, file: Path, init: bytes) -> None:
        """Publish a segment that a packager has made, if it passes the check.

        Raises:
            BrokenSegment, Refused: it does not.
            OSError: it cannot be read, or not be put in its place.
        """
        with file.open("rb") as whole, mmap.mmap(whole.fileno(), 0, prot=mmap.PROT_READ) as mapped:
            size = len(mapped)
            with memoryview(mapped) as data:
                segment = read_segment(data, init)
        damaged = not self._ways and self._copies is not None and self._copies.is_last_try(number)
        check_segment(
            segment, number, self.cuts, self._workshop.presentation.timeline.origin, self._track, damaged=damaged
        )
        if number not in self._shelf:
            self._workshop.directory.publish_file(self.rendition.id, number, file)
            self._shelf.published(number, size)
        if self._copies is not None:
            self._copies.made(number)
        self._answer(number)

    def _copy_not_written(self, number: Number, error: OSError) -> None:
        """Wait for room where the disk is full; else have another packager try, in another folder.

        Raises:
            StorageFailed: that did not help.
        """
        if error.errno in NO_ROOM:
            self._workshop.account.full(0 if number is None else self._size_of(number))
            return
        self._storage_fault = error
        self._workshop.copier.renew()
        last = self._copies is not None and self._copies.is_last_try(number)
        if last:
            raise StorageFailed(str(self._workshop.directory.path), error.strerror or str(error))
        self.copy_failed(number, "could not write", f"it could not be written ({error.strerror or error})")

    @property
    def _scale(self) -> int | None:
        """Ticks per second of the init segment that players have; None while there is none."""
        return None if self._track is None else read_time_scale(self._track)

    def _published_track(self) -> bytes | None:
        """Return the trak box of the init segment there is, this daemon's or an earlier one's.

        Where there is none, or none that can be read, no segment is of use.
        """
        directory = self._workshop.directory
        init = directory.init(self.rendition.id)
        try:
            if not init.exists():
                directory.adopt(directory.earlier(self.rendition.id, init.name))
            return read_track(init.read_bytes())
        except (OSError, BrokenSegment):
            directory.forget(self.rendition.id)
            return None


def _named(number: Number) -> str:
    return "the init segment" if number is None else f"segment {number}"
