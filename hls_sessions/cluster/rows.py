"""The row of a session as nodes send it to each other: JSON, of which a node of another version reads what it knows."""

from __future__ import annotations

import json
from dataclasses import asdict, fields, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hls_sessions.store import SessionRow


class RowUnusable(ValueError):
    """A row lacks something that this version needs, or holds what cannot be."""


def written(row: SessionRow) -> str:
    """Return a row as it is sent. The directory it has on its node is left out."""
    return json.dumps(asdict(replace(row, directory="")))


def read(text: str) -> SessionRow:
    """Return a row that was sent.

    Raises:
        RowUnusable: a session cannot go on from it.
    """
    from hls_sessions.store import SessionRow  # noqa: PLC0415 - SQLAlchemy is loaded only where sessions run

    try:
        values: dict[str, Any] = json.loads(text)
        known = {each.name: values[each.name] for each in fields(SessionRow) if each.name in values}
        row = SessionRow(**known)
    except (ValueError, TypeError) as error:
        raise RowUnusable(f"The row of a session cannot be read: {error}.") from error
    if not row.is_sound or row.fingerprint is None:
        raise RowUnusable("The row of a session holds what cannot be.")
    return row


def viewing_of(row: SessionRow) -> str | None:
    """Return what names a user and a film."""
    return viewing(row.user, row.media)


def viewing(user: str | None, film: str) -> str | None:
    """Return what names a user and a film; None without a user."""
    return None if user is None else json.dumps([user, film])
