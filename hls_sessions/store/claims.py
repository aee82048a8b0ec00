"""The claims of a cluster, in a database of their own: which node owns which session, and in which epoch."""

from __future__ import annotations

import logging
import os
from contextlib import suppress
from dataclasses import astuple, dataclass, fields
from typing import TYPE_CHECKING, Final

from sqlalchemy import URL, Column, Integer, MetaData, String, Table, Text, create_engine, delete, select
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.exc import SQLAlchemyError

from hls_sessions.store.database import sentence
from hls_sessions.store.writer import Writer

if TYPE_CHECKING:
    from pathlib import Path

    from hls_sessions.store.journal import Batch

logger = logging.getLogger(__name__)

_METADATA: Final = MetaData()

_CLAIMS: Final = Table(
    "claims",
    _METADATA,
    Column("session", String, primary_key=True),
    Column("node", String, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("row", Text, nullable=False),
    Column("viewing", Text),
)


@dataclass(frozen=True, slots=True)
class ClaimRow:
    """One claim, with the row of its session as its owner wrote it."""

    session: str
    node: str
    epoch: int
    row: str
    viewing: str | None


_NAMES: Final = tuple(each.name for each in fields(ClaimRow))


class ClaimStore:
    """Claims in a file. Recording never waits and never fails; a file that cannot be used is begun anew."""

    def __init__(self, file: Path) -> None:
        """Open a file, or begin one."""
        file.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(file, os.O_RDWR | os.O_CREAT, 0o600))  # the id of a session is the right to watch
        self._engine = create_engine(URL.create("sqlite", database=str(file)))
        try:
            self._begin()
        except SQLAlchemyError as error:
            logger.warning("the claims in %s cannot be read, and are begun anew: %s", file, sentence(error))
            self._engine.dispose()
            with suppress(FileNotFoundError):
                file.unlink()
            self._begin()
        self._writer = Writer(self._write)

    def rows(self) -> list[ClaimRow]:
        """Return all claims that were written before this one was opened, or since."""
        self._writer.flush(1.0)
        with self._engine.connect() as connection:
            return [ClaimRow(*row) for row in connection.execute(select(*(_CLAIMS.c[name] for name in _NAMES)))]

    def put(self, row: ClaimRow) -> None:
        """Queue a claim, which replaces an earlier one of its session."""
        self._writer.add(row, row.session)

    def drop(self, session: str) -> None:
        """Queue the deletion of a claim."""
        self._writer.add(None, session)

    def close(self) -> None:
        """Write the rest. Idempotent."""
        self._writer.stop()
        self._engine.dispose()

    def _begin(self) -> None:
        _METADATA.create_all(self._engine)
        with self._engine.connect() as connection:
            connection.execute(select(*(_CLAIMS.c[name] for name in _NAMES)).limit(1)).all()

    def _write(self, batch: Batch) -> None:
        statement = insert(_CLAIMS)
        upsert = statement.on_conflict_do_update(
            index_elements=["session"], set_={name: statement.excluded[name] for name in _NAMES[1:]}
        )
        with self._engine.begin() as connection:
            gone = [str(session) for session, row in batch.items() if row is None]
            kept = [dict(zip(_NAMES, astuple(row), strict=True)) for row in batch.values() if row is not None]
            for session in gone:
                connection.execute(delete(_CLAIMS).where(_CLAIMS.c.session == session))
            if kept:
                connection.execute(upsert, kept)
