"""The tables, a column per field of ``rows.py``, and how a file of an older version becomes one of this."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import (
    Boolean,
    Column,
    Double,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    TypeDecorator,
)

from hls_sessions.store.rows import ProbeRow, SessionRow, TransitionRow

if TYPE_CHECKING:
    from sqlalchemy import Dialect
    from sqlalchemy.types import TypeEngine

APPLICATION_ID = 0x484C5353
"""SQLite's ``application_id`` of our files: "HLSS"."""

MIGRATIONS: dict[int, tuple[str, ...]] = {
    1: (
        "ALTER TABLE sessions ADD COLUMN file_size INTEGER",
        "ALTER TABLE sessions ADD COLUMN file_modified INTEGER",
        "ALTER TABLE sessions ADD COLUMN copy_streams BOOLEAN",
        "ALTER TABLE sessions ADD COLUMN fingerprint VARCHAR",
        "ALTER TABLE sessions ADD COLUMN encoder VARCHAR",
        "ALTER TABLE sessions ADD COLUMN last_activity_at DOUBLE",
        "ALTER TABLE sessions ADD COLUMN left_at DOUBLE",
        "ALTER TABLE sessions ADD COLUMN snapshot TEXT",
    ),
    2: (
        "ALTER TABLE sessions ADD COLUMN own_idle_timeout DOUBLE",
        "ALTER TABLE sessions ADD COLUMN subscriber_ttl DOUBLE",
        "ALTER TABLE sessions ADD COLUMN had_subscribers BOOLEAN NOT NULL DEFAULT 0",
    ),
    3: (
        "ALTER TABLE sessions ADD COLUMN share BOOLEAN NOT NULL DEFAULT 1",
        "ALTER TABLE sessions ADD COLUMN segments_shared INTEGER NOT NULL DEFAULT 0",
    ),
}
"""By version: the statements that make a file of it one of the next. A new field of a row needs an entry here, because
there are files without its column; where the field may not be None, the column needs a DEFAULT."""

VERSION = max(MIGRATIONS) + 1
"""SQLite's ``user_version`` of a file with the tables below."""


class AnyTextType(TypeDecorator[str]):
    """Keeps text that cannot be UTF-8 as bytes."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> Any:
        """Encode text that SQLite's own type cannot hold."""
        del dialect
        if value is None or not any("\ud800" <= letter <= "\udfff" for letter in value):
            return value
        return value.encode("utf-8", "surrogatepass")

    def process_result_value(self, value: Any, dialect: Dialect) -> str | None:
        """Decode it again; bytes of a damaged file as well as they can be."""
        del dialect
        try:
            return value.decode("utf-8", "surrogatepass") if isinstance(value, bytes) else value
        except UnicodeDecodeError:
            return str(value, "utf-8", "replace")


class CountsType(TypeDecorator[dict[str, int]]):
    """Keeps counts by name as JSON. Other text, in a file that was changed, is read as no counts."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: dict[str, int] | None, dialect: Dialect) -> Any:
        """Write them as JSON."""
        del dialect
        return json.dumps(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> dict[str, int]:
        """Read them."""
        del dialect
        try:
            counts = json.loads(value)
        except (TypeError, ValueError):
            return {}
        known = isinstance(counts, dict) and all(isinstance(count, int) for count in counts.values())
        return counts if known else {}


TYPES: Final[dict[str, type[TypeEngine[Any]]]] = {
    "str": String,
    "AnyText": AnyTextType,
    "bytes": LargeBinary,
    "int": Integer,
    "float": Double,
    "bool": Boolean,
    "Mapping[str, int]": CountsType,
}
"""By the type of a row's field: that of its column."""


def _columns(row: type[Any]) -> list[Column[Any]]:
    """Return a column per field of a row; it may be NULL if the field may be None."""
    columns = []
    for field in fields(row):
        kind, _, none = str(field.type).partition(" | ")
        columns.append(Column(field.name, TYPES[kind], nullable=bool(none)))
    return columns


METADATA: Final = MetaData()

SESSIONS: Final = Table(
    "sessions",
    METADATA,
    *_columns(SessionRow),
    PrimaryKeyConstraint("id"),
    Index("sessions_by_end", "ended_at"),
)

TRANSITIONS: Final = Table(
    "transitions",
    METADATA,
    Column("number", Integer, primary_key=True),  # keeps the order of those of one moment
    *_columns(TransitionRow),
    ForeignKeyConstraint(["session_id"], [SESSIONS.c.id], ondelete="CASCADE"),
    Index("ix_transitions_session_id", "session_id"),
)

PROBES: Final = Table(
    "probes",
    METADATA,
    *_columns(ProbeRow),
    PrimaryKeyConstraint("path"),  # one version of a file at a time
    Index("ix_probes_used_at", "used_at"),
)
