"""Durable rows in SQLite: sessions, their transitions, probed files. One writer, many readers, nobody waits for it.

In reading order: ``rows.py`` (what is kept), ``retention.py`` (for how long), ``place.py`` (the folder, held by one
process), ``schema.py`` (the tables), ``database.py`` (one file of them, and what is wrong with one that is set aside),
``journal.py`` and ``writer.py`` (what is yet to be written, and who writes it), ``store.py`` (the door).
"""

from hls_sessions.store.place import default_state_dir
from hls_sessions.store.retention import Retention
from hls_sessions.store.rows import ProbeRow, SessionRow, TransitionRow
from hls_sessions.store.store import Condition, Forgotten, Store, usable

__all__ = [
    "Condition",
    "Forgotten",
    "ProbeRow",
    "Retention",
    "SessionRow",
    "Store",
    "TransitionRow",
    "default_state_dir",
    "usable",
]
