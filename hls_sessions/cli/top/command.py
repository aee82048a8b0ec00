"""The command itself, without what it draws with."""

from __future__ import annotations

import os
import sys
from typing import Annotated, Final

import typer

from hls_sessions.cli.client import Daemon, Token, Url
from hls_sessions.cli.exits import Exit
from hls_sessions.cli.feed import PATIENCE
from hls_sessions.cli.screen import complain

LONGEST: Final = 3600.0
"""Seconds between two looks at most."""


def top(
    interval: Annotated[
        float, typer.Option("--interval", "-i", min=0.2, max=LONGEST, help="Seconds between two looks at the daemon.")
    ] = 1.0,
    url: Url = None,
    token: Token = None,
) -> None:
    """Show all sessions on one screen, as they are, and stop, pause or resume them. ? there lists the keys."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()) or os.environ.get("TERM", "dumb") == "dumb":
        complain("top needs a terminal; without one there are hls-sessions list, stats and events, also with --json.")
        raise typer.Exit(Exit.USAGE)
    # What draws is loaded for this command alone: the others answer sooner without it.
    from hls_sessions.cli.top.display import Display  # noqa: PLC0415
    from hls_sessions.cli.top.look import look  # noqa: PLC0415

    daemon = Daemon(url, token, timeout=PATIENCE)
    # The first look ends the command where there is no daemon, or it wants a token. Later ones are tried again.
    first = look(daemon)
    daemon.quiet = True
    raise typer.Exit(Display(daemon, first, interval).run())
