"""Finding a session without holding up the event loop: one of an earlier daemon may first have to be brought back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hls_sessions.web.threads import Threads

if TYPE_CHECKING:
    from hls_sessions.session import Session
    from hls_sessions.supervisor import Supervisor


async def found(supervisor: Supervisor, session_id: str) -> Session:
    """Return a session as soon as it is there.

    Raises:
        SessionEnded, SessionNotFound: there is none of this id.
        Unavailable: it cannot be brought back now.
    """
    if supervisor.is_returning(session_id):
        return await Threads.RETURNING.run(supervisor.find, session_id)
    return supervisor.find(session_id)
