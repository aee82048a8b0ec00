"""One encoder run: an ffmpeg process, the folder it writes to, and the watch on that folder."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from hls_sessions.encoding.info import RunInfo
from hls_sessions.encoding.policy import RunState
from hls_sessions.ffmpeg import Process
from hls_sessions.otp import REQUEST, metadata
from hls_sessions.segments import record_process

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hls_sessions.encoding.reporter import Reporter
    from hls_sessions.encoding.source import Source
    from hls_sessions.encoding.watcher import Watcher
    from hls_sessions.ffmpeg import Exit, Run
    from hls_sessions.media import Cuts
    from hls_sessions.otp import Ref


SEGMENT: Final = ".m4s"
"""How the names of its segments end."""

UNDECODED: Final = ("Error while decoding", "Error submitting packet to decoder")
"""What ffmpeg says of packets that it cannot decode, up to 5.1 and since."""


@dataclass(frozen=True, slots=True)
class FileClosed:
    """The watcher saw that a file of a run is no longer written to."""

    rendition: str
    run: int
    path: Path


@dataclass(frozen=True, slots=True)
class RunExited:
    """An encoder's process has ended."""

    rendition: str
    run: int
    exit: Exit


class EncoderRun:
    """A run from its start to its end. Made in its session's thread, so that it dies with that thread."""

    def __init__(
        self,
        rendition: str,
        number: int,
        plan: Run,
        folder: Path,
        owner: Ref | Source,
        watcher: Watcher,
        reporter: Reporter,
        now: Callable[[], float],
    ) -> None:
        """Start ffmpeg. ``owner`` hears FileClosed for every file and, once, RunExited; ``reporter`` hears of its cost.

        ``now`` is the clock, in seconds, for the times at which files begin and are complete.

        Raises:
            OSError: the folder cannot be watched, or the process cannot be started; nothing is left running.
        """
        self.rendition = rendition
        self.number = number
        self.request = metadata().get(REQUEST)
        """The name of the request for which it was started; None if it was for none."""
        self.method = plan.method
        self.first = plan.first
        self.last = plan.last
        self.next = plan.first
        self.folder = folder
        self.used = 0.0
        self.stopping = False
        """Whether its end was asked for. The files that it writes from then on are ignored."""
        self.fault: str | None = None
        """Why its end was asked for, if that was its own fault."""
        self.cause: str | None = None
        """The same in a word or two, to count by."""
        self.faulty_source = False
        """Whether it worked and its segment was refused, so that another run would do no better."""
        self.first_packet_at: float | None = None
        """When it wrote its first packet; None before, and as long as the system has not told."""
        self._closed_at: dict[str, float] = {}
        """When each of its files that is not published yet was complete."""
        self._held_for = ""
        """Why it was held last."""
        self._worked = -1, 0.0
        """How much processor time it had used when it was last seen to have used more, and when that was."""
        self._undisturbed: tuple[int, float] | None = None
        """The first segment that it began after it was started or held last, and when it began it, on the clock."""

        def exited(exit_: Exit) -> None:
            reporter.ended(f"{rendition} run {number}", exit_)  # here, because an owner that has crashed hears nothing
            owner.send(RunExited(rendition, number, exit_))

        def created(path: Path) -> None:
            if path.suffix == SEGMENT and self.first_packet_at is None:
                self.first_packet_at = now()

        def closed(path: Path) -> None:
            self._closed_at[path.name] = now()
            owner.send(FileClosed(rendition, number, path))

        self._unwatch = watcher.watch(folder, closed, created)
        try:
            self._process = Process(plan.argv, exited, plan.access)
        except BaseException:
            self._unwatch()
            raise
        try:
            record_process(folder, self._process.identity)
        except BaseException:
            # A process that nobody could find after a crash must not run. Its RunExited is that of an unknown run.
            self._process.kill()
            self._unwatch()
            raise

    def __repr__(self) -> str:
        state = "stopping" if self.stopping else f"held: {self._held_for}" if self._process.held else "running"
        return f"<EncoderRun {self.rendition}/{self.number} [{state}, pid {self.pid}, segment {self.next}]>"

    @property
    def pid(self) -> int:
        """The process id of ffmpeg."""
        return self._process.pid

    @property
    def about(self) -> dict[str, Any]:
        """What a line of the log about it names."""
        request = {} if self.request is None else {REQUEST: self.request}
        return {"rendition": self.rendition, "run": self.number, "pid": self.pid, "segment": self.next, **request}

    @property
    def state(self) -> RunState:
        """Its state, for the policy."""
        return RunState(self.number, self.next, self.last, self._process.held, self.used)

    @property
    def info(self) -> RunInfo:
        """Its state, for operators."""
        return RunInfo(
            self.rendition,
            self.number,
            self.pid,
            self.first,
            self.next,
            self._process.held,
            str(self.method),
            self._process.log,
        )

    @property
    def seconds(self) -> float:
        """Processor seconds it has used, while it runs."""
        return self._process.seconds

    @property
    def bytes(self) -> int:
        """The bytes of its files that are not published."""
        sizes = 0
        with suppress(OSError):
            for file in os.scandir(self.folder):
                with suppress(OSError):  # it has been published
                    sizes += file.stat().st_size
        return sizes

    @property
    def is_sound(self) -> bool:
        """Whether a run of another session would make the same: it decoded all of its source, and is not silent."""
        return not self.method.silent and not self.could_not_decode

    @property
    def could_not_decode(self) -> bool:
        """Whether its log says that something could not be decoded."""
        return any(words in line for line in self._process.log for words in UNDECODED)

    def file(self, segment: int) -> Path:
        """Return the path it writes a segment to."""
        return self.folder / f"{segment}{SEGMENT}"

    def closed_at(self, segment: int) -> float | None:
        """Return when the file of a segment was complete; None if that is not known. Asked once for each segment."""
        return self._closed_at.pop(self.file(segment).name, None)

    def is_stalled(self, now: float, limit: float) -> bool:
        """Whether it was seen to do nothing for so many seconds: not read, not encode, not write.

        Its processor time is compared, because it may work on a long segment for a long time without writing a byte.
        """
        used = self._process.processor_time
        if used != self._worked[0] or self.stopping or self._process.held:
            self._worked = used, now
        return now - self._worked[1] >= limit

    def pace(self, cuts: Cuts, now: float) -> float:
        """Return how many seconds of film it makes in a second; 0 if that is not seen yet. It has just made a segment.

        The first segment since it was started or held does not count, because the process had to open the film.
        """
        if self._undisturbed is None:
            self._undisturbed = self.next, now
            return 0.0
        first, since = self._undisturbed
        return float(cuts.times[self.next] - cuts.times[first]) / (now - since) if now > since else 0.0

    def hold(self, why: str) -> None:
        """Suspend it."""
        self._held_for = why
        self._undisturbed = None
        self._process.hold()

    def go_on(self) -> None:
        """Let it continue."""
        self._worked = -1, 0.0
        self._process.go_on()

    def stop(self, cause: str | None = None, fault: str | None = None) -> None:
        """Kill it; ``cause`` and ``fault`` say why, if it is at fault itself. RunExited follows."""
        self.stopping = True
        self.cause = self.cause or cause
        self.fault = self.fault or fault
        self._process.kill()

    def excuse(self) -> None:
        """Note that its end is no fault of its own, and says nothing about its segment."""
        self.stopping = True
        self.cause = self.fault = None

    def wait(self, timeout: float) -> bool:
        """Wait until a stopped run is gone; False if that takes longer than ``timeout`` seconds."""
        return self._process.wait(timeout)

    def clear(self) -> None:
        """Delete its folder and end the watch on it. It must have ended."""
        self._unwatch()
        shutil.rmtree(self.folder, ignore_errors=True)
