"""The encoder runs of one rendition: starts, holds and ends them. Decides nothing. Lives in the session's thread."""

from __future__ import annotations

import logging
import shutil
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from hls_sessions.encoding.phases import COMMAND, FORK, SCHEDULE
from hls_sessions.encoding.run import EncoderRun
from hls_sessions.ffmpeg import plan_run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hls_sessions.encoding.phases import Phases
    from hls_sessions.encoding.policy import Reason, Start
    from hls_sessions.encoding.reporter import Reporter
    from hls_sessions.encoding.source import Source
    from hls_sessions.encoding.watcher import Watcher
    from hls_sessions.ffmpeg import Binary, Method
    from hls_sessions.media import Cuts, Presentation
    from hls_sessions.otp import Ref
    from hls_sessions.segments import SegmentDirectory, SessionQuota, Shortage

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Equipment:
    """The values that a session's encoders are started with."""

    binary: Binary
    presentation: Presentation
    directory: SegmentDirectory
    watcher: Watcher
    reporter: Reporter
    phases: Phases
    """Hears how far the segments are that viewers wait for."""
    owner: Ref | Source
    """Hears of the runs, for the session's actor."""
    now: Callable[[], float]
    """The clock, in seconds."""
    send_after: Callable[[Any, float], object]
    """Sends a reminder to the session's actor, in so many seconds."""


class Runs:
    """The runs of one rendition, by number."""

    __slots__ = ("_equipment", "_number", "_quota", "_rendition", "_runs", "pace")

    def __init__(self, rendition: str, equipment: Equipment, quota: SessionQuota) -> None:
        """Begin without a run. The bytes that runs write are reserved in the session's quota."""
        self._rendition = rendition
        self._equipment = equipment
        self._quota = quota
        self._runs: dict[int, EncoderRun] = {}
        self._number = 0
        self.pace = 0.0
        """Seconds of film that one of them was last seen to make in a second; 0 as long as that is not known."""

    def __iter__(self) -> Iterator[EncoderRun]:
        """Yield all runs that have not ended."""
        return iter(tuple(self._runs.values()))

    def __len__(self) -> int:
        return len(self._runs)

    def __getitem__(self, number: int) -> EncoderRun:
        return self._runs[number]

    def find(self, number: int) -> EncoderRun | None:
        """Return a run; None when it has ended."""
        return self._runs.get(number)

    @property
    def going(self) -> list[EncoderRun]:
        """The runs whose end was not asked for, held or not."""
        return [run for run in self if not run.stopping]

    def start(self, claim: Start, method: Method, until: int | None, tries: int) -> EncoderRun:
        """Start a run, which takes over the claim's reservation.

        Args:
            claim: the segment that it begins with.
            method: how it encodes.
            until: the last segment it is to make; None for the last of all.
            tries: how often its first segment was tried before.

        Raises:
            OSError: it cannot be started; nothing is left of it.
        """
        self._number += 1
        with_, number = self._equipment, self._number
        rendition = with_.presentation.renditions[self._rendition]
        reach, folder = partial(with_.phases.reach, self._rendition, claim.segment), None
        reach(SCHEDULE)
        try:
            folder = with_.directory.new_run(self._rendition, number)
            plan = plan_run(with_.binary, with_.presentation, rendition, method, claim.segment, folder, until, tries)
            reach(COMMAND)
            run = EncoderRun(
                self._rendition, number, plan, folder, with_.owner, with_.watcher, with_.reporter, with_.now
            )
            reach(FORK)
        except OSError:
            self._quota.settle(self._rendition, claim, 0)
            if folder is not None:
                shutil.rmtree(folder, ignore_errors=True)
            raise
        self._quota.transfer(self._rendition, claim, number)
        run.used = with_.now()
        self._runs[number] = run
        logger.info("started %r", run, extra=run.about)
        return run

    def hold(self, run: EncoderRun, why: Reason | Shortage) -> None:
        """Hold a run. The bytes that it has written and not published stay reserved."""
        run.hold(why.value)
        logger.debug("%r", run, extra=run.about | {"reason": why.value})
        self._quota.settle(self._rendition, run.number, run.bytes)

    def published(self, run: EncoderRun, number: int, cuts: Cuts) -> None:
        """Note that a run's segment was published, and delete the run's file of it."""
        run.file(number).unlink(missing_ok=True)
        if run.state.held:
            self._quota.settle(self._rendition, run.number, run.bytes)
        run.next = number + 1
        self.pace = run.pace(cuts, self._equipment.now()) or self.pace

    def ended(self, number: int) -> EncoderRun | None:
        """Remove and return a run that has ended; None if it is unknown. ``clear`` it when its files have been read."""
        return self._runs.pop(number, None)

    def clear(self, run: EncoderRun) -> None:
        """Delete the folder of a run that has ended, and give back its watch and its reservation."""
        run.clear()
        self._quota.settle(self._rendition, run.number, 0)

    def visit(self, number: int, reach: int) -> None:
        """Note that a viewer is at a segment, and so uses the runs that made it or are up to ``reach`` before it."""
        now = self._equipment.now()
        for run in self:
            if run.first <= number <= run.next + reach:
                run.used = now

    def stop(self) -> None:
        """Kill all runs. RunExited follows for each."""
        for run in self:
            run.stop()

    def stop_stalled(self, limit: float) -> None:
        """Kill the runs that have done nothing for so many seconds."""
        now = self._equipment.now()
        for run in self:
            if run.is_stalled(now, limit):
                run.stop("stalled", fault=f"its encoder did nothing for {limit:g} seconds")

    def close(self, timeout: float) -> None:
        """Kill all runs and wait until they are gone, each up to ``timeout`` seconds."""
        runs, self._runs = list(self._runs.values()), {}
        for run in runs:
            run.stop()
        for run in runs:
            if not run.wait(timeout):
                logger.error("%r did not end within %g s of SIGKILL", run, timeout, extra=run.about)
            self.clear(run)
