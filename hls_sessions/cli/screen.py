"""Output: tables on standard output, complaints on standard error, JSON if asked for.

rich is loaded only where something is printed with it, because ``--help`` and completion answer sooner without it.
"""

from __future__ import annotations

import json
import re
import sys
from typing import TYPE_CHECKING, Any, Final

from hls_sessions.counters import COUNTERS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from rich.text import Text

WIDTH = 200
"""Columns a table may have. A narrower terminal wraps its lines, which is easier to read and to copy from than
cells of three characters each."""

STYLES: Final = {
    "pending": "yellow",
    "active": "green",
    "paused": "cyan",
    "failed": "bold red",
    "healthy": "green",
    "warning": "yellow",
    "critical": "bold red",
}
"""The colours of states and of health, as rich spells them. NO_COLOR switches them off, as no terminal does."""

CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")
"""Characters that a terminal obeys instead of showing them."""


class Coloured(str):
    """A word that has its colour of STYLES on a terminal."""

    __slots__ = ()


def print_json(value: Any) -> None:
    """Print a value as JSON."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def print_rows(columns: Sequence[str], rows: Iterable[Sequence[object]], *, error: bool = False) -> None:
    """Print a table, a row per thing; on standard error where ``error`` says so."""
    from rich.console import Console  # noqa: PLC0415 - as above
    from rich.table import Table  # noqa: PLC0415 - as above

    table = Table(*columns, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        table.add_row(*(cell(value) for value in row))
    Console(width=WIDTH, stderr=error).print(table)


def print_facts(facts: Mapping[str, object]) -> None:
    """Print a line per fact. Lines are not broken here, because an address must be in one piece to be copied."""
    from rich.console import Console  # noqa: PLC0415 - as above
    from rich.text import Text  # noqa: PLC0415 - as above

    width = max(map(len, facts))
    console = Console(highlight=False, soft_wrap=True)
    for name, value in facts.items():
        console.print(Text.assemble(f"{name:<{width}}  ", cell(value)))


def complain(sentence: str) -> None:
    """Print a complaint on standard error."""
    sys.stderr.write(f"hls-sessions: {sentence}\n")


def clock_time(seconds: float) -> str:
    """Write a duration as people do: 1:02:03."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def counted(found: Mapping[str, Any]) -> dict[str, str]:
    """Return the counters of a session, or of all, as facts."""
    facts: dict[str, list[str]] = {}
    for counter in COUNTERS:
        value = found[counter.name]
        number = f"{value:,.1f}" if isinstance(value, float) else f"{value:,}"
        facts.setdefault(counter.label, []).append(f"{number} {counter.unit}".rstrip())
    return {label: ", ".join(parts) for label, parts in facts.items()}


def printable(text: str) -> str:
    """Return a text without what a terminal would obey: the names of files and users are anybody's."""
    return CONTROL.sub("\N{REPLACEMENT CHARACTER}", text)


def cell(value: object) -> Text:
    """Return a value as it is shown; a missing one as a dash."""
    from rich.text import Text  # noqa: PLC0415 - as above

    # Text, so that a file called "[red]" is a file called "[red]".
    style = STYLES.get(value, "") if isinstance(value, Coloured) else ""
    return Text("-" if value is None else printable(str(value)), style=style, overflow="fold")
