"""Choosing many sessions by conditions, asking before they end, and reporting the outcome of each."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from hls_sessions.cli.completion import complete_user
from hls_sessions.cli.duration import duration
from hls_sessions.cli.exits import Exit
from hls_sessions.cli.screen import complain, print_json


class LivingState(StrEnum):
    """The states of a session that has not ended."""

    PENDING = "pending"
    ACTIVE = "active"
    PAUSED = "paused"


User = Annotated[str | None, typer.Option(help="All of this user's.", autocompletion=complete_user)]
State = Annotated[LivingState | None, typer.Option(help="All in this state.")]
Media = Annotated[str | None, typer.Option(help="All of this file: relative to a media root, or absolute.")]
OlderThan = Annotated[
    float | None, typer.Option(parser=duration, metavar="TIME", help="All that were opened so long ago, like 1h30m.")
]
IdleFor = Annotated[
    float | None, typer.Option(parser=duration, metavar="TIME", help="All that nothing was asked of for so long.")
]
All = Annotated[bool, typer.Option("--all", help="All there are.")]


def named(*, media: str | None = None, **others: str | float | None) -> dict[str, Any]:
    """Return the conditions or changes that were given, as the API takes them."""
    given = {"media": None if media is None else as_daemon_sees(media), **others}
    return {name: value for name, value in given.items() if value is not None and value is not False}


def as_daemon_sees(media: str) -> str:
    """Return a file's path: absolute where it is here, else as it is, for the daemon to look for."""
    from hls_sessions.media import readable  # noqa: PLC0415 - most commands name no file, and answer sooner without it

    here = Path(media).expanduser()
    return readable(str(here.resolve()) if here.exists() else media)


def choose(given: bool, wanted: dict[str, Any]) -> None:
    """See that sessions are named in one way: by ``given`` ids, or by conditions."""
    if given == bool(wanted):
        complain("Name sessions, or conditions such as --user; --all for all of them.")
        raise typer.Exit(Exit.USAGE)


def report(did: str, outcomes: list[dict[str, Any]], as_json: bool) -> None:
    """Print the outcome of each session; exit with FAILED if one was refused."""
    if as_json:
        print_json(outcomes)
    elif not outcomes:
        typer.echo("no session is meant")
    for outcome in outcomes:
        if not outcome["done"]:
            complain(f"{outcome['session_id']}: {outcome['refusal']}")
        elif not as_json:
            typer.echo(f"{did} {outcome['session_id']}")
    raise typer.Exit(Exit.OK if all(outcome["done"] for outcome in outcomes) else Exit.FAILED)
