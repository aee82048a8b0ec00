"""Asking before many sessions end."""

from __future__ import annotations

import sys
from typing import Annotated, Any, Final

import typer

from hls_sessions.cli.exits import Exit
from hls_sessions.cli.screen import Coloured, clock_time, complain, print_rows

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]

SHOWN: Final = 20
"""Sessions that are listed at most before the question."""


def require_answer(yes: bool) -> None:
    """See that somebody can be asked, or need not be; else end the command before it does anything."""
    if not yes and not (sys.stdin.isatty() and sys.stderr.isatty()):
        complain("There is no terminal to ask before many sessions end: --yes ends them without a question.")
        raise typer.Exit(Exit.USAGE)


def confirm(what: str, sessions: list[dict[str, Any]]) -> None:
    """List sessions and ask whether to do something with them, on standard error; end the command without a yes."""
    print_rows(
        ("ID", "STATE", "USER", "MEDIA", "POSITION"),
        (
            (
                session["session_id"],
                Coloured(session["state"]),
                session["user"],
                session["title"],
                clock_time(session["position"]),
            )
            for session in sessions[:SHOWN]
        ),
        error=True,
    )
    if len(sessions) > SHOWN:
        typer.echo(f"… and {len(sessions) - SHOWN} more", err=True)
    typer.confirm(f"{what} {counted_users(sessions)}?", abort=True, err=True)


def counted_users(sessions: list[dict[str, Any]]) -> str:
    """Return how many sessions there are, and of how many users: ``12 sessions of 3 users``."""
    users = {session["user"] for session in sessions} - {None}
    many = f"{len(sessions)} session{'s' if len(sessions) != 1 else ''}"
    return f"{many} of {len(users)} user{'s' if len(users) != 1 else ''}" if users else many
