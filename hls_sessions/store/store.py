"""The store: recording never waits and never fails; a query returns everything that was recorded before it."""

from __future__ import annotations

import logging
from concurrent.futures import Future
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, delete, or_, select, update
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.exc import DatabaseError, OperationalError, SQLAlchemyError

from hls_sessions.errors import StateUnusable
from hls_sessions.store import schema
from hls_sessions.store.damage import is_damage
from hls_sessions.store.database import Database, sentence
from hls_sessions.store.rows import ProbeRow, SessionRow, TransitionRow
from hls_sessions.store.state_folder import StateFolder
from hls_sessions.store.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from collections.abc import Set as AbstractSet
    from pathlib import Path
    from typing import TypeVar

    from sqlalchemy import Connection, Table

    from hls_sessions.store.journal import Batch
    from hls_sessions.store.retention import Retention

    Answer = TypeVar("Answer")

logger = logging.getLogger(__name__)

PATIENCE = 2.0
"""Seconds a query waits for rows recorded before it to be written; then it is answered without them."""

UNFIT = (ValueError, TypeError, OverflowError)
"""Errors that SQLite's driver raises for a value that no column can hold."""


@dataclass(frozen=True, slots=True)
class Condition:
    """How the store is."""

    path: str | None
    """The file; None for memory."""
    waiting: int
    """Rows that are yet to be written."""
    lost: int
    """Rows that never will be: there was no room, or the database refused them."""
    failures: int
    """How often writing or reading failed."""
    trouble: str | None
    """Why nothing can be written now; None when it can."""
    set_aside: str | None
    """The new name of a database that could not be used."""


@dataclass(frozen=True, slots=True)
class Forgotten:
    """How many rows were deleted."""

    sessions: int
    probes: int


@dataclass(frozen=True, slots=True)
class _Forget:
    """Asks the writer to delete rows that were kept long enough."""

    rule: Retention
    now: float
    done: Future[Forgotten]


@dataclass(frozen=True, slots=True)
class _Used:
    """Asks the writer to note that a probe was used."""

    path: str
    at: float


def usable(folder: Path) -> str | None:
    """Return why a store cannot be opened in a folder now, or None when it can."""
    store = Store(folder)
    try:
        store.open()
    except StateUnusable as error:
        return error.reason
    store.close()
    return None


class Store:
    """Sessions, transitions and probes, in a folder of their own or in memory. Any thread may use it."""

    def __init__(self, folder: Path | None = None) -> None:
        """Name the folder; None for memory."""
        self._state_folder = None if folder is None else StateFolder(folder)
        self._database = Database(None if self._state_folder is None else self._state_folder.database)
        self.when_begun_anew: Callable[[], AbstractSet[str]] = frozenset
        """Called in the writer's thread when a database was lost and another begun. It records the sessions that are
        still known, and returns the ids of those whose steps it has recorded completely."""
        self._refused = 0
        self._unread = 0
        self._unreadable: str | None = None
        """The last logged reason why it could not be read."""
        self._unsound: set[str] = set()
        """The sessions whose rows are damaged, as was logged."""

    def open(self) -> None:
        """Lock the folder and open the database; set aside one that is damaged or another program's.

        Raises:
            StateUnusable: the folder cannot be written to, or another process uses it.
        """
        if self._state_folder is not None:
            self._state_folder.take()
        try:
            self._database.open()
        except BaseException:
            self._leave()
            raise
        self._writer = Writer(self._write)

    def close(self) -> None:
        """Write the rest, and unlock the folder. Idempotent."""
        self._writer.stop()
        self._database.close()
        self._leave()

    # ---- recording

    def record_session(self, row: SessionRow) -> None:
        """Queue a session's row, which replaces an earlier one."""
        self._writer.add(row, ("session", row.id))

    def record_transition(self, row: TransitionRow) -> None:
        """Queue a step of a session. The session's row must have been recorded before."""
        self._writer.add(row)

    def record_again(self, row: SessionRow, steps: Sequence[TransitionRow]) -> None:
        """Queue a session and all its steps, in the place of those that are not written yet."""
        self._writer.drop(lambda other: isinstance(other, TransitionRow) and other.session_id == row.id)
        self.record_session(row)
        for step in steps:
            self.record_transition(step)

    def record_probe(self, row: ProbeRow) -> None:
        """Queue the result of probing a file, which replaces an earlier one."""
        self._writer.add(row, ("probe", row.path))

    def forget(self, rule: Retention, now: float) -> Future[Forgotten]:
        """Queue the deletion of rows that were kept long enough; the future gets their number.

        Args:
            rule: how long rows are kept.
            now: seconds since the epoch.
        """
        done: Future[Forgotten] = Future()
        if not self._writer.add(_Forget(rule, now, done)):
            done.cancel()
        return done

    def flush(self, timeout: float = PATIENCE) -> bool:
        """Wait until all that was recorded is written; False when it takes longer, or cannot be written now."""
        return self._writer.flush(timeout)

    # ---- asking

    def sessions(self) -> list[SessionRow]:
        """Return all sessions, the oldest first, without those whose rows are damaged."""
        table = schema.SESSIONS
        query = select(table).order_by(table.c.created_at, table.c.id)

        def read(connection: Connection) -> list[SessionRow]:
            return [SessionRow(**row._mapping) for row in connection.execute(query)]  # noqa: SLF001 - SQLAlchemy's public name

        rows: list[SessionRow] = self._read(read, [])
        return [row for row in rows if self._is_sound(row)]

    def session(self, session_id: str) -> SessionRow | None:
        """Return one session; None if it is unknown."""
        query = select(schema.SESSIONS).where(schema.SESSIONS.c.id == session_id)

        def read(connection: Connection) -> SessionRow | None:
            row = connection.execute(query).one_or_none()
            return None if row is None else SessionRow(**row._mapping)  # noqa: SLF001 - as above

        row = self._read(read, None)
        return row if row is not None and self._is_sound(row) else None

    def transitions(self, session_id: str) -> list[TransitionRow]:
        """Return a session's steps, in order."""
        table = schema.TRANSITIONS
        query = select(table).where(table.c.session_id == session_id).order_by(table.c.number)
        return self._read(lambda connection: [TransitionRow(*row) for _, *row in connection.execute(query)], [])

    def probe(self, path: str, size: int, modified: int, now: float) -> bytes | None:
        """Return the result of probing this version of a file, and note its use; None if it is unknown."""
        table = schema.PROBES.c
        query = select(table.answer).where(table.path == path, table.size == size, table.modified == modified)
        found: bytes | None = self._read(lambda connection: connection.execute(query).scalar_one_or_none(), None)
        if found is not None:
            self._writer.add(_Used(path, now), ("used", path))
        return found

    @property
    def condition(self) -> Condition:
        """How it is."""
        path, aside = self._database.path, self._database.set_aside
        return Condition(
            path=None if path is None else str(path),
            waiting=self._writer.waiting,
            lost=self._writer.lost + self._refused,
            failures=self._writer.failures + self._unread,
            trouble=self._writer.trouble,
            set_aside=None if aside is None else str(aside),
        )

    # ---- within

    def _leave(self) -> None:
        if self._state_folder is not None:
            self._state_folder.leave()

    def _is_sound(self, row: SessionRow) -> bool:
        """Return whether a row can be used; log one that cannot, once."""
        if not row.is_sound and row.id not in self._unsound:
            self._unsound.add(row.id)
            self._unread += 1
            logger.error("the history of session %r is damaged, and left out", row.id)
        return row.is_sound

    def _read(self, read: Callable[[Connection], Answer], otherwise: Answer) -> Answer:
        """Read after earlier rows are written. A failure is logged once, and ``otherwise`` is returned."""
        self._writer.flush(PATIENCE)
        try:
            with self._database.reading() as connection:
                return read(connection)
        except SQLAlchemyError as error:
            self._unread += 1
            if (unreadable := sentence(error)) != self._unreadable:
                self._unreadable = unreadable
                logger.error("the history cannot be read: %s", unreadable)  # noqa: TRY400 - the sentence says it all
            return otherwise

    def _write(self, batch: Batch) -> None:
        """Write a batch, in the writer's thread; begin anew where the file is gone or has been damaged meanwhile."""
        if self._database.is_gone:
            logger.warning("the database %s is gone; a new one is begun", self._database.path)
            self._begin_anew(batch)
        try:
            self._write_all(list(batch.values()))
        except OperationalError:
            raise  # a full disk, a lock, missing rights: it may work later
        except DatabaseError as error:
            if is_damage(error.orig):
                self._begin_anew(batch)
                raise
            self._write_singly(batch)
        except (SQLAlchemyError, *UNFIT):
            self._write_singly(batch)

    def _begin_anew(self, batch: Batch) -> None:
        """Begin an empty database, and queue all that is still known; take the steps of that out of the batch."""
        self._database.close()
        if self._state_folder is not None:
            self._state_folder.leave()
            self._state_folder.take()
        self._database.open()
        again = self.when_begun_anew()
        for key, row in list(batch.items()):
            if isinstance(row, TransitionRow) and row.session_id in again:
                del batch[key]

    def _write_singly(self, batch: Batch) -> None:
        """Write the rows of a refused batch one by one, and take each out of the batch, written or refused."""
        for key, row in list(batch.items()):
            try:
                self._write_all([row])
            except OperationalError:
                raise  # the rest of the batch is tried again
            except (SQLAlchemyError, *UNFIT) as error:
                self._refused += 1
                logger.error("the history cannot hold %r: %s", row, sentence(error))  # noqa: TRY400 - a row, not a fault of ours
            del batch[key]

    def _write_all(self, rows: Sequence[Any]) -> None:
        deleted: list[tuple[Future[Forgotten], Forgotten]] = []
        with self._database.writing() as connection:
            for kind, statement in _UPSERTS.items():
                if values := [_values(row) for row in rows if isinstance(row, kind)]:
                    connection.execute(statement, values)
            for row in rows:
                match row:
                    case _Used(path, at):
                        connection.execute(update(schema.PROBES).where(schema.PROBES.c.path == path).values(used_at=at))
                    case _Forget(rule, now, done):
                        deleted.append((done, _forget(connection, rule, now)))
        for done, forgotten in deleted:
            if not done.done():
                done.set_result(forgotten)


def _forget(connection: Connection, rule: Retention, now: float) -> Forgotten:
    table = schema.SESSIONS.c
    known = connection.execute(select(table.state).where(table.ended_at.is_not(None)).distinct()).scalars().all()
    over = [and_(table.state == state, table.ended_at <= now - rule.of(state)) for state in known]
    sessions = connection.execute(delete(schema.SESSIONS).where(or_(*over))).rowcount if over else 0
    probes = connection.execute(delete(schema.PROBES).where(schema.PROBES.c.used_at <= now - rule.probes)).rowcount
    return Forgotten(sessions, probes)


def _values(row: Any) -> dict[str, Any]:
    values = {field.name: getattr(row, field.name) for field in fields(row)}
    return values | {"restarts": dict(row.restarts)} if isinstance(row, SessionRow) else values


def _upsert(table: Table, key: str) -> Any:
    statement = insert(table)
    columns = [column.name for column in table.columns if column.name != key]
    return statement.on_conflict_do_update(
        index_elements=[key], set_={name: statement.excluded[name] for name in columns}
    )


_UPSERTS: dict[type[Any], Any] = {
    SessionRow: _upsert(schema.SESSIONS, "id"),
    TransitionRow: insert(schema.TRANSITIONS),
    ProbeRow: _upsert(schema.PROBES, "path"),
}
"""How each kind of row is written, in the order that their references need."""
