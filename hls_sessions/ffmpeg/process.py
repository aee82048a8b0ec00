"""One child process: it cannot outlive its owner, its last log lines are kept, and it can be stopped for certain."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import signal
import subprocess
import threading
import weakref
from collections import deque
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from hls_sessions.ffmpeg.sandbox import confine, limit

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hls_sessions.ffmpeg.sandbox import Access

QUIRKS = {"GCONV_PATH": "/nonexistent"}
"""Environment of ffmpeg. A statically linked one crashes on the first programme name in MPEG-TS if it finds the
system's modules for character sets. An encoder needs no such names."""

OWN_VARIABLES = "HLS_SESSIONS_"
"""Begins the environment variables of the daemon's settings. A process that opens films does not get them, because the
token is among them."""

LOG_LINES = 40
"""How many of the last lines on standard error are kept."""
LOG_LINE = 400
"""Characters kept of one line."""

TICK = 1 / os.sysconf("SC_CLK_TCK")
"""Seconds of one clock tick, in which the kernel counts processor time."""


FROM_OUTSIDE = frozenset({signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT})
"""Signals that a process does not get because of its own work. The kernel's OOM killer sends SIGKILL."""

EXIT_BY_SIGNAL, BY_SIGNAL = 255, "Exiting normally, received signal"
"""The exit code of an ffmpeg that was asked to end by SIGTERM, SIGINT or SIGHUP, and the beginning of its last line."""

CONSEQUENCE = re.compile(
    "Error (while opening|initializing output|submitting|sending|parsing|selecting|opening output|while filtering)|"
    "Task finished|Terminating thread|Could not open encoder|Nothing was written|Conversion failed|Device creation|"
    "Failed to set value|not on whitelist|Failed to open codec in avformat_find_stream_info"
)
"""Log lines that ffmpeg writes after the one that tells the cause."""


@cache
def boot_id() -> str:
    """Return the id of this boot of the machine (random(4), boot_id); empty where the kernel does not tell."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


class ProcessId(NamedTuple):
    """The identity of a process: its pid, and when it started, because pids are used again."""

    pid: int
    started: int
    """Clock ticks after boot (proc(5), field 22 of stat)."""
    boot_id: str
    """The boot that it started in."""

    @classmethod
    def of(cls, pid: int) -> ProcessId | None:
        """Identify a running process by its pid; None when there is none."""
        fields = _stat(pid)
        return None if fields is None or fields[0] == "Z" else cls(pid, int(fields[19]), boot_id())

    @classmethod
    def parse(cls, text: str) -> ProcessId | None:
        """Read the text that ``str`` has written; None when it is something else."""
        words = re.fullmatch(r"([0-9]{1,20}) ([0-9]{1,20}) ?([0-9a-f-]{36}|)\s*", text)
        return cls(int(words[1]), int(words[2]), words[3]) if words else None

    def __str__(self) -> str:
        return f"{self.pid} {self.started} {self.boot_id}"

    def is_running(self) -> bool:
        """Whether this very process still runs."""
        return ProcessId.of(self.pid) == self

    def kill(self) -> bool:
        """Kill this very process and its group. False when it was gone already."""
        if not self.is_running():
            return False
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        return True


class Exit(NamedTuple):
    """How a process ended."""

    code: int
    """The exit code; negative for a signal, as in subprocess."""
    log: tuple[str, ...]
    """Its last lines on standard error."""
    seconds: float = 0.0
    """Processor seconds it computed for."""

    @property
    def was_killed(self) -> bool:
        """Whether it was ended by a signal from outside, so that its end says nothing about its work."""
        if self.code == EXIT_BY_SIGNAL:
            return any(BY_SIGNAL in line for line in self.log)
        return -self.code in FROM_OUTSIDE

    @property
    def cause(self) -> str:
        """The last log line that tells a cause rather than a consequence; empty when there is none."""
        telling = [line for line in self.log if not CONSEQUENCE.search(line)] or self.log[:1]
        return re.sub(r"^(\[[^]]* @ 0x[0-9a-f]+\] )+", "", telling[-1]).rstrip(".") if telling else ""

    def __str__(self) -> str:
        if self.code < 0:
            with contextlib.suppress(ValueError):
                return f"ended by {signal.Signals(-self.code).name}"
        return f"ended with exit code {self.code}"


class Process:
    """A running child in its own process group, whose last log lines are kept.

    It is killed when the *thread* that made it ends, so make it from a thread that lives as long as the process is
    wanted.
    """

    def __init__(self, argv: Sequence[str], on_exit: Callable[[Exit], None], access: Access | None = None) -> None:
        """Start a process. ``on_exit`` is called once, from another thread, after its last line was read.

        Args:
            argv: the command line.
            on_exit: called with how it ended.
            access: what it may use; None for everything.

        Raises:
            OSError: it cannot be started.
        """
        self._log: deque[str] = deque(maxlen=LOG_LINES)
        self._keeper: _Keeper | None = None
        if access is None:
            self._popen = _spawn(argv)
        else:
            self._keeper = _Keeper(argv, access)
            self._popen = self._keeper.start_process()
            _end_with_this_thread(self)
        self.pid = self._popen.pid
        self.identity = ProcessId.of(self.pid)
        self.held = False
        self._on_exit = on_exit
        self._listener = threading.Thread(target=self._listen, name=f"ffmpeg-{self.pid}", daemon=True)
        try:
            self._listener.start()
        except RuntimeError as error:  # there are as many threads as there may be
            self._popen.kill()
            with self._popen:
                raise OSError(errno.EAGAIN, str(error)) from error

    @property
    def log(self) -> tuple[str, ...]:
        """The last lines it wrote to standard error."""
        return tuple(self._log)

    @property
    def processor_time(self) -> int:
        """Clock ticks it has computed for (proc(5), fields 14 and 15 of stat); zero when it has ended."""
        return _processor_time(self.pid)

    @property
    def seconds(self) -> float:
        """Processor seconds it has computed for; zero when it has ended, because then its Exit tells."""
        return processor_seconds(self.pid)

    def hold(self) -> None:
        """Stop it: it keeps its memory and uses no processor until ``go_on``."""
        self.held = True
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Let a held process continue."""
        self.held = False
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        """End it and all it started, at once. SIGKILL also ends a held process, which acts on no other signal."""
        self._signal(signal.SIGKILL)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it has ended and ``on_exit`` was called. False when that took more than ``timeout`` seconds."""
        self._listener.join(timeout)
        return not self._listener.is_alive()

    def _signal(self, number: signal.Signals) -> None:
        # Not after it was reaped, because its pid may be that of another process by then.
        if self._popen.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, number)

    def _listen(self) -> None:
        assert self._popen.stderr is not None  # noqa: S101 - opened as a pipe above
        with self._popen.stderr as stderr:
            # readline with a bound: a line without an end must not fill the memory.
            while line := stderr.readline(LOG_LINE * 4):
                if text := line.decode(errors="replace").strip():
                    self._log.append(text[:LOG_LINE])
        # Until an ended process is reaped, the kernel still knows its processor time.
        with contextlib.suppress(ChildProcessError):
            os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
        seconds = processor_seconds(self.pid)
        code = self._popen.wait()
        if self._keeper is not None:
            self._keeper.end()
        self._on_exit(Exit(code, self.log, seconds))


class _Keeper:
    """A thread that confines itself, starts one process, and lives as long as the process.

    It does nothing else, because all that it did would be confined too, down to the threads it started. The kernel
    kills the process when this thread ends (prctl(2), PR_SET_PDEATHSIG), which is when the daemon does.
    """

    def __init__(self, argv: Sequence[str], access: Access) -> None:
        self._argv, self._access = argv, access
        self._popen: subprocess.Popen[bytes] | None = None
        self._error: BaseException | None = None
        self._has_started, self._has_ended = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._keep, name="ffmpeg's keeper", daemon=True)

    def start_process(self) -> subprocess.Popen[bytes]:
        """Start the process, and return it.

        Raises:
            OSError: it cannot be started.
        """
        try:
            self._thread.start()
        except RuntimeError as error:
            raise OSError(errno.EAGAIN, "there can be no more threads") from error
        self._has_started.wait()
        if self._popen is None:
            self._thread.join()
            raise self._error or OSError(errno.EAGAIN, "the thread that starts it has ended")
        return self._popen

    def end(self) -> None:
        """End the thread, when the process has ended."""
        self._has_ended.set()
        self._thread.join()

    def _keep(self) -> None:
        try:
            confine(self._access)
            self._popen = _spawn(self._argv)
            limit(self._access, self._popen.pid)
        except BaseException as error:  # noqa: BLE001 - it is raised where the process was wanted
            self._error = error
        finally:
            self._has_started.set()
        if self._popen is not None:
            self._has_ended.wait()


class _Owner:
    """The processes that one thread has made, which are killed when it ends.

    The interpreter deletes the values of a thread as a part of its end, before anybody who joins it goes on. The kernel
    could do the same only for the thread that has started the process, which is the keeper.
    """

    def __init__(self) -> None:
        self.processes: weakref.WeakSet[Process] = weakref.WeakSet()

    def __del__(self) -> None:
        for process in list(self.processes):
            process.kill()


_THREAD = threading.local()
"""Holds an ``_Owner`` for each thread that has made a process."""


def _end_with_this_thread(process: Process) -> None:
    if not hasattr(_THREAD, "owner"):
        _THREAD.owner = _Owner()
    _THREAD.owner.processes.add(process)


def _spawn(argv: Sequence[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603 - an argument list, no shell
        bound_to_parent(argv),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=environment() | QUIRKS,
        # In a group of its own: a terminal's Ctrl-C is for the daemon alone, and a kill reaches all that it has
        # started.
        start_new_session=True,
    )


def environment() -> dict[str, str]:
    """Return the environment of processes that open films."""
    return {name: value for name, value in os.environ.items() if not name.startswith(OWN_VARIABLES)}


def processor_seconds(pid: int) -> float:
    """Return the processor seconds a process has computed for; zero when there is none."""
    return _processor_time(pid) * TICK


def _processor_time(pid: int) -> int:
    """Return the clock ticks a process has computed for; zero when there is none."""
    fields = _stat(pid)
    return 0 if fields is None else int(fields[11]) + int(fields[12])


def _stat(pid: int) -> list[str] | None:
    """Return the fields of a process in proc(5), from field 3 of stat on; None when there is none.

    psutil is not used, because its start time counts from the epoch. It changes when the clock is set, and an identity
    that an earlier daemon has written down would not be recognised any more.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    # The name in parentheses may hold anything, spaces and parentheses too.
    return stat.rpartition(")")[2].split()


def bound_to_parent(argv: Sequence[str]) -> list[str]:
    """Return a command line whose process the kernel kills when the thread that starts it ends.

    ``setpriv`` (util-linux) sets the parent-death signal and then becomes the command, for under a millisecond;
    ``preexec_fn`` would force a fork of the whole daemon. Where it is missing, the command runs unbound.
    """
    setpriv = binder()
    return [setpriv, "--pdeathsig", "KILL", "--", *argv] if setpriv else list(argv)


@cache
def binder() -> str | None:
    """Return the path of ``setpriv``; None where it is missing, or cannot set the signal."""
    path = shutil.which("setpriv")
    if path is None:
        return None
    knows = subprocess.run([path, "--pdeathsig", "KILL", "--", "true"], capture_output=True, check=False)  # noqa: S603 - fixed arguments
    return path if knows.returncode == 0 else None
