"""The state of one server that all threads share: whether it lives, its links and monitors, its pending replies."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hls_sessions.otp.errors import ServerExited
from hls_sessions.otp.messages import WAKE, Down, DownSignal, Envelope, Exit, Monitor
from hls_sessions.otp.reasons import KILLED, NO_PROCESS, NORMAL, ExitReason, Kill
from hls_sessions.otp.reply import Reply
from hls_sessions.otp.shield import Shield, shielded

if TYPE_CHECKING:
    from collections.abc import Callable

    from hls_sessions.otp.address import Address
    from hls_sessions.otp.inbox import Inbox

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class Watch:
    """A callback that is called once, with the reason, when a process ends."""

    process: Process
    callback: Callable[[ExitReason], None]

    def cancel(self) -> None:
        """Do not call back any more. A call that has begun goes on."""
        self.process.unwatch(self)

    def notify(self, reason: ExitReason) -> None:
        """Call back. An error is logged only, because the other watches must be notified too."""
        try:
            self.callback(reason)
        except BaseException:
            logger.exception("a callback on the end of %s raised", self.process.ref)


class Process:
    """The part of a server that all threads share. Every method may be called from any thread.

    The end is one step, `end`. Its first caller wins: the server's thread after `terminate`, or the killer. From then
    on the inbox is closed, and all that the thread might still do is ignored.

    All that depends on the end (links, monitors, names) uses one hook, `watch`.
    """

    ref: Address
    """How messages and errors name this server. The server sets it, once and before it starts."""

    def __init__(self, name: str, inbox: Inbox, *, trap_exits: bool) -> None:
        self.name = name
        self.inbox = inbox
        self.trap_exits = trap_exits
        self.shield = Shield()
        self.handle_peek: Callable[[], Any] | None = None
        """The server's callback for `Ref.peek`, until it ends."""
        self.parent: Process | None = None
        self.reason: ExitReason | None = None
        self.exit_requested: ExitReason | None = None
        """Why the server is to end after the callback it is in: the first exit signal that was not ignored."""
        self.gone: Reply[ExitReason] = Reply()
        self.in_hand: Reply[Any] | None = None
        self._deferred: set[Reply[Any]] = set()
        self._watches: dict[Watch, None] = {}
        self._links: dict[Process, Watch] = {}
        self._monitors: dict[Monitor, Watch] = {}
        self._lock = threading.Lock()

    def attach_to_thread(self) -> None:
        """Make the calling thread that of this process, once and for all."""
        _local.process = self
        self.shield.install()

    @shielded
    def end(self, reason: ExitReason) -> bool:
        """End for all other threads. Returns False if it had ended already."""
        with self._lock:
            if self.reason is not None:
                return False
            self.reason = reason
        self.inbox.close(self.ref, reason)
        self.handle_peek = None  # or a ref, which outlives its server, would keep the state of the server alive
        self._fail_pending(reason)
        for watch in list(self._watches):
            watch.notify(reason)
        for watch in [*self._links.values(), *self._monitors.values()]:
            watch.cancel()
        for references in (self._watches, self._links, self._monitors):
            references.clear()
        self.gone.set(reason)
        return True

    @shielded
    def kill(self) -> None:
        """End at once as KILLED, and have KillSignal raised in the thread as soon as possible."""
        if self.end(KILLED):
            self.shield.kill()
            logger.warning("%s was killed", self.ref)

    # ---- exit signals

    def signal(self, source: Process | None, reason: ExitReason | Kill) -> None:
        """Take an exit signal, by the rules of Erlang's `exit/2`, and those of gen_server for a signal of the parent.

        See https://www.erlang.org/doc/system/ref_man_processes.html#receiving-exit-signals.
        """
        if isinstance(reason, Kill):
            self.kill()
        elif self.trap_exits and (source is None or source is not self.parent):
            self.inbox.put(Envelope(Exit(None if source is None else source.ref, reason)))
        elif self.trap_exits or reason is not NORMAL:
            self._request_exit(reason)

    def _request_exit(self, reason: ExitReason) -> None:
        # A signal overtakes the messages: the server ends after the callback it is in, and leaves the other messages
        # unhandled.
        with self._lock:
            self.exit_requested = self.exit_requested or reason
        self.inbox.put(WAKE)

    # ---- watches, links, monitors

    @shielded
    def watch(self, watch: Watch) -> None:
        """Have the watch notified when this process ends; at once, by the calling thread, if it has ended."""
        with self._lock:
            if self.reason is None:
                self._watches[watch] = None
                return
        watch.notify(self.reason)

    @shielded
    def unwatch(self, watch: Watch) -> None:
        """Do not notify this watch any more."""
        with self._lock:
            if self.reason is None:
                self._watches.pop(watch, None)

    @shielded
    def link(self, peer: Process) -> None:
        """Have each of the two get an exit signal when the other ends. A second link changes nothing."""
        if peer.reason is not None:
            self.signal(peer, NO_PROCESS)
        elif peer not in self._links:
            self._add_link(peer)
            peer._add_link(self)

    @shielded
    def unlink(self, peer: Process) -> None:
        """Remove a link, from either side. An Exit that is in the inbox already stays there."""
        self._remove_link(peer)
        peer._remove_link(self)

    @shielded
    def link_child(self, child: Process) -> None:
        """Link to a child, as its parent if it has none. If it ended already, get the exit signal with its reason."""
        child.parent = child.parent or self
        if child not in self._links:
            self._add_link(child)
            child._add_link(self)

    def _add_link(self, peer: Process) -> None:
        def peer_ended(reason: ExitReason) -> None:
            self._links.pop(peer, None)
            self.signal(peer, reason)

        self._links[peer] = watch = Watch(peer, peer_ended)
        peer.watch(watch)
        if self.reason is not None:
            # This process ended meanwhile. Its watch would stay for as long as the peer lives.
            self._remove_link(peer)

    def _remove_link(self, peer: Process) -> None:
        if (watch := self._links.pop(peer, None)) is not None:
            watch.cancel()

    @shielded
    def monitor(self, monitor: Monitor, peer: Process) -> None:
        """Get one Down for this monitor when the peer ends."""

        def peer_ended(reason: ExitReason) -> None:
            self.inbox.put(Envelope(DownSignal(Down(monitor, peer.ref, reason))))

        self._monitors[monitor] = watch = Watch(peer, peer_ended)
        if peer.reason is None:
            peer.watch(watch)
        else:
            peer_ended(NO_PROCESS)

    @shielded
    def demonitor(self, monitor: Monitor) -> bool:
        """Remove a monitor. Returns False if it was removed before."""
        watch = self._monitors.pop(monitor, None)
        if watch is not None:
            watch.cancel()
        return watch is not None

    # ---- pending replies

    @shielded
    def defer(self, reply: Reply[Any]) -> None:
        """Keep a reply that will be set later, so that the end of this process can fail it otherwise."""
        self._deferred.add(reply)
        reply.add_done_callback(self._deferred.discard)
        if self.reason is not None:
            self._fail_pending(self.reason)

    def _fail_pending(self, reason: ExitReason) -> None:
        for reply in [self.in_hand, *self._deferred]:
            if reply is not None:
                reply.fail(ServerExited(self.ref, reason, in_hand=reply is self.in_hand))


class _ThreadLocal(threading.local):
    process: Process | None = None


_local = _ThreadLocal()


def current() -> Process | None:
    """Return the process of the calling thread, or None if the thread is not that of a server."""
    return _local.process
