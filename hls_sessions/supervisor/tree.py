"""The tree of processes that keeps the sessions.

::

    root (rest_for_one)
     ├─ timers            the thread in which timers fire
     ├─ segment watcher   one watchdog observer for all sessions
     ├─ sessions          dynamic; a session each, with a limit of restarts of its own
     ├─ reaper            has overdue sessions look at their time
     ├─ sampler           notes the figures of the moment, for those of the last hour
     └─ janitor           forgets rows that were kept for long enough, clears away directories that nobody owns
"""

from __future__ import annotations

import logging
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hls_sessions.encoding import WatcherServer, lacking
from hls_sessions.errors import SessionEnded, SessionError, SessionNotFound, Unavailable
from hls_sessions.otp import (
    AlreadyStarted,
    Backoff,
    CallTimeout,
    ChildSpec,
    Crash,
    DynamicSupervisor,
    Intensity,
    NoChild,
    NoProcess,
    Restart,
    ServerExited,
    Shutdown,
    StartError,
    Strategy,
    Supervisor,
    TimerServer,
    start_child,
    terminate_child,
    which_children,
)
from hls_sessions.segments import SegmentDirectory, end_processes
from hls_sessions.session import Reconfigure, Transition, end_error
from hls_sessions.session.client import CALL_TIMEOUT
from hls_sessions.supervisor.janitor import SWEEP_NOW, JanitorServer
from hls_sessions.supervisor.periodic import Periodic

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hls_sessions.otp import ChildInfo, ExitReason, Ref, Registry
    from hls_sessions.session import Services, Spec
    from hls_sessions.supervisor.janitor import Sweep
    from hls_sessions.supervisor.sessions import Entry, SessionTable

logger = logging.getLogger(__name__)

SESSIONS = "sessions"
"""The name of the supervisor of the sessions."""

JANITOR = "janitor"
"""The name of the janitor."""

SESSION_INTENSITY = Intensity(restarts=3, seconds=60.0)
"""How often one session's actor may crash; then it alone is given up."""

SESSION_BACKOFF = Backoff(first=0.05, factor=4.0, limit=2.0)

KILL_AFTER = 3.0
"""Seconds an actor may take to end before the next one of its session is started."""

JANITOR_INTENSITY = Intensity(restarts=3, seconds=60.0)

STOPPED = "The supervisor has stopped."
"""The answer to a caller when there are no processes any more."""


LOOK = 2.0
"""Seconds a supervisor may take to list its children."""


@dataclass(frozen=True, slots=True)
class ProcessNode:
    """A process of the tree, by its id in its supervisor, and those that it supervises."""

    id: str
    is_running: bool
    is_restarting: bool
    restarts: int
    """How often it was restarted since its supervisor was started."""
    children: tuple[ProcessNode, ...] = ()


@dataclass(frozen=True, slots=True)
class Chores:
    """The work that is done every so often."""

    remind: Callable[[], None]
    """Reminds the sessions whose time has run out."""
    remind_interval: float
    """Seconds between two reminders."""
    sample: Callable[[], None]
    """Notes the figures of the moment."""
    sample_interval: float
    """Seconds between two samples."""
    sweep: Callable[[], Sweep]
    """Does the janitor's work once."""
    sweep_interval: float
    """Seconds between two sweeps."""


class Tree:
    """All processes, from ``start`` to the end of the root. Any thread may use it."""

    def __init__(
        self, services: Services, entries: SessionTable, registry: Registry, chores: Chores, shutdown_timeout: float
    ) -> None:
        """Prepare a tree.

        Args:
            services: shared by all sessions.
            entries: the sessions that are to exist.
            registry: where their actors are found by name.
            chores: the work of the reaper and the janitor.
            shutdown_timeout: seconds all of it may take to end.
        """
        self.services = services
        """Shared by the sessions that are started from now on; ``reconfigure`` changes it for all."""
        self._table = entries
        self._registry = registry
        self._chores = chores
        self._shutdown_timeout = shutdown_timeout
        self._clearing = ThreadPoolExecutor(1, thread_name_prefix="clearing away")

    def start(self) -> None:
        """Start the processes."""
        services, chores = self.services, self._chores
        self.root: Ref = Supervisor.start(
            [
                ChildSpec("timers", lambda: TimerServer.start_link(services.timers)),
                ChildSpec("segment watcher", lambda: WatcherServer.start_link(services.watcher)),
                ChildSpec(SESSIONS, self._start_sessions, shutdown=None),
                ChildSpec(
                    "reaper", lambda: Periodic.start_link(chores.remind, services.timers, chores.remind_interval)
                ),
                ChildSpec(
                    "sampler", lambda: Periodic.start_link(chores.sample, services.timers, chores.sample_interval)
                ),
                ChildSpec(JANITOR, self._start_janitor, shutdown=1.0, intensity=JANITOR_INTENSITY),
            ],
            strategy=Strategy.REST_FOR_ONE,
            clock=services.clock,
        )

    def stop(self) -> None:
        """End all processes, in the reverse order; kill those that take too long."""
        try:
            self.root.stop(Shutdown(), timeout=self._shutdown_timeout)
        except CallTimeout:
            logger.exception("stopping took over %g s; killing what is left", self._shutdown_timeout)
            self.root.kill()

    def close(self) -> None:
        """Wait until the sessions that were given up are cleared away."""
        self._clearing.shutdown()

    @property
    def is_alive(self) -> bool:
        """Whether it runs."""
        return self.root.is_alive()

    def begin(self, entry: Entry) -> None:
        """Start a session's actor.

        Raises:
            StartError: it did not start.
            Unavailable: there are no processes any more.
        """
        with suppress(AlreadyStarted):  # by a supervisor of the sessions that was restarted meanwhile
            self._ask_sessions(lambda sessions: start_child(sessions, self._child(entry)))

    def open(self, entry: Entry) -> None:
        """Start a session's actor for a caller that opens it; one that does not start is ended.

        Raises:
            SessionError: the session's own error, where it gave one.
            Unavailable: there are no processes any more, or this machine has run out of something.
        """
        try:
            self.begin(entry)
        except BaseException as error:
            cause = start_failure(error)
            entry.fail(f"it could not be started: {cause}")
            self.end(entry)
            if (lacks := lacking(error)) is not None:
                raise Unavailable(f"This machine has run out of {lacks}.") from error
            if cause is error:
                raise
            raise cause from error

    def end(self, entry: Entry) -> None:
        """End a session, and return when everything it used is freed."""
        with suppress(NoChild, Unavailable):  # it has ended by itself, or with all others
            self._ask_sessions(lambda sessions: terminate_child(sessions, entry.spec.session_id))
        self._table.forget(entry, SessionNotFound(entry.spec.session_id))
        self.clear(entry.spec)

    def clear(self, spec: Spec) -> None:
        """Delete the leftovers of a session whose actor could not do so itself."""
        directory = SegmentDirectory(spec.directory)
        end_processes(directory)
        directory.destroy()
        self.services.forget(spec.session_id)

    def reconfigure(self, services: Services) -> None:
        """Have all sessions go by other limits and times from now on."""
        self.services = services
        for entry in self._table.all():
            if (actor := self._registry.whereis(entry.spec.session_id)) is not None:
                actor.send(Reconfigure(services))

    def sweep(self, patience: float) -> Sweep:
        """Have the janitor sweep now, and return that when it is over, within so many seconds.

        Raises:
            Unavailable: the janitor crashed, or took longer.
        """
        try:
            janitor = self._registry.wait_for(JANITOR).get(CALL_TIMEOUT)
            done: Sweep = janitor.call(SWEEP_NOW, patience)
        except (CallTimeout, NoProcess, ServerExited) as error:
            raise Unavailable(f"The janitor did not sweep: {error}.") from error
        return done

    def look(self) -> ProcessNode:
        """Return the processes as they are now.

        Raises:
            Unavailable: there are none any more, or a supervisor does not answer because it waits for a child.
        """
        try:
            children = which_children(self.root, LOOK)
            nodes = tuple(self._node(child) for child in children)
        except (CallTimeout, NoProcess, ServerExited) as error:
            raise Unavailable(f"The processes cannot be looked at: {error}.") from error
        return ProcessNode("root", is_running=True, is_restarting=False, restarts=0, children=nodes)

    # ---- within

    def _node(self, child: ChildInfo) -> ProcessNode:
        below: tuple[ProcessNode, ...] = ()
        if child.id == SESSIONS and child.ref is not None:
            below = tuple(map(self._node, which_children(child.ref, LOOK)))
        return ProcessNode(str(child.id), child.ref is not None, child.restarting, child.restarts, below)

    def _sessions(self) -> Ref:
        """Return the supervisor of the sessions; where it is being restarted, as soon as it is back.

        Raises:
            Unavailable: it will not come back.
        """
        sessions = self._registry.wait_for(SESSIONS)
        watch = self.root.on_exit(lambda *_: sessions.fail(Unavailable(STOPPED)))
        try:
            return sessions.get()
        finally:
            watch.cancel()

    def _ask_sessions(self, ask: Callable[[Ref], object]) -> None:
        """Ask the supervisor of the sessions; ask again when it ended over the question and is being restarted."""
        while True:
            with suppress(NoProcess, ServerExited):
                ask(self._sessions())
                return

    def _start_sessions(self) -> Ref:
        """Start the supervisor of the sessions, with those that were there when an earlier one crashed."""
        services = self.services
        ref = DynamicSupervisor.start_link(clock=services.clock, timers=services.timers, on_give_up=self._gave_up)
        entries = [entry for entry in self._table.all() if not entry.record.state.is_final]
        # All at once, because each may take as long as it may.
        end_together([entry.actor for entry in entries if entry.actor is not None], KILL_AFTER)
        for entry in entries:
            try:
                start_child(ref, self._child(entry))
            except StartError as error:
                self._gave_up(self._child(entry), error.reason)
        self._registry.register(SESSIONS, ref)
        return ref

    def _start_janitor(self) -> Ref:
        ref = JanitorServer.start_link(self._chores.sweep, self._chores.sweep_interval, self.services.timers)
        self._registry.unregister(JANITOR)
        self._registry.register(JANITOR, ref)
        return ref

    def _child(self, entry: Entry) -> ChildSpec:
        return ChildSpec(
            id=entry.spec.session_id,
            start=lambda: self._start_session(entry),
            restart=Restart.TRANSIENT,
            shutdown=self._shutdown_timeout * 0.75,
            intensity=SESSION_INTENSITY,
            backoff=SESSION_BACKOFF,
        )

    def _start_session(self, entry: Entry) -> Ref:
        if (earlier := entry.actor) is not None:
            # Where the supervisor of the sessions was killed, its children may still be clearing up.
            try:
                earlier.wait(KILL_AFTER)
            except CallTimeout:
                earlier.kill()
            if entry.record.state.is_final:
                raise end_error(entry.record)  # it crashed on its way out: there is nothing to come back to
        services = self.services
        ref = entry.actor = entry.server.start_link(entry.spec, services, entry.record)
        if earlier is not None:
            entry.record.came_back(str(earlier.wait(0)))
        ref.on_exit(lambda _, reason: self._session_exited(entry, reason))
        # A killed predecessor may hold the name for a moment longer than its end.
        self._registry.unregister(entry.spec.session_id)
        self._registry.register(entry.spec.session_id, ref)
        if services is not self.services:  # the settings have changed meanwhile
            ref.send(Reconfigure(self.services))
        return ref

    def _session_exited(self, entry: Entry, reason: ExitReason) -> None:
        """Note an actor's end, in the thread that ended: it is restarted after a crash; an end of its own is final."""
        match reason:
            case Shutdown(Transition() as end):
                self._table.forget(entry, end_error(entry.record))
                about = {"session": entry.spec.session_id, "reason": end.reason}
                logger.info("session %s %s: %s", entry.spec.session_id, end.to_state, end.reason, extra=about)
            case Crash(error):
                about = {"session": entry.spec.session_id, "reason": "crashed"}
                logger.warning("session %s crashed: %r", entry.spec.session_id, error, extra=about)
            case _:
                pass

    def _gave_up(self, spec: ChildSpec, reason: ExitReason) -> None:
        """Give up a session that crashed too often."""
        try:
            entry = self._table.find(str(spec.id))
        except (SessionEnded, SessionNotFound):
            return  # it was closed meanwhile
        error = reason.error if isinstance(reason, Crash) else reason
        why = f"its actor crashed too often, the last time with {error!r}"
        if entry.fail(why):
            logger.error("session %s failed: %s", spec.id, why, extra={"session": spec.id, "reason": why})
        self._table.forget(entry, end_error(entry.record))
        self._clearing.submit(self.clear, entry.spec)


def end_together(actors: Sequence[Ref], timeout: float) -> None:
    """Wait until actors have ended, and kill those that have not within ``timeout`` seconds."""
    deadline = time.monotonic() + timeout
    for actor in actors:
        try:
            actor.wait(max(0.0, deadline - time.monotonic()))
        except CallTimeout:
            actor.kill()


def start_failure(error: BaseException) -> BaseException:
    """Return the error of a failed start for the caller that opened: the session's own error where it gave one."""
    if isinstance(error, StartError):
        cause = error.__cause__
        return cause if isinstance(cause, SessionError) else Unavailable(f"The session did not start: {cause}")
    return error
