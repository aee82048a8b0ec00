"""Lines on a terminal that show how far long work is. Without a terminal, and in a pipe, there are none."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.progress import Progress, ProgressColumn, TaskID


class ProgressLine:
    """A line on a terminal that shows how much has been done. Any thread may use it."""

    def __init__(self, shown: Progress, task: TaskID) -> None:
        self._shown = shown
        self._task = task

    @property
    def is_shown(self) -> bool:
        """Whether there is a terminal to show it on."""
        return not self._shown.disable

    def advance(self, more: int = 1) -> None:
        """Show that more was done."""
        self._shown.advance(self._task, more)

    def say(self, description: str) -> None:
        """Show a description."""
        self._shown.update(self._task, description=description)

    def show(self, description: str, done: int, total: int) -> None:
        """Show the current step, and how many of all are done."""
        self._shown.update(self._task, description=description, completed=done, total=total)


@contextmanager
def progress(what: str, total: int | None = None) -> Iterator[ProgressLine]:
    """Show how many bytes have come; of a total, if it is known."""
    from rich.progress import (  # noqa: PLC0415 - few commands take long, and the others answer sooner without it
        BarColumn,
        DownloadColumn,
        FileSizeColumn,
        TextColumn,
        TimeElapsedColumn,
        TransferSpeedColumn,
    )

    size = FileSizeColumn() if total is None else DownloadColumn()
    bar = (BarColumn(),) if total is not None else ()
    columns = (TextColumn("{task.description}"), size, TransferSpeedColumn(), TimeElapsedColumn())
    with _line(what, total, *bar, *columns) as line:
        yield line


@contextmanager
def counting(what: str, total: int | None = None) -> Iterator[ProgressLine]:
    """Show how many things are done, of so many; the line is gone afterwards."""
    from rich.progress import (  # noqa: PLC0415 - as above
        BarColumn,
        MofNCompleteColumn,
        TextColumn,
        TimeElapsedColumn,
    )

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with _line(what, total, *columns, transient=True) as line:
        yield line


@contextmanager
def waiting(what: str) -> Iterator[None]:
    """Show that something is waited for, and how long; the line is gone afterwards."""
    from rich.progress import SpinnerColumn, TextColumn, TimeElapsedColumn  # noqa: PLC0415 - as above

    with _line(what, None, SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn(), transient=True):
        yield


@contextmanager
def _line(what: str, total: int | None, *columns: ProgressColumn, transient: bool = False) -> Iterator[ProgressLine]:
    from rich.console import Console  # noqa: PLC0415 - as above
    from rich.progress import Progress  # noqa: PLC0415 - as above

    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=transient, disable=not console.is_terminal) as shown:
        yield ProgressLine(shown, shown.add_task(what, total=total))
