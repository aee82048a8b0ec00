"""Output: tables on standard output, complaints on standard error, JSON if asked for."""

from __future__ import annotations

import json
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    FileSizeColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TransferSpeedColumn,
)
from rich.table import Table
from rich.text import Text

from hls_sessions.counters import COUNTERS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

WIDTH = 200
"""Columns a table may have. A narrower terminal wraps its lines, which is easier to read and to copy from than
cells of three characters each."""


def print_json(value: Any) -> None:
    """Print a value as JSON."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def print_rows(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table, a row per thing."""
    table = Table(*columns, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        table.add_row(*(_cell(value) for value in row))
    Console(width=WIDTH).print(table)


def print_facts(facts: Mapping[str, object]) -> None:
    """Print a line per fact. Lines are not broken here, because an address must be in one piece to be copied."""
    width = max(map(len, facts))
    for name, value in facts.items():
        sys.stdout.write(f"{name:<{width}}  {'-' if value is None else value}\n")
    sys.stdout.flush()


class ProgressLine:
    """A line on a terminal that shows how many bytes have come. Any thread may use it."""

    def __init__(self, shown: Progress, task: TaskID) -> None:
        self._shown = shown
        self._task = task

    @property
    def is_shown(self) -> bool:
        """Whether there is a terminal to show it on."""
        return not self._shown.disable

    def advance(self, more: int) -> None:
        """Show more bytes."""
        self._shown.advance(self._task, more)

    def say(self, description: str) -> None:
        """Show a description."""
        self._shown.update(self._task, description=description)


@contextmanager
def progress(what: str, total: int | None = None) -> Iterator[ProgressLine]:
    """Show on a terminal how many bytes have come; of a total, if it is known."""
    size = FileSizeColumn() if total is None else DownloadColumn()
    columns = (TextColumn("{task.description}"), size, TransferSpeedColumn(), TimeElapsedColumn())
    bar = (BarColumn(),) if total is not None else ()
    console = Console(stderr=True)
    with Progress(*bar, *columns, console=console, disable=not console.is_terminal) as shown:
        task = shown.add_task(what, total=total)
        yield ProgressLine(shown, task)


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


def _cell(value: object) -> Text:
    # Text, so that a file called "[red]" is a file called "[red]".
    return Text("-" if value is None else str(value), overflow="fold")
