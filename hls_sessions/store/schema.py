"""The tables, and how a file of an older version becomes one of this."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from sqlalchemy import ForeignKey, Index, LargeBinary, Text, TypeDecorator
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

if TYPE_CHECKING:
    from sqlalchemy import Dialect

APPLICATION_ID = 0x484C5353
"""SQLite's ``application_id`` of our files: "HLSS"."""

VERSION = 3
"""SQLite's ``user_version`` of a file with the tables below."""

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
}
"""By version: the statements that make a file of it one of the next. Who changes a table adds an entry, and one to
VERSION."""


class AnyText(TypeDecorator[str]):
    """Text that need not be Unicode, as the names of files are not: what cannot be UTF-8 is kept as bytes."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> Any:
        """Encode what SQLite's text cannot hold."""
        del dialect
        if value is None or not any("\ud800" <= letter <= "\udfff" for letter in value):
            return value
        return value.encode("utf-8", "surrogatepass")

    def process_result_value(self, value: Any, dialect: Dialect) -> str | None:
        """Decode it again; what is none any more, because the file was changed, as well as it can be."""
        del dialect
        try:
            return value.decode("utf-8", "surrogatepass") if isinstance(value, bytes) else value
        except UnicodeDecodeError:
            return str(value, "utf-8", "replace")


class Counts(TypeDecorator[dict[str, int]]):
    """Counts by name, as JSON. What is none any more, because the file was changed, is read as no counts."""

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


class Base(DeclarativeBase):
    """What the tables share."""


class Session(Base):
    """``SessionRow``, a column per field."""

    __tablename__ = "sessions"

    id: Mapped[str] = mapped_column(primary_key=True)
    user: Mapped[str | None] = mapped_column(AnyText)
    media: Mapped[str] = mapped_column(AnyText)
    duration: Mapped[float]
    segment_length: Mapped[float]
    start_at: Mapped[float]
    idle_timeout: Mapped[float]
    directory: Mapped[str] = mapped_column(AnyText)
    created_at: Mapped[float]
    started_at: Mapped[float | None]
    ended_at: Mapped[float | None]
    updated_at: Mapped[float]
    state: Mapped[str]
    reason: Mapped[str | None] = mapped_column(AnyText)
    position: Mapped[float | None]
    first_segment_after: Mapped[float | None]
    segments_made: Mapped[int]
    bytes_made: Mapped[int]
    segments_served: Mapped[int]
    bytes_served: Mapped[int]
    segments_refused: Mapped[int]
    encoder_failures: Mapped[int]
    encoder_seconds: Mapped[float]
    restarts: Mapped[dict[str, int]] = mapped_column(Counts)
    file_size: Mapped[int | None]
    file_modified: Mapped[int | None]
    copy_streams: Mapped[bool | None]
    fingerprint: Mapped[str | None]
    encoder: Mapped[str | None]
    last_activity_at: Mapped[float | None]
    left_at: Mapped[float | None]
    snapshot: Mapped[str | None] = mapped_column(AnyText)
    own_idle_timeout: Mapped[float | None]
    subscriber_ttl: Mapped[float | None]
    had_subscribers: Mapped[bool]

    __table_args__ = (Index("sessions_by_end", "ended_at"),)


class Transition(Base):
    """``TransitionRow``; ``number`` keeps the order of those of one moment."""

    __tablename__ = "transitions"

    number: Mapped[int] = mapped_column(primary_key=True)
    session_id: Mapped[str] = mapped_column(ForeignKey("sessions.id", ondelete="CASCADE"), index=True)
    at: Mapped[float]
    step: Mapped[str]
    before: Mapped[str]
    after: Mapped[str]
    by: Mapped[str]
    reason: Mapped[str] = mapped_column(AnyText)


class Probe(Base):
    """``ProbeRow``; one version of a file at a time."""

    __tablename__ = "probes"

    path: Mapped[str] = mapped_column(AnyText, primary_key=True)
    size: Mapped[int]
    modified: Mapped[int]
    answer: Mapped[bytes] = mapped_column(LargeBinary)
    used_at: Mapped[float] = mapped_column(index=True)
