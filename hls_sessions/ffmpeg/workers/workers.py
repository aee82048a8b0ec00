"""The worker processes of a supervisor: all are forked from one warm parent, and talk over the same kind of channel.

Code that opens files which may be hostile runs in a worker. It may crash or hang there without harm to others.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from hls_sessions.ffmpeg.process import Exit, ProcessId, bound_to_parent, environment
from hls_sessions.ffmpeg.workers.channel import MOST_PAYLOAD, Channel, Message
from hls_sessions.ffmpeg.workers.listener import Listener

if TYPE_CHECKING:
    from collections.abc import Callable

    from hls_sessions.ffmpeg.sandbox import Mode

logger = logging.getLogger(__name__)

PROBE: Final = "hls_sessions.ffmpeg.probing.worker:serve"
READ_SUBTITLES: Final = "hls_sessions.ffmpeg.subtitles.worker:serve"
PACKAGE: Final = "hls_sessions.ffmpeg.packaging.worker:serve"
JUDGE: Final = "hls_sessions.ffmpeg.judging.worker:serve"
RECORD: Final = "hls_sessions.ffmpeg.recording.worker:serve"
PULL: Final = "hls_sessions.ffmpeg.recording.pull:serve"
REMUX: Final = "hls_sessions.ffmpeg.recording.remux:serve"
MAKE_THUMBNAILS: Final = "hls_sessions.ffmpeg.thumbnails.worker:serve"
TASKS: Final = (PROBE, READ_SUBTITLES, PACKAGE, MAKE_THUMBNAILS)
"""The tasks that the warm parent loads before the first request: those of every daemon that plays films."""

PACKET: Final = 65536
"""Bytes that one packet on the control socket may have."""

MOST_HEARD: Final = 1024**2
"""Bytes that a message may have to a callback."""

CLOSING: Final = 5.0
"""Seconds the warm parent may take to end all workers and itself."""


class WorkerFailed(Exception):
    """A worker did not answer: it has ended, it hung, or it sent something else."""


class WorkerErred(WorkerFailed):
    """A worker failed by itself, whatever signal ends it then: it raised an error, or sent something else."""


class Worker:
    """One worker process, as the daemon sees it. Any thread may use it; one at a time may receive."""

    def __init__(
        self,
        channel: Channel,
        kill: Callable[[], object],
        on_start: Callable[[ProcessId | None], object],
        on_exit: Callable[[Exit], object],
    ) -> None:
        self.channel = channel
        """The channel to it."""
        self._kill = kill
        self._on_start, self._on_exit = on_start, on_exit
        self._ended = threading.Event()
        self._exit: Exit | None = None
        self.pid: int | None = None
        """Its process id; None until it has started."""

    def __repr__(self) -> str:
        return f"<Worker [pid {self.pid}, {'runs' if self._exit is None else self._exit}]>"

    @property
    def exit(self) -> Exit | None:
        """How it ended; None while it runs."""
        return self._exit

    def send(self, body: Any, *payload: bytes) -> None:
        """Send a request, and the bytes that go with it. If the worker has ended, the next ``receive`` says so."""
        with suppress(OSError):
            self.channel.send(body, *payload)

    def receive(self, timeout: float | None = None) -> Message:
        """Wait for its next message.

        Raises:
            TimeoutError: no whole message came in ``timeout`` seconds.
            WorkerErred: it sent something that is not a message, or that it crashed.
            WorkerFailed: it has ended.
        """
        try:
            message = self.channel.receive(timeout)
        except TimeoutError:
            raise
        except ValueError as error:
            raise WorkerErred(str(error)) from error
        except (EOFError, OSError) as error:
            raise WorkerFailed(str(error)) from error
        if isinstance(message.body, dict) and "crashed" in message.body:
            logger.error("a worker crashed: %s", message.body["crashed"])
            raise WorkerErred(str(message.body["crashed"]))
        return message

    def ask(self, body: Any, timeout: float, *payload: bytes) -> Message:
        """Send a request and return the answer. A worker that does not answer is killed.

        Raises:
            TimeoutError: no whole answer came in ``timeout`` seconds.
            WorkerFailed: it has ended, or answered with something else.
        """
        self.send(body, *payload)
        try:
            return self.receive(timeout)
        except BaseException:
            self.end()
            raise

    def kill(self) -> None:
        """Have it killed. A thread that waits in ``receive`` gets WorkerFailed."""
        self._kill()

    def end(self) -> None:
        """Kill it, and return when it is gone and its channel is closed."""
        self.kill()
        self.wait(CLOSING)
        self.close()

    def wait(self, timeout: float | None = None) -> Exit | None:
        """Wait up to ``timeout`` seconds until it has ended, and return how; None when it still runs."""
        self._ended.wait(timeout)
        return self._exit

    def close(self) -> None:
        """Close the channel. A worker that is not killed ends by itself when it looks for the next message."""
        self.channel.close()

    # ---- for Workers

    def has_started(self, pid: int) -> None:
        """Note its process."""
        self.pid = pid
        try:
            self._on_start(ProcessId.of(pid))
        except OSError as error:
            # A process that no later daemon could find after a crash must not run.
            logger.warning("worker %d could not be written down: %s", pid, error.strerror or error)
            self.kill()

    def has_ended(self, how: Exit) -> None:
        """Note how it ended."""
        if self._exit is None:
            self._exit = how
            self._ended.set()
            self._on_exit(how)


class Workers:
    """Starts workers. Any thread may use it, between the first ``start`` and ``close``."""

    def __init__(self, sandbox: Mode = "try") -> None:
        """Make workers whose tasks confine themselves to what they need, unless the sandbox is ``off``."""
        self.confined = sandbox != "off"
        """Whether a task is to confine itself before it opens a film. It is told so with the film."""
        self._parent: _Parent | None = None
        self._listener: Listener | None = None
        self._lock = threading.Lock()
        self._closed = False

    def warm_up(self) -> None:
        """Start the warm parent, so that the first worker need not wait for it. Does not wait itself."""
        with self._lock:
            self._warm_parent()
            self._listener = self._listener or Listener()

    def start(self, task: str) -> Worker:
        """Start a worker for a task, spelled as an entry point; return at once. Messages sent meanwhile reach it.

        Raises:
            WorkerFailed: these workers are closed.
            OSError: there are no descriptors or threads left.
        """
        with self._lock:
            return self._warm_parent().start(task)

    def start_heard(
        self,
        task: str,
        on_start: Callable[[ProcessId | None], None],
        on_message: Callable[[Message], None],
        on_exit: Callable[[Exit], None],
    ) -> Worker:
        """Start a worker whose messages go to callbacks, in a thread that serves all such workers.

        The callbacks must be quick. ``on_exit`` is called once, and last.

        Raises:
            WorkerFailed: these workers are closed.
            OSError: there are no descriptors or threads left.
        """
        with self._lock:
            self._listener = self._listener or Listener()
            heard = _Heard(on_message, on_exit)
            worker = self._warm_parent().start(task, on_start, heard.has_ended, most=MOST_HEARD)
            self._listener.listen(worker.channel, heard.message, lambda: heard.has_hung_up(worker))
            return worker

    def close(self) -> None:
        """End all workers and their parent, and return when they are gone. May be called again."""
        with self._lock:
            self._closed = True
            parent, self._parent = self._parent, None
            listener, self._listener = self._listener, None
        if parent is not None:
            parent.close()
        if listener is not None:
            listener.close()

    def _warm_parent(self) -> _Parent:
        if self._closed:
            raise WorkerFailed("The workers are closed.")
        if self._parent is None or self._parent.has_ended:
            self._parent = _Parent()
        return self._parent


class _Heard:
    """Joins the end of a worker's channel and the end of its process, whichever comes first."""

    def __init__(self, on_message: Callable[[Message], None], on_exit: Callable[[Exit], None]) -> None:
        self.message = on_message
        self._on_exit = on_exit
        self._has_hung_up = False
        self._exit: Exit | None = None
        self._lock = threading.Lock()

    def has_hung_up(self, worker: Worker) -> None:
        worker.kill()  # it may have sent something that is not a message
        worker.close()
        with self._lock:
            self._has_hung_up = True
            exit_ = self._exit
        if exit_ is not None:
            self._on_exit(exit_)

    def has_ended(self, how: Exit) -> None:
        with self._lock:
            self._exit = how
            has_hung_up = self._has_hung_up
        if has_hung_up:
            self._on_exit(how)


def _ignore(_: object) -> None:
    """Do nothing: a caller that waits for the worker's answers gets its end there."""


class _Parent:
    """One warm parent's process, and the thread that listens to it.

    The thread also starts the process, because that ends with the thread that started it (see ``bound_to_parent``).
    """

    def __init__(self) -> None:
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._workers: dict[int, Worker] = {}
        self._numbers = count(1)
        self._lock = threading.Lock()
        self.has_ended = False
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._listen, args=(theirs,), name="workers", daemon=True)
        try:
            self._thread.start()
        except RuntimeError as error:  # there are as many threads as there may be
            self._control.close()
            theirs.close()
            raise OSError(errno.EAGAIN, str(error)) from error

    def start(
        self,
        task: str,
        on_start: Callable[[ProcessId | None], object] = _ignore,
        on_exit: Callable[[Exit], object] = _ignore,
        most: int = MOST_PAYLOAD,
    ) -> Worker:
        number = next(self._numbers)
        ours, theirs = socket.socketpair()
        worker = Worker(Channel(ours, most), lambda: self._send({"kill": number}), on_start, on_exit)
        with self._lock:
            self._workers[number] = worker
        with theirs:
            if not self._send({"start": number, "task": task}, theirs.fileno()):
                self._all_ended()
        return worker

    def close(self) -> None:
        with suppress(OSError):
            self._control.shutdown(socket.SHUT_RDWR)
        self._thread.join(CLOSING)
        if self._thread.is_alive() and self._process is not None:
            self._process.kill()  # its workers go with it
            self._thread.join()

    def _send(self, what: dict[str, Any], *descriptors: int) -> bool:
        """Send a packet; False when the process has ended."""
        try:
            socket.send_fds(self._control, [json.dumps(what).encode()], descriptors)
        except OSError:
            return False
        return True

    def _listen(self, theirs: socket.socket) -> None:
        try:
            with theirs:
                self._process = self._spawn(theirs)
            while data := self._control.recv(PACKET):
                self._heard(json.loads(data))
        except OSError as error:
            logger.warning("the workers' parent: %s", error.strerror or error)
        finally:
            self.has_ended = True
            self._control.close()
            if self._process is not None:
                self._process.wait()
            self._all_ended()

    @staticmethod
    def _spawn(theirs: socket.socket) -> subprocess.Popen[bytes]:
        # -P: nothing is to be imported from the folder the daemon happens to be started in.
        search = [str(Path(__file__).parents[3]), os.environ.get("PYTHONPATH", "")]
        module = [sys.executable, "-P", "-m", "hls_sessions.ffmpeg.workers.parent"]
        return subprocess.Popen(  # noqa: S603 - our own module, no shell
            bound_to_parent([*module, str(theirs.fileno()), *TASKS]),
            env=environment() | {"PYTHONPATH": os.pathsep.join(filter(None, search))},
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def _heard(self, what: dict[str, Any]) -> None:
        match what:
            case {"started": number, "pid": pid}:
                with self._lock:
                    worker = self._workers[number]
                worker.has_started(pid)
            case {"ended": number, "code": code, "seconds": seconds, "log": log}:
                with self._lock:
                    worker = self._workers.pop(number)
                worker.has_ended(Exit(code, tuple(log), seconds))

    def _all_ended(self) -> None:
        """Note that the workers have gone with their parent: they are killed by the kernel."""
        with self._lock:
            workers, self._workers = self._workers, {}
        for worker in workers.values():
            worker.has_ended(Exit(-signal.SIGKILL, ("the process it was forked from has ended",)))
