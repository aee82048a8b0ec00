"""``hls-sessions list``: the sessions of a daemon."""

from __future__ import annotations

from typing import Annotated

import typer

from hls_sessions.cli.client import AsJson, Daemon, Token, Url
from hls_sessions.cli.screen import clock_time, print_json, print_rows


def list_sessions(
    user: Annotated[str | None, typer.Option(help="Only this user's.")] = None,
    state: Annotated[str | None, typer.Option(help="Only those in this state.")] = None,
    url: Url = None,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """List the sessions, the oldest first."""
    sessions = Daemon(url, token).get("/sessions", user=user, state=state)
    if as_json:
        print_json(sessions)
        return
    print_rows(
        ("ID", "STATE", "USER", "MEDIA", "LENGTH", "ENCODERS", "SEGMENTS", "EXPIRES IN"),
        (
            (
                session["session_id"],
                session["state"],
                session["user"],
                session["title"],
                clock_time(session["duration"]),
                len(session["runs"]),
                sum(rendition["published"] for rendition in session["renditions"]),
                clock_time(session["expires_in"]),
            )
            for session in sessions
        ),
    )
