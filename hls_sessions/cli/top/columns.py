"""The columns of the screen: what each shows, how it sorts, and which there is room for. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from hls_sessions.cli.screen import clock_time

if TYPE_CHECKING:
    from collections.abc import Callable

    from hls_sessions.cli.top.rows import Row

UNITS: Final = ("B", "K", "M", "G", "T")
THOUSAND: Final = 1000
TEN: Final = 10


@dataclass(frozen=True, slots=True)
class Column:
    """One column."""

    name: str
    key: str
    """The key that sorts by it."""
    width: int
    cell: Callable[[Row], str]
    order: Callable[[Row], Any]
    """What it is sorted by; None comes last in either direction."""
    largest_first: bool = False
    is_number: bool = False


def size(many: float) -> str:
    """Write a number of bytes in five characters at most: 1.2G."""
    for unit in UNITS[:-1]:
        if many < THOUSAND:
            return f"{many:.1f}{unit}" if many < TEN and unit != "B" else f"{many:.0f}{unit}"
        many /= THOUSAND
    return f"{many:.1f}{UNITS[-1]}"


def encoders(row: Row) -> str:
    """Say how many encoders there are, how fast, and how far ahead: ``2 3.1x +24s``."""
    if not row.encoders:
        return "copies" if row.whole.get("packager") else "-"
    pace = "held" if row.held == row.encoders else "" if row.speed is None else f"{row.speed:.1f}x"
    lead = "" if row.lead is None else f"+{row.lead:.0f}s"
    return " ".join(part for part in (str(row.encoders), pace, lead) if part)


def _position(row: Row) -> str:
    return clock_time(row.length) if row.position is None else f"{clock_time(row.position)}/{clock_time(row.length)}"


def _title(row: Row) -> str:
    return f"[rec] {row.title}" if row.is_recording else row.title


def _count(many: int) -> str:
    return str(many) if many else "-"


TITLE: Final = Column("TITLE", "T", 14, _title, lambda row: row.title.casefold())

COLUMNS: Final = (
    Column("ID", "I", 8, lambda row: row.id, lambda row: row.id),
    Column("STATE", "S", 7, lambda row: row.state, lambda row: row.state),
    Column("USER", "U", 10, lambda row: row.user or "-", lambda row: row.user and row.user.casefold()),
    TITLE,
    Column("POSITION", "P", 15, _position, lambda row: row.position, largest_first=True, is_number=True),
    Column("RENDITIONS", "N", 10, lambda row: _count(row.renditions), lambda row: row.renditions, True, True),
    Column("ENCODERS", "E", 12, encoders, lambda row: (row.encoders, row.encoders - row.held), largest_first=True),
    Column("RESTARTS", "R", 8, lambda row: _count(row.restarts), lambda row: row.restarts, True, True),
    Column("DISK", "D", 5, lambda row: size(row.disk), lambda row: row.disk, True, True),
    Column("VIEWERS", "V", 7, lambda row: _count(row.viewers), lambda row: row.viewers, True, True),
    Column("WAITS", "W", 5, lambda row: _count(row.waits), lambda row: row.waits, True, True),
    Column(
        "EXPIRES",
        "X",
        7,
        lambda row: "-" if row.expires_in is None else clock_time(row.expires_in),
        lambda row: row.expires_in,
        is_number=True,
    ),
)

WANTED: Final = (
    *("ID", "STATE", "TITLE", "POSITION", "ENCODERS", "USER"),
    *("EXPIRES", "WAITS", "DISK", "VIEWERS", "RESTARTS", "RENDITIONS"),
)
"""The columns, the most needed first."""

WHOLE_ID: Final = 36
"""Characters of a whole id."""


def fitting(width: int) -> list[tuple[Column, int]]:
    """Return the columns that fit beside each other, with a space between two, and the width of each."""
    by_name = {column.name: column for column in COLUMNS}
    chosen, left = [], width + 1
    for name in WANTED:
        if by_name[name].width + 1 <= left:
            chosen.append(name)
            left -= by_name[name].width + 1
    widths = {column.name: column.width for column in COLUMNS if column.name in chosen}
    if left >= 2 * (WHOLE_ID - widths["ID"]):
        left -= WHOLE_ID - widths["ID"]
        widths["ID"] = WHOLE_ID
    if TITLE.name in widths:
        widths[TITLE.name] += left
    return [(column, widths[column.name]) for column in COLUMNS if column.name in widths]


def ordered(rows: list[Row], column: Column, *, reverse: bool) -> list[Row]:
    """Return rows in the order of a column; those without a value come last."""
    known = [row for row in rows if column.order(row) is not None]
    known.sort(key=column.order, reverse=column.largest_first != reverse)
    return [*known, *(row for row in rows if column.order(row) is None)]
