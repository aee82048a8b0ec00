"""One encoder run: an ffmpeg process, the folder it writes to, and the watch on that folder."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hls_sessions.encoding.info import RunInfo
from hls_sessions.encoding.policy import RunState
from hls_sessions.ffmpeg import Process
from hls_sessions.segments import record_process

if TYPE_CHECKING:
    from pathlib import Path

    from hls_sessions.encoding.reporter import Reporter
    from hls_sessions.encoding.watcher import Watcher
    from hls_sessions.ffmpeg import Exit, Run
    from hls_sessions.otp import Ref


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
    """A run from its start to its end. Made in its session's thread, so that it dies with it."""

    def __init__(
        self, rendition: str, number: int, plan: Run, folder: Path, owner: Ref, watcher: Watcher, reporter: Reporter
    ) -> None:
        """Start ffmpeg. ``owner`` hears FileClosed for every file and, once, RunExited; ``reporter``, what it cost.

        Raises:
            OSError: the folder cannot be watched or the process not started; nothing is left running.
        """
        self.rendition = rendition
        self.number = number
        self.method = plan.method
        self.first = plan.first
        self.last = plan.last
        self.next = plan.first
        self.folder = folder
        self.used = 0.0
        self.stopping = False
        """Whether its end was asked for: what it writes from then on is not looked at."""
        self.fault: str | None = None
        """Why its end was asked for, when that was its own fault."""
        self.cause: str | None = None
        """The same in a word or two, to count by."""
        self.faulty_source = False
        """Whether the fault was in what it made while it did its work: another run would do no better."""
        self._worked = -1, 0.0
        """How much processor time it had used when it was last seen to have used more, and when that was."""

        def exited(exit_: Exit) -> None:
            reporter.computed(exit_.seconds)  # here, because an owner that has crashed hears nothing
            owner.send(RunExited(rendition, number, exit_))

        self._unwatch = watcher.watch(folder, lambda path: owner.send(FileClosed(rendition, number, path)))
        try:
            self._process = Process(plan.argv, exited)
        except BaseException:
            self._unwatch()
            raise
        try:
            record_process(folder, self._process.identity)
        except BaseException:
            # A process nobody could find after a crash must not run. Its RunExited is that of an unknown run.
            self._process.kill()
            self._unwatch()
            raise

    def __repr__(self) -> str:
        state = "stopping" if self.stopping else "held" if self._process.held else "running"
        return f"<EncoderRun {self.rendition}/{self.number} [{state}, pid {self.pid}, segment {self.next}]>"

    @property
    def pid(self) -> int:
        """The process id of ffmpeg."""
        return self._process.pid

    @property
    def state(self) -> RunState:
        """What the policy sees of it."""
        return RunState(self.number, self.next, self.last, self._process.held, self.used)

    @property
    def info(self) -> RunInfo:
        """What an operator sees of it."""
        return RunInfo(
            self.rendition, self.number, self.pid, self.first, self.next, self._process.held, str(self.method)
        )

    @property
    def seconds(self) -> float:
        """Processor seconds it has computed for, while it runs."""
        return self._process.seconds

    @property
    def bytes(self) -> int:
        """What its folder takes on disk, until it is published."""
        sizes = 0
        with suppress(OSError):
            for file in os.scandir(self.folder):
                with suppress(OSError):  # it has been published
                    sizes += file.stat().st_size
        return sizes

    def file(self, segment: int) -> Path:
        """Return where it writes a segment."""
        return self.folder / f"{segment}.m4s"

    def is_stalled(self, now: float, limit: float) -> bool:
        """Whether it was seen to do nothing for so many seconds: not read, not encode, not write.

        Processor time tells, because a long segment may be in the making for a long time without a byte on disk.
        """
        used = self._process.processor_time
        if used != self._worked[0] or self.stopping or self._process.held:
            self._worked = used, now
        return now - self._worked[1] >= limit

    def hold(self) -> None:
        """Stop its clock."""
        self._process.hold()

    def go_on(self) -> None:
        """Let it continue."""
        self._worked = -1, 0.0
        self._process.go_on()

    def stop(self, cause: str | None = None, fault: str | None = None) -> None:
        """Kill it, for a fault of its own if that has a cause. RunExited follows."""
        self.stopping = True
        self.cause = self.cause or cause
        self.fault = self.fault or fault
        self._process.kill()

    def wait(self, timeout: float) -> bool:
        """Wait until a stopped run is gone; False when that took longer than ``timeout`` seconds."""
        return self._process.wait(timeout)

    def clear(self) -> None:
        """Give back what it held on disk and in the kernel. It must have ended."""
        self._unwatch()
        shutil.rmtree(self.folder, ignore_errors=True)
