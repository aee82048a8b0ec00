"""Checking a database file that was found, and setting aside one that cannot be used. No file is ever deleted."""

from __future__ import annotations

import logging
import os
import sqlite3
from contextlib import closing, suppress
from datetime import UTC, datetime
from itertools import count
from typing import TYPE_CHECKING

from hls_sessions.errors import StateUnusable
from hls_sessions.store import schema

if TYPE_CHECKING:
    from pathlib import Path

logger = logging.getLogger(__name__)

BUSY_TIMEOUT = 2.0
"""Seconds to wait for another process that holds the database."""

DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
"""SQLite's codes for a file whose content is at fault, see https://www.sqlite.org/rescode.html."""

FILES = ("", "-wal", "-shm")
"""Suffixes of a database's files, see https://www.sqlite.org/tempfiles.html."""


def what_is_wrong(path: Path) -> str | None:
    """Return why a file cannot be used as our database, or None. One that is missing or empty can.

    Raises:
        StateUnusable: that is unknown, because it cannot be read or another process keeps it locked.
    """
    if not path.exists():
        return None
    if not path.is_file():
        return "it is not a file"
    if not os.access(path, os.R_OK | os.W_OK):
        raise StateUnusable(str(path), "it cannot be written to")
    try:
        with closing(sqlite3.connect(path, timeout=BUSY_TIMEOUT)) as connection:
            return _damage(connection) or _strangeness(connection)
    except sqlite3.Error as error:
        if is_damage(error):
            return str(error)
        raise StateUnusable(str(path), str(error)) from error


def set_aside(path: Path, fault: str) -> Path:
    """Rename a database file and its companions, and log it; return the new name.

    Raises:
        StateUnusable: it cannot be renamed.
    """
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    names = (path.with_name(f"{path.name}.damaged-{stamp}{f'-{n}' if n else ''}") for n in count())
    aside = next(name for name in names if not name.exists())
    try:
        for end in FILES:
            with suppress(FileNotFoundError):
                path.with_name(path.name + end).rename(aside.with_name(aside.name + end))
    except OSError as error:
        raise StateUnusable(str(path), f"{fault}, and it cannot be set aside ({error.strerror})") from error
    logger.error("The database %s cannot be used: %s. It was set aside as %s; a new one is begun.", path, fault, aside)
    return aside


def is_damage(error: BaseException | None) -> bool:
    """Whether an error of SQLite says that the file's content is at fault, and not the disk, the rights or a lock."""
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and code & 0xFF in DAMAGED  # the extended codes have the plain one in their lowest byte


def _damage(connection: sqlite3.Connection) -> str | None:
    [(verdict,)] = connection.execute("PRAGMA quick_check(1)").fetchall()
    return None if verdict == "ok" else " ".join(verdict.split())


def _strangeness(connection: sqlite3.Connection) -> str | None:
    [(application,)] = connection.execute("PRAGMA application_id").fetchall()
    [(version,)] = connection.execute("PRAGMA user_version").fetchall()
    [(tables,)] = connection.execute("SELECT count(*) FROM sqlite_schema").fetchall()
    if not tables:
        return None
    if application != schema.APPLICATION_ID:
        return "it is another program's"
    if version > schema.VERSION:
        return f"it was made by a newer version (its schema is {version}, this one's {schema.VERSION})"
    if any(step not in schema.MIGRATIONS for step in range(version, schema.VERSION)):
        return f"it was made by too old a version (its schema is {version}, this one's {schema.VERSION})"
    return _missing(connection) if version == schema.VERSION else None


def _missing(connection: sqlite3.Connection) -> str | None:
    for name, table in schema.METADATA.tables.items():
        there = {column for _, column, *_ in connection.execute(f"PRAGMA table_info({name})")}
        if lacking := {column.name for column in table.columns} - there:
            return f"its table {name} lacks {', '.join(sorted(lacking))}"
    return None
