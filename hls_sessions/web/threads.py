"""Threads for calls that block. Each kind of call has a number of its own, so that a slow kind delays no other.

Requests that play a film or say how the daemon is must stay quick while others wait for a share that hangs or for a
session that does not answer. The default threads of Starlette are left to the reading of files.
"""

from __future__ import annotations

from enum import Enum
from functools import partial
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from anyio import CapacityLimiter, to_thread
from anyio.lowlevel import RunVar

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
T = TypeVar("T")


class Threads(Enum):
    """A kind of calls, and how many of them run at once."""

    OPENING = 64
    """Looking a file up, probing it, starting its session."""
    RETURNING = 32
    """Bringing a session of an earlier daemon back."""
    OPERATING = 24
    """An operator's orders, which may wait for sessions to end."""
    RECORDING = 40
    """Keeping what sources send, each piece for as long as the disk takes."""
    WRITING = 4
    """Writing playlists, which takes the processor alone."""
    SENDING = 16
    """Putting films together from their segments."""
    LOOKING = 8
    """The health and the figures, each bounded by the time that all sessions have to answer."""

    async def run(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a call in one of these threads, as soon as one is free, and return its result."""
        return await to_thread.run_sync(partial(call, *args, **kwargs), limiter=self._limiter())

    def _limiter(self) -> CapacityLimiter:
        """Return the limiter of the current event loop."""
        try:
            return _LIMITERS.get()[self]
        except LookupError:
            limiters = {kind: CapacityLimiter(kind.value) for kind in type(self)}
            _LIMITERS.set(limiters)
            return limiters[self]


_LIMITERS: RunVar[dict[Any, CapacityLimiter]] = RunVar("hls_sessions.web.threads")
