"""``hls-sessions list``: the sessions of a daemon."""

from __future__ import annotations

import sys
from enum import StrEnum
from queue import SimpleQueue
from typing import TYPE_CHECKING, Annotated, Any, Final, NoReturn

import typer

from hls_sessions.cli.client import AsJson, Daemon, Token, Url
from hls_sessions.cli.completion import complete_user
from hls_sessions.cli.exits import Exit
from hls_sessions.cli.feed import PATIENCE, Feed
from hls_sessions.cli.screen import Coloured, cell, clock_time, complain, print_json, print_rows
from hls_sessions.cli.signals import EndingSignals

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import RenderableType

COLUMNS: Final = ("ID", "STATE", "USER", "MEDIA", "LENGTH", "ENCODERS", "SEGMENTS", "EXPIRES IN")

WIDE: Final = 140
"""Columns of a terminal from which on ids are shown whole while they are watched."""

EVERY: Final = 1.0
"""Seconds between two looks of --watch."""


class State(StrEnum):
    """The states of a session."""

    PENDING = "pending"
    ACTIVE = "active"
    PAUSED = "paused"
    COMPLETED = "completed"
    FAILED = "failed"
    EXPIRED = "expired"


def list_sessions(
    user: Annotated[str | None, typer.Option(help="Only this user's.", autocompletion=complete_user)] = None,
    state: Annotated[State | None, typer.Option(help="Only those in this state.")] = None,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Go on showing them as they are until Ctrl-C.")] = False,
    url: Url = None,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """List the sessions, the oldest first."""
    if watch and (as_json or not sys.stdout.isatty()):
        complain("--watch is for people at a terminal; programs read hls-sessions events --json.")
        raise typer.Exit(Exit.USAGE)
    daemon = Daemon(url, token, timeout=PATIENCE) if watch else Daemon(url, token)

    def ask() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = daemon.get("/sessions", user=user, state=state)
        return found

    if watch:
        _watch(daemon, ask)
    sessions = ask()
    if as_json:
        print_json(sessions)
    else:
        print_rows(*_columns(sessions))


def _watch(daemon: Daemon, ask: Callable[[], list[dict[str, Any]]]) -> NoReturn:
    """Show the sessions in place, as they are, until a signal comes; the last table stays on the terminal."""
    from rich.live import Live  # noqa: PLC0415 - a list that is printed once answers sooner without it

    news: SimpleQueue[None] = SimpleQueue()  # whose put may be called by a signal handler
    first = ask()
    daemon.quiet = True
    with (
        EndingSignals(lambda: news.put(None)) as signals,
        Feed(ask, first, lambda: news.put(None), EVERY) as feed,
        Live(auto_refresh=False, vertical_overflow="ellipsis") as live,
    ):
        while signals.number is None:
            live.update(_table(feed.latest, feed.trouble, live.console.width), refresh=True)
            news.get()
    raise typer.Exit(signals.exit_code)


def _table(sessions: list[dict[str, Any]], trouble: str | None, width: int) -> RenderableType:
    """Return the table with a line per session, cut where the terminal ends."""
    from rich.console import Group  # noqa: PLC0415 - as above
    from rich.table import Table  # noqa: PLC0415 - as above
    from rich.text import Text  # noqa: PLC0415 - as above

    table = Table(box=None, pad_edge=False, header_style="bold")
    columns, rows = _columns(sessions)
    for column in columns:
        table.add_column(column, no_wrap=True, overflow="ellipsis", min_width=8 if column == "ID" else None)
    for identity, *others in rows:
        shown = identity if width >= WIDE else str(identity)[:8]
        table.add_row(*map(cell, (shown, *others)))
    if trouble is None:
        return table
    return Group(table, Text(f"{trouble} Trying again …", style="bold red"))


def _columns(sessions: list[dict[str, Any]]) -> tuple[tuple[str, ...], list[tuple[object, ...]]]:
    """Return the names of the columns, and the rows. In a cluster there is a column for the node."""
    if not any(session.get("node") for session in sessions):
        return COLUMNS, [_row(session) for session in sessions]
    return (*COLUMNS, "NODE"), [(*_row(session), session.get("node")) for session in sessions]


def _row(session: dict[str, Any]) -> tuple[object, ...]:
    return (
        session["session_id"],
        Coloured(session["state"]),
        session["user"],
        session["title"],
        clock_time(session["duration"]),
        len(session["runs"]),
        sum(rendition["published"] for rendition in session["renditions"]),
        clock_time(session["expires_in"]),
    )
