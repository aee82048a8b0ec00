"""``hls-sessions start``: open a session."""

from __future__ import annotations

import webbrowser
from typing import Annotated

import typer

from hls_sessions.cli.client import AsJson, Daemon, Token, Url
from hls_sessions.cli.info import print_session
from hls_sessions.cli.many import as_daemon_sees
from hls_sessions.cli.progress import waiting
from hls_sessions.cli.screen import complain, print_json


def start(
    file: Annotated[str, typer.Argument(help="The media file: here, or relative to a media root of the daemon.")],
    user: Annotated[str | None, typer.Option(help="Whose session: opening again returns the same one.")] = None,
    open_page: Annotated[
        bool, typer.Option("--open", help="Open the player page in the browser of this machine's user.")
    ] = False,
    start_at: Annotated[float, typer.Option(help="Seconds at which to begin.")] = 0.0,
    share: Annotated[
        bool, typer.Option("--share/--no-share", help="Whether to share segments with other sessions of the file.")
    ] = True,
    prepare: Annotated[
        bool | None,
        typer.Option(help="Make the first segments before a player asks, or not; by default the daemon's setting."),
    ] = None,
    url: Url = None,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Open a session for a file, and print where to watch it."""
    daemon = Daemon(url, token)
    wanted = {"media": as_daemon_sees(file), "user": user, "start_at": start_at, "share": share, "prepare": prepare}
    with waiting("opening"):
        session = daemon.post("/sessions", wanted)
    if as_json:
        print_json(session)
    else:
        print_session(session, daemon.url)
    if open_page:
        _open(daemon.url + session["player_url"])


def _open(address: str) -> None:
    if not webbrowser.open(address):
        complain(f"There is no browser here to open the page. Open it yourself: {address}")
