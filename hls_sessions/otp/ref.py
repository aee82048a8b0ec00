"""The address of a server, by which it is asked, told, watched and ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hls_sessions.otp.errors import CallingSelf, CallTimeout
from hls_sessions.otp.messages import Cast, Envelope, Stop
from hls_sessions.otp.process import Process, Watch, current
from hls_sessions.otp.reasons import KILL, NORMAL, ExitReason, Kill
from hls_sessions.otp.reply import Reply
from hls_sessions.otp.shield import shielded

if TYPE_CHECKING:
    from collections.abc import Callable


class Ref:
    """The address of one server. It outlives the server, and is never given to another.

    Every method may be called from any thread and any event loop. Those that wait say so, and take a bound in
    seconds (None for no bound); the others return at once. There is one Ref for each server, so refs compare
    by identity.
    """

    def __init__(self, process: Process) -> None:
        self.process = process
        """For this package only."""

    def __repr__(self) -> str:
        return f"<Ref {self.process.name}>"

    def call(self, request: Any, timeout: float | None = 5.0) -> Any:
        """Ask, and wait for the answer.

        Raises:
            CallTimeout: if the answer took longer than `timeout` seconds; it is then no longer waited for
            NoProcess: if the server was dead before it was asked
            ServerExited: if the server ended before it had answered
            CallingSelf: if the server calls itself
            Exception: the error with which the server refused, see `GenServer.refusals`

        """
        self._refuse_own_thread()
        reply = self.ask(request)
        try:
            return reply.get(timeout)
        except CallTimeout:
            reply.cancel()
            raise CallTimeout(f"the answer of {self} to {request!r}", timeout) from None

    @shielded
    def ask(self, request: Any) -> Reply[Any]:
        """Ask, and return the reply, to be awaited or got. It fails with the errors that `call` raises."""
        reply: Reply[Any] = Reply()
        self.process.inbox.put(Envelope(request, reply_to=reply))
        return reply

    @shielded
    def peek(self) -> Any:
        """Return the result of the server's `handle_peek`, called in this thread; None if the server is busy or dead.

        All that was sent to the server before has been handled by then, so this returns the same as a call. It
        wakes no thread, so that a thousand idle servers are listed in a tenth of the time.
        """
        handle_peek = self.process.handle_peek
        return None if handle_peek is None else self.process.inbox.while_idle(handle_peek)

    @shielded
    def cast(self, message: Any) -> None:
        """Send a message to `handle_cast`. Nothing tells whether it arrived, and a dead server is no error."""
        self.process.inbox.put(Envelope(Cast(message)))

    @shielded
    def send(self, message: Any) -> None:
        """Send a message to `handle_info`. A dead server is no error."""
        self.process.inbox.put(Envelope(message))

    def is_alive(self) -> bool:
        """Tell whether the server has not ended yet. It may end any time after."""
        return self.process.reason is None

    def stop(self, reason: ExitReason = NORMAL, timeout: float | None = 5.0) -> None:
        """Have the server end once it has handled all earlier messages, and wait until it is gone.

        When this returns, `terminate` has run, the names of the server are free, and links and monitors have got their
        signals. A caller that stops a server which is ending already waits just as long.

        Raises:
            CallTimeout: if that took longer than `timeout` seconds; the server still ends, when it can
            CallingSelf: if a server calls this for itself; it uses `GenServer.stop`

        """
        self._refuse_own_thread()
        self.send(Stop(reason))
        self.wait(timeout)

    @shielded
    def exit(self, reason: ExitReason | Kill) -> None:
        """Send an exit signal, as Erlang's `exit/2` does.

        - KILL ends the server at once, as `kill` does.
        - A server that traps exits gets an Exit message; one from its parent ends it.
        - NORMAL is ignored by a server that does not trap exits.
        - Anything else ends the server: it finishes the callback it is in, runs `terminate` and leaves its
          other messages unhandled.
        """
        self.process.signal(current(), reason)

    def kill(self) -> None:
        """End the server at once, whatever it is doing, and without its `terminate`.

        When this returns, every caller that waited has its error, the server's names are free, and links and monitors
        have got KILLED. All that the server still does with this package is ignored: it cannot answer, and it gets
        KillSignal when it tries to send.

        Its thread may live longer, because a Python thread cannot be killed, only asked to end:

        - if it waits in this package it is woken;
        - if it runs Python code, KillSignal is raised in it within milliseconds;
        - if it is blocked in a system call or in C code, it goes on until that returns;
        - if it is in a finalizer, Python swallows the signal and reports it as unraisable.

        Locks of this package are safe from the signal. Others are not, such as those of `logging`: the signal may
        arrive after one was taken and before the code that would release it. So a kill is for servers that do not end
        when they are told to, which is how supervisors use it.
        """
        self.exit(KILL)

    def on_exit(self, callback: Callable[[Ref, ExitReason], None]) -> Watch:
        """Have `callback(ref, reason)` called once when the server ends; at once if it has ended.

        It runs in the thread that ends the server, so it should be quick. If it raises, that is logged.
        Cancel the returned watch to remove the callback.
        """
        watch = Watch(self.process, lambda reason: callback(self, reason))
        self.process.watch(watch)
        return watch

    def wait(self, timeout: float | None = None) -> ExitReason:
        """Wait until the server is gone, as `stop` does, and return why it ended.

        Raises:
            CallTimeout: if that took longer than `timeout` seconds
            CallingSelf: if a server waits for itself

        """
        self._refuse_own_thread()
        try:
            return self.process.gone.get(timeout)
        except CallTimeout:
            raise CallTimeout(f"the end of {self}", timeout) from None

    def _refuse_own_thread(self) -> None:
        if current() is self.process:
            raise CallingSelf(self)
