"""The warm parent: ``python -P -m hls_sessions.ffmpeg.workers.parent FD TASK…``.

It has libav loaded, no thread and no film open, and forks a worker process on request. That takes a few
milliseconds, where a new interpreter that imports PyAV takes two hundred. A request is a packet of JSON on the control
socket ``FD``:

- ``{"start": 7, "task": "package.module:function"}``, with one end of a socket pair: fork a worker that calls the
  function with a Channel on that socket. Answered with ``{"started": 7, "pid": …}``.
- ``{"kill": 7}``: kill that worker, and all that it has started.

When a worker has ended, the parent reports it: ``{"ended": 7, "code": …, "seconds": …, "log": […]}``. Only the process
that reaps a child can kill it without the risk that its pid is another's by then, so the daemon asks for kills too.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NoReturn

from hls_sessions.ffmpeg.sandbox import support
from hls_sessions.ffmpeg.workers.channel import Channel

if TYPE_CHECKING:
    from collections.abc import Callable

PR_SET_PDEATHSIG = 1
"""prctl(2): the signal to get when the parent ends."""

PACKET = 65536
"""Bytes that one packet on the control socket may have."""

LIBC = ctypes.CDLL(None, use_errno=True)


class Parent:
    """The workers that run, and the loop that starts, kills and reaps them."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._pids: dict[int, int] = {}
        """The pid of each worker, by the number it was started under."""
        # A signal makes this pipe readable, so that the loop waits for a child's end and for a request in one place.
        self._signals, self._wakeup = os.pipe()
        os.set_blocking(self._wakeup, False)
        signal.set_wakeup_fd(self._wakeup, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)

    def run(self) -> None:
        """Serve until the daemon closes the control socket; then end all workers."""
        ready = select.poll()
        ready.register(self._control, select.POLLIN)
        ready.register(self._signals, select.POLLIN)
        while True:
            for descriptor, _ in ready.poll():
                if descriptor == self._signals:
                    os.read(self._signals, PACKET)
                elif not self._hear():
                    self._kill_all()
                    return
            self._reap()

    def _hear(self) -> bool:
        """Carry out the request of one packet; return False when there will be no more."""
        try:
            data, descriptors, _, _ = socket.recv_fds(self._control, PACKET, 1)
        except OSError:
            return False
        if not data:
            return False
        match json.loads(data):
            case {"start": number, "task": task} if not descriptors:
                self._did_not_start(number, "there are no file descriptors left")
            case {"start": number, "task": task}:
                with socket.socket(fileno=descriptors[0]) as end:
                    self._start(number, task, end)
            case {"kill": number} if number in self._pids:
                with suppress(ProcessLookupError):
                    os.killpg(self._pids[number], signal.SIGKILL)
        return True

    def _start(self, number: int, task: str, end: socket.socket) -> None:
        parent = os.getpid()
        try:
            pid = os.fork()
        except OSError as error:
            self._did_not_start(number, f"it could not be forked ({error.strerror})")
            return
        if pid == 0:
            self._become_worker(parent, task, end)
        with suppress(OSError):  # the child does it too: so it is done before a kill is asked for, whichever runs first
            os.setpgid(pid, pid)
        self._pids[number] = pid
        self._say({"started": number, "pid": pid})

    def _did_not_start(self, number: int, why: str) -> None:
        """Report a worker that could not be started as killed, because that says nothing about its work."""
        self._say({"ended": number, "code": -signal.SIGKILL, "seconds": 0.0, "log": [why]})

    def _become_worker(self, parent: int, task: str, end: socket.socket) -> NoReturn:
        """Be a worker, from the fork to the end of the process."""
        code = 1
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
            if os.getppid() == parent:  # else it has ended before that was asked for
                os.setpgid(0, 0)
                self._control.close()
                os.close(self._signals)
                os.close(self._wakeup)
                channel = Channel(end)
                try:
                    function_of(task)(channel)
                    code = 0
                except EOFError:
                    code = 0  # the daemon has closed the channel
                except BaseException as error:  # noqa: BLE001 - it is the daemon's to judge
                    channel.send({"crashed": repr(error)})
        finally:
            os._exit(code)

    def _reap(self) -> None:
        """Say of each worker that has ended how it did."""
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            [number] = [number for number, known in self._pids.items() if known == pid]
            del self._pids[number]
            code, seconds = os.waitstatus_to_exitcode(status), usage.ru_utime + usage.ru_stime
            self._say({"ended": number, "code": code, "seconds": seconds, "log": []})

    def _kill_all(self) -> None:
        for pid in self._pids.values():
            with suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
        for pid in self._pids.values():
            with suppress(ChildProcessError):
                os.waitpid(pid, 0)

    def _say(self, what: dict[str, Any]) -> None:
        with suppress(OSError):  # the daemon is gone, which the loop will hear of
            self._control.send(json.dumps(what).encode())


def function_of(task: str) -> Callable[[Channel], None]:
    """Return the function of a task, which is spelled as an entry point: ``package.module:function``."""
    module, _, name = task.partition(":")
    function: Callable[[Channel], None] = getattr(importlib.import_module(module), name)
    return function


def main() -> None:
    """Load the tasks, and serve."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    control = socket.socket(fileno=int(sys.argv[1]))
    for task in sys.argv[2:]:
        function_of(task)
    # Objects that exist now are never collected, because looking at them would copy their pages in every worker.
    support()  # its thread must have ended before anything is forked
    gc.collect()
    gc.freeze()
    Parent(control).run()


if __name__ == "__main__":
    main()
