"""The packager of one session: its queue of segments, and its replacement. Lives in the session's thread.

It is started when a segment is wanted, and ended when none was wanted for a while. A packager that was killed is no
fault of the media file: another takes its place, at once, or with backoff if several in a row were killed. A packager
that fails by itself is a failure of its current segment.
"""

from __future__ import annotations

import logging
import shutil
from collections import deque
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Final, NamedTuple

from hls_sessions.encoding.setbacks import HOPELESS, lacking
from hls_sessions.ffmpeg import Packager, WorkerFailed
from hls_sessions.segments import record_process

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import Any

    from hls_sessions.encoding.reporter import Reporter
    from hls_sessions.encoding.source import Source
    from hls_sessions.ffmpeg import Exit, Packaged, Workers
    from hls_sessions.media import Media
    from hls_sessions.otp import Clock, Ref, Timers
    from hls_sessions.segments import SegmentDirectory

logger = logging.getLogger(__name__)

PACKAGER: Final = "packager"
"""The name of packagers in events, and of their folder in the session's directory."""

STALLED: Final = 10.0
"""Seconds without any progress after which a packager is ended."""

LONGEST: Final = 60.0
"""Seconds that one segment may take."""

BACKOFF: Final = 0.1
"""Seconds until the third of them is started; twice as long for each after it."""

LONGEST_BACKOFF: Final = 2.0


@dataclass(frozen=True, slots=True)
class PackagerAnswered:
    """A packager has made the segment that it was asked for, or has failed."""

    packager: int
    answer: Packaged


@dataclass(frozen=True, slots=True)
class PackagerExited:
    """A packager's process has ended."""

    packager: int
    exit: Exit


@dataclass(frozen=True, slots=True)
class PackagerCheck:
    """The session's own reminder to start a packager again after some were killed."""


class Wanted(NamedTuple):
    """A segment of one rendition; without a number, the init segment."""

    rendition: str
    number: int | None


@dataclass(frozen=True, slots=True)
class Failure:
    """A segment that a packager has not made, and why."""

    wanted: Wanted
    cause: str
    """In a word or two, to count by."""
    reason: str
    """As the predicate of a sentence."""


@dataclass(slots=True)
class _Task:
    """The current segment of a packager. Times on the clock."""

    wanted: Wanted
    since: float
    progressed: float
    """When it was last seen to have made progress."""
    progress: tuple[float, int] = (0.0, 0)


class _Running(NamedTuple):
    """One packager, and the folder that it writes to."""

    number: int
    """Its messages carry this number; those with another are ignored."""
    packager: Packager
    folder: Path

    def file(self, wanted: Wanted) -> Path:
        return self.folder / f"{wanted.rendition}-{wanted.number}.m4s"


class SessionPackager:
    """One session's packager."""

    def __init__(
        self,
        media: Media,
        directory: SegmentDirectory,
        workers: Workers,
        owner: Ref,
        reporter: Reporter,
        clock: Clock,
        timers: Timers,
        source: Source,
        request: Callable[[Wanted, Path], dict[str, Any] | None],
    ) -> None:
        """Begin without a process.

        Args:
            media: the media file.
            directory: the session's directory.
            workers: starts the processes.
            owner: hears PackagerCheck.
            reporter: hears of the costs, failures and replacements of packagers.
            clock: the clock.
            timers: remind the owner.
            source: hears PackagerAnswered and PackagerExited, for the owner.
            request: returns the request that has a segment written; None if nobody wants the segment any more.
        """
        self._media = media
        self._directory = directory
        self._workers = workers
        self._owner = owner
        self._reporter = reporter
        self._clock = clock
        self._timers = timers
        self._source = source
        self._request = request
        self._queue: deque[Wanted] = deque()
        self._task: _Task | None = None
        self._running: _Running | None = None
        self._ending: dict[int, _Running] = {}
        """Packagers that were told to end and have not."""
        self._numbers = count(1)
        self._fault: tuple[str, str] | None = None
        """Why the packager is ended, if that is its own fault: the cause and the reason."""
        self._in_vain = 0
        """How many packagers in a row ended before they had answered."""
        self._in_vain_since = 0.0
        """When the first of them ended."""
        self._lost: str | None = None
        """Why the last packager was lost, until another takes its place."""
        self._backs_off = False
        """Whether the start of the next packager waits for a backoff."""
        self._used = 0.0
        self.lacks: str | None = None
        """The resource that has run out, for which the start of a packager waits; None if it waits for none."""

    def __repr__(self) -> str:
        return f"<SessionPackager [pid {self.pid}, {len(self._queue)} waiting]>"

    # ---- asked

    def want(self, wanted: Wanted) -> None:
        """Have a segment made after all that were wanted before."""
        self._queue.append(wanted)
        self.go_on()

    def rest(self) -> None:
        """End the packager, and forget the wanted segments."""
        self._queue.clear()
        self.renew()

    def renew(self) -> None:
        """End the packager, so that the next segment is made by another, in another folder."""
        self._task = self._fault = None
        if self._running is not None:
            self._running.packager.kill()
            self._ending[self._running.number] = self._running
            self._running = None

    def rest_if_unused(self, timeout: float) -> None:
        """End the packager if nothing was wanted for so many seconds."""
        if self._task is None and self._clock.monotonic() - self._used >= timeout:
            self.renew()

    def close(self, timeout: float) -> None:
        """End the packager, and wait up to ``timeout`` seconds until it is gone."""
        self.rest()
        for ending in self._ending.values():
            if not ending.packager.wait(timeout):
                logger.error("%r did not end within %g s of SIGKILL", ending.packager, timeout)

    # ---- heard

    def answered(self, number: int) -> tuple[Wanted, Path] | None:
        """Note that a packager has answered; return the segment that it was asked for, and the file to write it to.

        Return None if the answer is to be ignored. Else call ``go_on`` after dealing with it.
        """
        if self._running is None or number != self._running.number or self._task is None:
            return None
        wanted, self._task = self._task.wanted, None
        self._in_vain = 0
        self._used = self._clock.monotonic()
        return wanted, self._running.file(wanted)

    def go_on(self) -> None:
        """Ask for the next wanted segment, if none is being made."""
        while self._queue and self._task is None and not self._backs_off:
            running = self._running = self._running or self._started()
            if running is None:
                return
            wanted = self._queue.popleft()
            request = self._request(wanted, running.file(wanted))
            if request is None:
                continue
            now = self._used = self._clock.monotonic()
            self._task = _Task(wanted, since=now, progressed=now)
            if self._lost is not None:
                self._reporter.replaced(wanted.rendition, wanted.number or 0, self._lost, what=PACKAGER)
                self._lost = None
            running.packager.ask(request)

    def try_again(self) -> None:
        """Start another packager after a backoff."""
        self._backs_off = False
        self.go_on()

    def exited(self, number: int, exit_: Exit) -> Failure | None:
        """Note that a packager has ended; return the failure of its segment, if that is its own fault."""
        ended = self._ending.pop(number, None)
        if ended is None and self._running is not None and self._running.number == number:
            ended, task, fault = self._running, self._task, self._fault
            self._running = self._task = self._fault = None
        else:
            task = fault = None
        if ended is not None:
            shutil.rmtree(ended.folder, ignore_errors=True)
        if task is None:
            return None  # it had no segment, or one that is no longer wanted
        if fault is None and not exit_.was_killed:
            fault = "crashed", f"its packager {exit_}"
        self._in_vain += 1
        now = self._clock.monotonic()
        if self._in_vain == 1:
            self._in_vain_since = now
        if fault is None and now - self._in_vain_since >= HOPELESS:
            fault = "killed", f"{self._in_vain} packagers were killed before they had made anything"
        self._lost = "killed" if fault is None else fault[0]
        logger.warning("a packager was lost at %s: it %s", task.wanted, exit_)
        if fault is None:
            self._queue.appendleft(task.wanted)
            self._start_again()
            return None
        self._in_vain = 0
        return Failure(task.wanted, *fault)

    def look_for_stalls(self) -> None:
        """End a packager that hangs."""
        task, now = self._task, self._clock.monotonic()
        if task is None or self._running is None or self._fault is not None:
            return
        progress = self._running.packager.progress
        if progress != task.progress:
            task.progress, task.progressed = progress, now
        if now - task.progressed >= STALLED:
            self._fault = "stalled", f"its packager did nothing for {STALLED:g} seconds"
        elif now - task.since >= LONGEST:
            self._fault = "stalled", f"its packager took more than {LONGEST:g} seconds"
        if self._fault is not None:
            self._running.packager.kill()

    # ---- seen from outside

    @property
    def pid(self) -> int | None:
        """The process id of the packager, if there is one."""
        return None if self._running is None else self._running.packager.pid

    @property
    def seconds(self) -> float:
        """Processor seconds of the packager that runs."""
        return 0.0 if self._running is None else self._running.packager.seconds

    @property
    def is_ending(self) -> bool:
        """Whether a packager was told to end and has not."""
        return bool(self._ending)

    def unused_at(self, timeout: float) -> float | None:
        """Return when, on the clock, the packager will have been unused for so many seconds; None if there is none."""
        return None if self._running is None else self._used + timeout

    # ---- within

    def _started(self) -> _Running | None:
        """Start a packager; None if it cannot be started now and is tried again later."""
        number, source, reporter = next(self._numbers), self._source, self._reporter

        def exited(exit_: Exit) -> None:
            reporter.ended(f"{PACKAGER} run {number}", exit_)  # here, because an owner that has crashed hears nothing
            source.send(PackagerExited(number, exit_))

        folder = None
        try:
            folder = self._directory.new_run(PACKAGER, number)
            packager = Packager(
                self._workers,
                self._media,
                folder,
                record=lambda identity: record_process(folder, identity),
                on_answer=lambda answer: source.send(PackagerAnswered(number, answer)),
                on_exit=exited,
            )
        except (OSError, WorkerFailed) as error:
            logger.warning("a packager could not be started: %s", error)
            self.lacks = lacking(error) if isinstance(error, OSError) else None
            if folder is not None:
                shutil.rmtree(folder, ignore_errors=True)
            if self._in_vain == 0:
                self._in_vain_since = self._clock.monotonic()
            self._in_vain = max(2, self._in_vain + 1)
            self._start_again()
            return None
        self.lacks = None
        return _Running(number, packager, folder)

    def _start_again(self) -> None:
        """Start another packager: at once, or with backoff if the one before was lost, too."""
        if self._in_vain <= 1:
            self.go_on()
            return
        self._backs_off = True
        delay = min(LONGEST_BACKOFF, BACKOFF * 2 ** (self._in_vain - 2))
        self._timers.send_after(self._owner, PackagerCheck(), delay)
