"""One rendition of one session: what is on disk, who waits, what runs. Lives in the session's thread."""

from __future__ import annotations

import errno
import logging
from collections import Counter
from dataclasses import dataclass
from itertools import chain, groupby
from typing import TYPE_CHECKING

from hls_sessions.errors import EncoderFailed, SegmentImpossible, SegmentNotFound, StorageFailed, said
from hls_sessions.ffmpeg import run as plan_run
from hls_sessions.ffmpeg import ways
from hls_sessions.media import BrokenSegment, read_segment, read_track
from hls_sessions.session.budget import Estimate, dispensable
from hls_sessions.session.check import Refused, check, is_short
from hls_sessions.session.encoder import EncoderRun
from hls_sessions.session.gaps import gap_of
from hls_sessions.session.messages import GapInfo, RenditionInfo
from hls_sessions.session.pacer import Want
from hls_sessions.session.policy import REACH, Action, GoOn, Hold, Limits, Situation, Start, Stop, decide
from hls_sessions.session.segments import size_of
from hls_sessions.session.shelf import Shelf

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Iterator
    from pathlib import Path

    from hls_sessions.ffmpeg import Binary, Encoder, Exit, Way
    from hls_sessions.media import Presentation, Rendition
    from hls_sessions.otp import From, Ref
    from hls_sessions.session.budget import Likelihood
    from hls_sessions.session.ledger import Account, Lack
    from hls_sessions.session.life import Life
    from hls_sessions.session.pacer import LaneKey, Pacer
    from hls_sessions.session.segments import SegmentDirectory
    from hls_sessions.session.watcher import Watcher

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
    life: Life
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


class Lane:
    """One rendition's desk. Raises EncoderFailed or StorageFailed when it has to give up."""

    def __init__(self, rendition: Rendition, workshop: Workshop) -> None:
        """Take over what an earlier life has published: what this daemon has is checked, the rest when asked for."""
        self.rendition = rendition
        self.cuts = workshop.presentation.cuts(rendition.id)
        self.given_up: list[str] = []
        """Why each way before the present one was given up, in sentences."""
        self._workshop = workshop
        self._ways = ways(rendition, workshop.encoder)
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
        self._shelf = Shelf(rendition, known, workshop.directory, workshop.account, workshop.life, self._check)

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
                self._workshop.account.full(self._size_of_next(self.way, run.next))
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
        while not self._carry_out(decide(self._situation(), self._workshop.limits)):
            pass  # a run that could not be started is a counted failure, which changes the situation

    def _situation(self) -> Situation:
        given_up = {segment for segment, times in self._failures.items() if times >= ATTEMPTS}
        lead = self.cuts.lead
        waiting = [segment for segment in self._waiting if segment >= lead]
        settled = self._shelf.there | self._impossible.keys() | given_up | set(range(lead))
        # What comes before the track begins needs the init segment, and nothing else that a run makes.
        if not waiting and (self._waiting_for_init or self._waiting):
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
        self._lack = None, 0
        placed = self._workshop.pacer.ask(self._key, self._wants(actions))
        for action in actions:
            match action:
                case Start(segment):
                    if not self._is_placed(-1 - segment, placed):
                        continue
                    if (until := self._may_begin(segment)) is not None and not self._start(segment, until):
                        return False
                case Stop(run):
                    self._runs[run].stop()
                case Hold(run):
                    self._hold(self._runs[run])
                case GoOn(run):
                    if self._is_placed(run, placed):
                        self._go_on(self._runs[run])
        self._hold_what_may_not_run(placed)
        self._workshop.account.note(self.rendition.id, *self._lack)
        return True

    def _hold_what_may_not_run(self, placed: Container[int]) -> None:
        for run in self._runs.values():
            if run.stopping or run.state.held:
                continue
            is_new = run.number not in placed and -1 - run.first in placed
            if self._is_placed(run.number, placed) or is_new:
                self._go_on(run)
            else:
                self._hold(run)

    def _is_placed(self, key: int, placed: Container[int]) -> bool:
        run = self._runs.get(key)
        return (self.way if run is None else run.way).copies or key in placed

    def _wants(self, actions: Iterable[Action]) -> Iterator[Want]:
        """Yield what is to run after these actions, but copies, which take no place."""
        told = {action.run: action for action in actions if not isinstance(action, Start)}
        for run in self._runs.values():
            orders = told.get(run.number)
            goes = isinstance(orders, GoOn) or (orders is None and not run.state.held)
            if goes and not run.stopping and not run.way.copies:
                yield Want(run.number, self._lead(run.next), self._is_waited_for(run.next))
        for segment in (action.segment for action in actions if isinstance(action, Start) and not self.way.copies):
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
        return self._workshop.life.session_id, self.rendition.id

    def _may_begin(self, segment: int) -> int | None:
        """Return the last segment for which a run from this one on may be planned; None when the disk has no room.

        A copy is planned as far as the look-ahead and no farther: it would be through the film before it could be
        held. Where there is not so much room, it makes one segment.
        """
        number = self._run_number + 1
        if not self.way.copies:
            may = self._may_write(number, segment, self._size_of_next(self.way, segment))
            return len(self.cuts) - 1 if may else None
        account, id_ = self._workshop.account, self.rendition.id
        ahead = self.cuts.reaching(self._viewer_before(segment), self._workshop.limits.look_ahead)
        size = self._estimate.copy(segment, ahead)
        # What never fits is not asked for: all behind the viewer would be deleted for nothing.
        if ahead > segment and size <= account.most and not account.reserve(id_, number, size, urgent=False):
            return ahead
        return segment if self._may_write(number, segment, self._estimate.copy(segment, segment)) else None

    def _go_on(self, run: EncoderRun) -> None:
        """Let a run continue if there is room on disk for what it makes next.

        Else it is held; a copy is ended, because another can be planned for as much room as there is.
        """
        if not run.way.copies and not self._may_write(run.number, run.next, self._size_of_next(run.way, run.next)):
            self._hold(run)
        elif run.way.copies and not self._has_room_for_copy(run.number, run.next, run.last):
            run.stop()
        elif run.state.held:
            run.go_on()

    def _has_room_for_copy(self, run: int, segment: int, last: int) -> bool:
        """Whether there is room on disk for a copy from one segment to another."""
        size, urgent = self._estimate.copy(segment, last), self._is_waited_for(segment)
        return self._workshop.account.reserve(self.rendition.id, run, size, urgent=urgent) is None

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
            if (size := self._size_of_next(self.way, number)) > most:
                for caller in self._waiting.pop(number):
                    caller.fail(self._never_fits(size))
        if self._waiting_for_init and (size := self._size_of_next(self.way, self._segment_for_init())) > most:
            callers, self._waiting_for_init = self._waiting_for_init, []
            for caller in callers:
                caller.fail(self._never_fits(size))

    def _never_fits(self, size: int) -> StorageFailed:
        why = f"a segment of {self.rendition.id} may need {size} bytes, and disk_budget or session_disk_budget is less"
        return StorageFailed(str(self._workshop.directory.path), why)

    def _size_of_next(self, way: Way, segment: int) -> int:
        return self._estimate.next(segment, copied=way.copies)

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
            if not goes_on or busy or segment in self._shelf.there or (until := self._may_begin(segment)) is None:
                continue
            if self._start(segment, until) and held:
                self._hold(self._runs[self._run_number])

    def close(self, timeout: float) -> None:
        """Kill all runs and wait until they are gone, each up to ``timeout`` seconds."""
        runs, self._runs = list(self._runs.values()), {}
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
    def way(self) -> Way:
        """How it is made now."""
        return self._ways[len(self.given_up)]

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
            encoder=str(self.way),
            given_up=tuple(self.given_up),
        )

    # ---- within

    def _check(self, number: int, data: bytes) -> None:
        """See that a published segment of an earlier daemon, which has no header of its own, is what it should be."""
        origin = self._workshop.presentation.timeline.origin
        segment = read_segment(self._workshop.directory.init(self.rendition.id).read_bytes() + data)
        check(segment, number, self.cuts, origin, self._track)
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

    def _start(self, segment: int, until: int) -> bool:
        """Start a run from one segment to another; False when it could not be started."""
        self._run_number += 1
        workshop, number = self._workshop, self._run_number
        try:
            folder = workshop.directory.new_run(self.rendition.id, number)
            plan = plan_run(workshop.binary, workshop.presentation, self.rendition, self.way, segment, folder, until)
            run = EncoderRun(
                self.rendition.id, number, plan, folder, workshop.owner, workshop.watcher, workshop.life.tally
            )
        except OSError as error:
            workshop.account.settle(self.rendition.id, number, 0)
            if error.errno in NO_ROOM:
                workshop.account.full(self._size_of_next(self.way, segment))
                return False
            reason = f"its encoder could not be started ({error.strerror or error})"
            self._note_failure(segment, "could not start", reason, (), self.way)
            self._give_up(segment, reason)
            return False
        run.used = workshop.now()
        self._runs[number] = run
        if (cause := self._lost.pop(segment, None)) is not None:
            workshop.life.replaced(self.rendition.id, segment, cause)
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
            check(segment, number, self.cuts, origin, self._track, damaged=damaged)
            if not went_on and is_short(segment, number, self.cuts, origin):
                return False
            if number not in self._shelf or not self._workshop.directory.init(self.rendition.id).exists():
                size = self._workshop.directory.publish(self.rendition.id, number, data, segment.head)
                self._shelf.published(number, size)
        except (BrokenSegment, Refused) as refusal:
            if went_on:
                self._workshop.life.tally.refused()
                run.stop("refused", fault=str(refusal))
                run.faulty_source = True
            return False
        except OSError as error:
            if error.errno in NO_ROOM:
                run.stop()
                self._workshop.account.full(self._size_of_next(run.way, number))
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
        directory = self._workshop.directory
        for caller in self._waiting.pop(number, ()):
            caller.reply(directory.segment(self.rendition.id, number))
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
        self._workshop.life.tally.failed()
        self._failures[segment] += way is self.way  # what a way does after it was given up is not held against another
        if any(run.first == segment and not run.stopping for run in self._runs.values()):
            self._workshop.life.replaced(self.rendition.id, segment, cause)  # it was stopped, and did not end at once
        else:
            self._lost[segment] = cause
        logger.warning("segment %d of %s failed: %s %s", segment, self.rendition.id, reason, " | ".join(log[-2:]))

    def _is_done_with_its_way(self, run: EncoderRun, exit_: Exit) -> bool:
        """Whether a failed run's way is to be left for the next: it failed too often, or has never made anything.

        Neither a full disk nor one who kills a run says anything of a way.
        """
        if run.way is not self.way or run.way is self._ways[-1] or self._storage_fault is not None:
            return False
        never_worked = not self._shelf.there and (run.fault is not None or not exit_.was_killed)
        return never_worked or self._failures[run.next] >= ATTEMPTS

    def _step_down(self, why: str) -> None:
        """Go over to the next way, for good. What was published stays, and a run that has made something goes on."""
        self.given_up.append(why)
        self._failures.clear()
        logger.warning("%s goes on with %s: %s", self.way, self.rendition.id, why)
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
        self._impossible[segment] = reason
        callers = self._waiting.pop(segment, [])
        if not self._shelf.there and len(self._impossible) >= min(ATTEMPTS, len(self.cuts) - self.cuts.lead):
            # Not one segment could be made, so nothing will bring the init segment.
            early = [self._waiting.pop(number) for number in list(self._waiting) if number < self.cuts.lead]
            callers, self._waiting_for_init = [*callers, *self._waiting_for_init, *chain(*early)], []
        for caller in callers:
            caller.fail(SegmentImpossible(self.rendition.id, segment, reason))

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
