"""Carries out the decisions of admission: lets one more session in, ends others for it, or refuses it."""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from hls_sessions.errors import SessionEnded, SessionError, SessionNotFound
from hls_sessions.otp import CallTimeout
from hls_sessions.supervisor.admission import Admit, Clear, Displace, Queue, Refuse, Rules, Seat, decide

if TYPE_CHECKING:
    from pathlib import Path

    from hls_sessions.otp import Clock, Reply
    from hls_sessions.settings import Settings
    from hls_sessions.supervisor.sessions import Entry, SessionTable

logger = logging.getLogger(__name__)

ANSWER: Final = 2.0
"""Seconds a session has to say that it ends; one that says nothing is left alone."""

GONE: Final = 3.0
"""Seconds a session that ends may take to be gone."""


class AdmissionControl:
    """Admits new sessions. Used by one thread at a time."""

    def __init__(self, entries: SessionTable, clock: Clock, settings: Settings) -> None:
        """Admit sessions to this table, by the limits of the settings."""
        self._table = entries
        self._queue = Queue(clock.monotonic)
        self.reconfigure(settings)

    def reconfigure(self, settings: Settings) -> None:
        """Go by the limits of other settings."""
        self._unwatched_after = settings.encoder_idle_timeout
        self._rules = Rules(settings.max_sessions, settings.max_sessions_per_user, evict=settings.when_full == "evict")

    def let_in(self, user: str | None, media: Path) -> None:
        """Make sure that there is room for a new session of this user; end others for it where the rules say so.

        Raises:
            CapacityExceeded: there is none.
        """
        ahead = self._queue.ahead_of(user, media)
        if self._rules.max_sessions_per_user is None and len(self._table) + len(ahead) < self._rules.max_sessions:
            self._queue.leave(user, media)  # no session needs to be looked at for that
            return
        stays: set[str] = set()
        """Sessions that were asked to end and do not, because somebody is there after all."""
        while True:
            match decide(self._seats(stays), user, ahead, self._rules):
                case Admit():
                    self._queue.leave(user, media)
                    return
                case Clear(sessions):
                    for session_id in sessions:
                        if not self._ended(session_id, evict=False):
                            stays.add(session_id)
                case Displace(session_id):
                    if self._ended(session_id, evict=True):
                        logger.info("session %s was displaced by another", session_id)
                    else:
                        stays.add(session_id)
                case Refuse() as refusal:
                    self._queue.refused(user, media)
                    raise refusal.error()

    def _seats(self, stays: set[str]) -> list[Seat]:
        return [self._seat(entry, stays) for entry in self._table.all() if not entry.record.state.is_final]

    def _seat(self, entry: Entry, stays: set[str]) -> Seat:
        session_id, presence = entry.spec.session_id, entry.record.presence
        idle = presence.idle
        # A session that was used a short time ago may be overdue, because its last subscriber has left.
        watched = session_id in stays or (idle < self._unwatched_after and presence.due_in > 0)
        return Seat(session_id, entry.spec.user, idle, presence.due_in, watched)

    def _ended(self, session_id: str, *, evict: bool) -> bool:
        """Ask a session to end, and wait until all that it used is freed. False when it does not end."""
        try:
            entry = self._table.find(session_id)
        except (SessionEnded, SessionNotFound):
            return True
        session = entry.session
        answer = session.ask_displace(self._unwatched_after) if evict else session.ask_reap()
        if not _says_yes(answer):
            return False
        if entry.actor is not None:
            with suppress(CallTimeout):  # its directory is cleared away later; its place is free
                entry.actor.wait(GONE)
        return True


def _says_yes(answer: Reply[bool]) -> bool:
    try:
        return answer.get(ANSWER)
    except (SessionEnded, SessionNotFound):
        return True  # it ended by itself meanwhile
    except (CallTimeout, SessionError):
        answer.cancel()
        return False
