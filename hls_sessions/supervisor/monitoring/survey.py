"""A look at all sessions at once, which none of them takes for a viewer's."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hls_sessions.errors import SessionError
from hls_sessions.otp import CallTimeout

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hls_sessions.encoding import RunInfo
    from hls_sessions.session import Session, SessionInfo


@dataclass(frozen=True, slots=True)
class Survey:
    """What the sessions say, and which say nothing."""

    infos: tuple[SessionInfo, ...] = ()
    silent: tuple[str, ...] = ()
    """Those that did not answer in time."""

    @property
    def runs(self) -> tuple[RunInfo, ...]:
        """All encoders."""
        return tuple(run for info in self.infos for run in info.runs)

    def stuck(self, after: float) -> tuple[str, ...]:
        """Return the sessions that do not answer, or in which nothing has come for so many seconds to who waits."""
        return (*self.silent, *(info.session_id for info in self.infos if info.in_vain_for >= after))


def survey(sessions: Iterable[Session], timeout: float) -> Survey:
    """Ask all sessions at once; all together have ``timeout`` seconds to answer. Who ends meanwhile is left out."""
    asked = [(session.id, session.ask_peek()) for session in sessions]
    deadline = time.monotonic() + timeout
    infos, silent = [], []
    for session_id, reply in asked:
        try:
            with suppress(SessionError):
                infos.append(reply.get(max(0.0, deadline - time.monotonic())))
        except CallTimeout:
            reply.cancel()
            silent.append(session_id)
    return Survey(tuple(infos), tuple(silent))
