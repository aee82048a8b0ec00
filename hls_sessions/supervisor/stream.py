"""The events of one session, or of all, for one reader in an event loop."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING

from hls_sessions.session import Ended

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection

    from hls_sessions.session import Event

LIMIT = 1000
"""Events that may wait for a reader. A slower reader is cut off, and has to come back for the current state."""


class Stream:
    """Events to iterate over, until the session ends, the supervisor stops, or the reader is too slow.

    Make it in the loop that reads it. Any thread may put events in.
    """

    def __init__(self, session_id: str | None, limit: int = LIMIT, *, kinds: Collection[str] | None = None) -> None:
        """Listen to one session, or to all (None); to events of these names, or to all (None)."""
        self.stopping = False
        """Whether it was told to end because the supervisor stops."""
        self.session_id = session_id
        """The session whose events they are; None for those of all."""
        self._kinds = kinds
        self._limit = limit
        self._loop = asyncio.get_running_loop()
        self._events: deque[Event] = deque()
        self._over = False
        self._changed = asyncio.Event()

    def __repr__(self) -> str:
        return f"<Stream of {self.session_id or 'all'} [{len(self._events)} waiting]>"

    async def __aiter__(self) -> AsyncIterator[Event]:
        """Yield the events in order."""
        while True:
            while self._events:
                yield self._events.popleft()
            if self._over:
                return
            self._changed.clear()
            await self._changed.wait()

    def put(self, event: Event) -> None:
        """Add an event if it is of this stream. Never waits."""
        if self.session_id in {None, event.session_id} and (self._kinds is None or event.name in self._kinds):
            self._call(self._arrive, event)

    def end(self) -> None:
        """End the stream, because the supervisor stops."""
        self._call(self._stop)

    def part(self) -> None:
        """End the stream, because its session goes on elsewhere."""
        self._call(self._part)

    def _call(self, callback: object, *arguments: object) -> None:
        with suppress(RuntimeError):  # the loop was closed, and nobody reads there any more
            self._loop.call_soon_threadsafe(callback, *arguments)  # type: ignore[arg-type] # its own two methods

    def _arrive(self, event: Event) -> None:
        if self._over:
            return
        if len(self._events) >= self._limit:
            self._events.clear()
            self._over = True
        else:
            self._events.append(event)
            self._over = isinstance(event, Ended) and self.session_id is not None
        self._changed.set()

    def _part(self) -> None:
        self._over = True
        self._changed.set()

    def _stop(self) -> None:
        self.stopping = self._over = True
        self._changed.set()
