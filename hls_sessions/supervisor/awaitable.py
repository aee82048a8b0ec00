"""The supervisor and its sessions for coroutines: awaitable twins of all methods that wait.

What waits for a session's actor is awaited without a thread, so a thousand viewers who wait cost none. What waits for a
disk or for processes runs in a thread of the supervisor's own, of which there are ``THREADS``.
"""

from __future__ import annotations

import asyncio
import functools
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, Concatenate, Final, ParamSpec, TypeVar

from hls_sessions.session import CALL_TIMEOUT, Session
from hls_sessions.supervisor.supervisor import Supervisor

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator
    from pathlib import Path
    from types import TracebackType
    from typing import Self

    from hls_sessions.otp import Reply
    from hls_sessions.session import SessionInfo, Snapshot

P = ParamSpec("P")
T = TypeVar("T")

THREADS: Final = 64
"""Calls of one supervisor that may wait for a disk or for processes at once."""


def _twin(
    method: Callable[Concatenate[Supervisor, P], T],
) -> Callable[Concatenate[AsyncSupervisor, P], Coroutine[Any, Any, T]]:
    """Return a coroutine function that calls a method of the supervisor in a thread."""

    async def twin(self: AsyncSupervisor, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self.run(functools.partial(method, self.supervisor, *args, **kwargs))

    functools.update_wrapper(twin, method)
    return twin


class AsyncSupervisor:
    """A supervisor whose waiting methods are coroutines. Use it with ``async with``, or ``start`` and ``stop`` it.

    It takes the arguments of ``Supervisor``, which it owns: ``supervisor`` is that one, for ``create_app`` and for the
    methods that do not wait.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Prepare a supervisor, which raises as ``Supervisor`` does."""
        self.supervisor = Supervisor(*args, **kwargs)
        self._threads: ThreadPoolExecutor | None = None
        """Begun by the first call, and ended by ``stop``."""

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.shield(self.stop())

    def __repr__(self) -> str:
        return f"<Async{repr(self.supervisor)[1:]}"

    start = _twin(Supervisor.start)
    wind_down = _twin(Supervisor.wind_down)
    reconfigure = _twin(Supervisor.reconfigure)
    record = _twin(Supervisor.record)
    recordings = _twin(Supervisor.recordings)
    recording = _twin(Supervisor.recording)
    recording_files = _twin(Supervisor.recording_files)
    export_recording = _twin(Supervisor.export_recording)
    delete_recording = _twin(Supervisor.delete_recording)
    close = _twin(Supervisor.close)
    stop_many = _twin(Supervisor.stop_many)
    pause_many = _twin(Supervisor.pause_many)
    update_many = _twin(Supervisor.update_many)
    history = _twin(Supervisor.history)
    browse = _twin(Supervisor.browse)
    thumbnail = _twin(Supervisor.thumbnail)
    probe = _twin(Supervisor.probe)
    processes = _twin(Supervisor.processes)
    stats = _twin(Supervisor.stats)
    health = _twin(Supervisor.health)
    metrics = _twin(Supervisor.metrics)
    tidy = _twin(Supervisor.tidy)

    async def stop(self) -> None:
        """Stop, and return when no process and no thread is left; as ``Supervisor.stop``."""
        await self.run(self.supervisor.stop)
        if self._threads is not None:
            self._threads.shutdown(wait=False)
            self._threads = None

    async def open(
        self,
        media: str | Path,
        user: str | None = None,
        *,
        start_at: float = 0.0,
        idle_timeout: float | None = None,
        share: bool = True,
        prepare: bool | None = None,
    ) -> AsyncSession:
        """Open a file for a viewer, and return their session; as ``Supervisor.open``."""
        call = functools.partial(
            self.supervisor.open,
            media,
            user,
            start_at=start_at,
            idle_timeout=idle_timeout,
            share=share,
            prepare=prepare,
        )
        return AsyncSession(self, await self.run(call))

    async def open_recording(
        self,
        recording_id: str,
        user: str | None = None,
        *,
        start_at: float = 0.0,
        idle_timeout: float | None = None,
        share: bool = True,
        prepare: bool | None = None,
    ) -> tuple[AsyncSession, bool]:
        """Return a session in which a recording can be watched, and whether it is new; as the supervisor does."""
        call = functools.partial(
            self.supervisor.open_recording,
            recording_id,
            user,
            start_at=start_at,
            idle_timeout=idle_timeout,
            share=share,
            prepare=prepare,
        )
        session, is_new = await self.run(call)
        return AsyncSession(self, session), is_new

    async def resume(self, snapshot: Snapshot) -> AsyncSession:
        """Resume from a snapshot; as ``Supervisor.resume``."""
        return AsyncSession(self, await self.run(functools.partial(self.supervisor.resume, snapshot)))

    async def find(self, session_id: str) -> AsyncSession:
        """Return a session; as ``Supervisor.find``, which waits for one of an earlier daemon."""
        return AsyncSession(self, await self.run(functools.partial(self.supervisor.find, session_id)))

    def sessions(self, user: str | None = None) -> list[AsyncSession]:
        """Return all sessions, or one user's, the oldest first. Does not wait."""
        return [AsyncSession(self, session) for session in self.supervisor.sessions(user)]

    async def run(self, call: Callable[[], T]) -> T:
        """Run a call that waits in a thread, and return its result."""
        if self._threads is None:
            self._threads = ThreadPoolExecutor(THREADS, "hls_sessions")
        context = copy_context()
        return await asyncio.get_running_loop().run_in_executor(self._threads, functools.partial(context.run, call))


class AsyncSession:
    """One session, whose waiting methods are coroutines. ``session`` is the session itself, which has all the rest."""

    def __init__(self, supervisor: AsyncSupervisor, session: Session) -> None:
        self.session = session
        self._supervisor = supervisor

    def __repr__(self) -> str:
        return f"<Async{repr(self.session)[1:]}"

    @property
    def id(self) -> str:
        """The session's id: a random UUID, and the right to watch."""
        return self.session.id

    @property
    def user(self) -> str | None:
        """The user who opened it; None for a session that is not shared."""
        return self.session.user

    async def master_playlist(self) -> str:
        """Return the master playlist. Counts as activity."""
        return await self._supervisor.run(self.session.master_playlist)

    async def media_playlist(self, rendition: str) -> str:
        """Return a rendition's playlist. Counts as activity; raises as ``Session.media_playlist``."""
        return await self._supervisor.run(functools.partial(self.session.media_playlist, rendition))

    async def segment(self, rendition: str, segment: int) -> Path:
        """Return the file of a segment, as soon as it is there; raises as ``Session.segment``.

        It has no limit of its own: use ``asyncio.timeout``. A task that is cancelled while it waits no longer counts as
        a viewer.
        """
        if (path := self.session.published(rendition, segment)) is not None:
            return path
        return await self.session.ask_segment(rendition, segment)

    async def init(self, rendition: str) -> Path:
        """Return the file of a rendition's init segment; like ``segment``."""
        return await self.session.ask_init(rendition)

    async def info(self) -> SessionInfo:
        """Return the session as it is now. Counts as activity."""
        return await self._soon(self.session.ask_info())

    async def heartbeat(self) -> None:
        """Say that the viewer is still there."""
        await self._soon(self.session.ask_heartbeat())

    async def pause(self, position: float | None = None) -> Snapshot:
        """Stop its encoders; as ``Session.pause``."""
        return await self._soon(self.session.ask_pause(position))

    async def resume(self, snapshot: Snapshot | None = None) -> SessionInfo:
        """Go on; as ``Session.resume``."""
        return await self._soon(self.session.ask_resume(snapshot))

    async def export(self, to: Path, **chosen: Any) -> Path:
        """Write the whole film to one MP4 file; as ``Session.export``, in a thread."""
        return await self._supervisor.run(functools.partial(self.session.export, to, **chosen))

    async def stop(self) -> None:
        """End the session, and return when its encoders and files are gone. Does nothing if it has ended."""
        await self._supervisor.run(self.session.stop)

    @contextmanager
    def subscribed(self) -> Iterator[None]:
        """Count as a subscriber, which keeps the session from expiring, until the block is left."""
        with self.session.subscribed():
            yield

    async def _soon(self, reply: Reply[T]) -> T:
        try:
            async with asyncio.timeout(CALL_TIMEOUT):
                return await reply
        except TimeoutError as error:
            raise self.session.did_not_answer() from error
