"""A look at all sessions at once, which does not count as activity of their viewers."""

from __future__ import annotations

import time
from collections import Counter
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
    """The answers of the sessions, and the sessions that did not answer."""

    infos: tuple[SessionInfo, ...] = ()
    silent: tuple[str, ...] = ()
    """Ids of the sessions that did not answer in time."""

    @property
    def runs(self) -> tuple[RunInfo, ...]:
        """All encoders."""
        return tuple(run for info in self.infos for run in info.runs)

    @property
    def lacks(self) -> Counter[str]:
        """The resources that have run out, and how many sessions wait for each."""
        return Counter(what for info in self.infos for what in info.lacks)

    def stuck(self, after: float) -> tuple[str, ...]:
        """Return the sessions that do not answer, or in which a waiting viewer has got nothing for so many seconds."""
        return (*self.silent, *(info.session_id for info in self.infos if info.in_vain_for >= after))


def survey(sessions: Iterable[Session], timeout: float) -> Survey:
    """Ask all sessions at once; all together have ``timeout`` seconds. A session that ends meanwhile is left out."""
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
