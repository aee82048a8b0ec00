"""``hls-sessions stop``: end sessions."""

from __future__ import annotations

from typing import Annotated

import typer

from hls_sessions.cli.client import AsJson, Daemon, Token, Url
from hls_sessions.cli.exits import Exit
from hls_sessions.cli.screen import print_json


def stop(
    sessions: Annotated[list[str], typer.Argument(metavar="ID…", help="The sessions' ids, or their first characters.")],
    url: Url = None,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """End sessions. When this returns, everything they cost is gone."""
    daemon = Daemon(url, token)
    stopped: list[str] = []
    worst = Exit.OK
    for session in sessions:
        full = daemon.full_id(session)
        try:
            daemon.delete(f"/sessions/{full}")
        except typer.Exit as failed:  # the others are still to be stopped
            worst = max(worst, Exit(failed.exit_code))
        else:
            stopped.append(full)
    if as_json:
        print_json({"stopped": stopped})
    else:
        for session in stopped:
            typer.echo(f"stopped {session}")
    raise typer.Exit(worst)
