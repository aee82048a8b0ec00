"""Durable rows in SQLite: sessions, their transitions, probed files. One writer, many readers; recording never waits.

In reading order: ``rows.py`` (the rows), ``retention.py`` (how long they are kept), ``state_folder.py`` (the folder,
locked by one process), ``schema.py`` (the tables), ``damage.py`` and ``database.py`` (a file of tables, and damaged
ones), ``journal.py`` (rows yet to be written), ``writer.py`` (the thread that writes them), ``store.py`` (the public
API).
"""

from hls_sessions.store.claims import ClaimRow, ClaimStore
from hls_sessions.store.retention import Retention
from hls_sessions.store.rows import ProbeRow, SessionRow, TransitionRow
from hls_sessions.store.store import Condition, Forgotten, Store, usable

__all__ = [
    "ClaimRow",
    "ClaimStore",
    "Condition",
    "Forgotten",
    "ProbeRow",
    "Retention",
    "SessionRow",
    "Store",
    "TransitionRow",
    "usable",
]
