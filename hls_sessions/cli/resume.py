"""``hls-sessions resume``: let a paused session go on, or go on from a snapshot."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from hls_sessions.cli.client import AsJson, Daemon, Token, Url
from hls_sessions.cli.completion import complete_session
from hls_sessions.cli.exits import Exit
from hls_sessions.cli.info import print_session
from hls_sessions.cli.screen import complain, print_json


def resume(
    session: Annotated[
        str | None,
        typer.Argument(
            metavar="[ID]", help="The session's id, or its first characters.", autocompletion=complete_session
        ),
    ] = None,
    snapshot: Annotated[
        typer.FileText | None, typer.Option(help="A snapshot that pause --json printed; - for standard input.")
    ] = None,
    url: Url = None,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Let a session go on as it was. From a snapshot, also when the session or its daemon is gone: in a new one."""
    if (session is None) == (snapshot is None):
        complain("Name a session, or a snapshot.")
        raise typer.Exit(Exit.USAGE)
    daemon = Daemon(url, token)
    if snapshot is None:
        resumed = daemon.post(f"/sessions/{daemon.full_id(session or '')}/resume")
    else:
        resumed = daemon.post("/resume", _read(snapshot))
    if as_json:
        print_json(resumed)
    else:
        print_session(resumed, daemon.url)


def _read(file: typer.FileText) -> dict[str, Any]:
    try:
        read = json.load(file)
    except ValueError as error:
        complain(f"{file.name} is no snapshot: {error}.")
        raise typer.Exit(Exit.USAGE) from error
    if not isinstance(read, dict):
        complain(f"{file.name} is no snapshot: it holds no JSON object.")
        raise typer.Exit(Exit.USAGE)
    return read
