"""``hls-sessions pause``: stop a session's encoders for a while."""

from __future__ import annotations

from typing import Annotated

import typer

from hls_sessions.cli.client import AsJson, Daemon, Token, Url
from hls_sessions.cli.screen import clock_time, print_json


def pause(
    session: Annotated[str, typer.Argument(metavar="ID", help="The session's id, or its first characters.")],
    position: Annotated[float | None, typer.Option(min=0, help="Where the viewer is, in seconds.")] = None,
    url: Url = None,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Stop a session's encoders. With --json, print a snapshot that "resume --snapshot" goes on from, also later."""
    daemon = Daemon(url, token)
    full = daemon.full_id(session)
    snapshot = daemon.post(f"/sessions/{full}/pause", {"position": position})
    if as_json:
        print_json(snapshot)
    else:
        typer.echo(f"paused {full} at {clock_time(snapshot['position'])}")
