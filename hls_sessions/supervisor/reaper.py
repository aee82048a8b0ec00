"""The reaper: has overdue sessions look at their time, over and over.

A session sets itself a reminder for the moment its time runs out, and looks then. The reaper covers the sessions whose
own reminder was lost.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hls_sessions.session import IdleCheck

if TYPE_CHECKING:
    from hls_sessions.otp import Registry
    from hls_sessions.supervisor.sessions import SessionTable


def remind(table: SessionTable, registry: Registry) -> None:
    """Remind the sessions whose time has run out, in case their own reminder was lost."""
    for entry in table.all():
        actor = registry.whereis(entry.spec.session_id)
        if actor is not None and entry.record.presence.overdue:
            actor.send(IdleCheck())


def reap(table: SessionTable, patience: float) -> list[str]:
    """End the sessions whose time has run out, and return their ids when everything they used is freed.

    Args:
        table: the sessions.
        patience: seconds for which the end of each is waited for.

    Raises:
        Unavailable: a session did not answer in time.
    """
    due = [entry for entry in table.all() if entry.record.presence.overdue or entry.record.end]
    reaped = [entry for entry in due if entry.session.reap()]
    for entry in reaped:
        if entry.actor is not None:
            entry.actor.wait(patience)
    return [entry.spec.session_id for entry in reaped]
