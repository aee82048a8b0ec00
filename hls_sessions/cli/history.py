"""``hls-sessions history``: every step of a session's life."""

from __future__ import annotations

from typing import Annotated

import typer

from hls_sessions.cli.client import AsJson, Daemon, Token, Url
from hls_sessions.cli.completion import complete_session
from hls_sessions.cli.screen import Coloured, print_json, print_rows


def history(
    session: Annotated[
        str,
        typer.Argument(
            metavar="ID",
            help="The session's id; its first characters while it lives.",
            autocompletion=complete_session,
        ),
    ],
    url: Url = None,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Show every step of a session's life; of an ended one, as long as the daemon remembers it."""
    daemon = Daemon(url, token)
    steps = daemon.get(f"/sessions/{daemon.full_id(session)}/history")
    if as_json:
        print_json(steps)
        return
    print_rows(
        ("WHEN", "FROM", "TO", "BY", "WHY"),
        (
            (step["at"], Coloured(step["from_state"]), Coloured(step["to_state"]), step["by"], step["reason"])
            for step in steps
        ),
    )
