"""One database: a file in WAL mode, or memory."""

from __future__ import annotations

import os
import threading
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from sqlalchemy import URL, StaticPool, create_engine, event, text
from sqlalchemy.exc import SQLAlchemyError

from hls_sessions.errors import StateUnusable
from hls_sessions.store import schema
from hls_sessions.store.damage import BUSY_TIMEOUT, set_aside, what_is_wrong

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy import Connection, Engine


class Database:
    """A database of rows. Any thread may read; one thread at a time writes."""

    def __init__(self, path: Path | None) -> None:
        """Name a file; None for memory, which is gone when it is closed."""
        self.path = path
        self.set_aside: Path | None = None
        """The new name of the last file that could not be used."""
        self._identity: tuple[int, int] | None = None
        # A database in memory has one connection, which threads use in turn. A file has one per transaction.
        self._turn: AbstractContextManager[Any] = threading.RLock() if path is None else nullcontext()

    def open(self) -> None:
        """Make the file and its tables, or migrate those that are there; set aside a file that cannot be used.

        Raises:
            StateUnusable: it cannot be written to, or another process keeps it locked.
        """
        if self.path is not None and (fault := what_is_wrong(self.path)) is not None:
            self.set_aside = set_aside(self.path, fault)
        if self.path is not None:
            _make_private(self.path)
        self._engine = _engine(self.path)
        try:
            with self.writing() as connection:
                _bring_up_to_date(connection)
            self._identity = self._file()
        except (SQLAlchemyError, OSError) as error:
            self.close()
            raise StateUnusable(str(self.path), sentence(error)) from error

    def close(self) -> None:
        """Give back every connection."""
        self._engine.dispose()

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Enter a transaction that is committed at the end."""
        with self._turn, self._engine.begin() as connection:
            yield connection

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Enter a transaction that reads one consistent state."""
        with self._turn, self._engine.connect() as connection:
            yield connection

    @property
    def is_gone(self) -> bool:
        """Whether the file that was opened is no longer there. SQLite would go on writing to the deleted file."""
        try:
            return self._file() != self._identity
        except OSError:
            return True

    def _file(self) -> tuple[int, int] | None:
        if self.path is None:
            return None
        status = self.path.stat()
        return status.st_dev, status.st_ino


def sentence(error: BaseException) -> str:
    """Return an error's message, without SQLAlchemy's frame around it."""
    return str(getattr(error, "orig", None) or getattr(error, "strerror", None) or error)


def _make_private(path: Path) -> None:
    """Make a database readable for this user alone, because the id of a session is the right to watch.

    SQLite gives the files beside it the same mode. Where it cannot be done, the next steps say why.
    """
    with suppress(OSError):
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            os.fchmod(file, 0o600)
        finally:
            os.close(file)


def _engine(path: Path | None) -> Engine:
    options: dict[str, Any] = {"timeout": BUSY_TIMEOUT, "check_same_thread": False}
    if path is None:
        engine = create_engine("sqlite://", poolclass=StaticPool, connect_args=options)
    else:
        engine = create_engine(URL.create("sqlite", database=str(path)), connect_args=options)

    @event.listens_for(engine, "connect")
    def connected(connection: Any, _: object) -> None:
        # Without this, one damaged text fails the whole query that reads it.
        connection.text_factory = partial(str, encoding="utf-8", errors="replace")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA journal_mode = WAL")
        # In WAL mode a power cut may take the last moments, and never the file.
        connection.execute("PRAGMA synchronous = NORMAL")

    return engine


def _bring_up_to_date(connection: Connection) -> None:
    version = connection.execute(text("PRAGMA user_version")).scalar_one()
    if version == 0:
        version = schema.VERSION
        schema.METADATA.create_all(connection)
    for step in range(version, schema.VERSION):
        for statement in schema.MIGRATIONS[step]:
            connection.execute(text(statement))
    connection.execute(text(f"PRAGMA user_version = {schema.VERSION}"))
    connection.execute(text(f"PRAGMA application_id = {schema.APPLICATION_ID}"))
