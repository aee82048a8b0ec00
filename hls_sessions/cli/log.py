"""``hls-sessions log``: what a session's encoders and packagers said last."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from typing import Annotated, Any

import typer

from hls_sessions.cli.client import AsJson, Daemon, Token, Url
from hls_sessions.cli.completion import complete_rendition, complete_session
from hls_sessions.cli.exits import Exit
from hls_sessions.cli.screen import print_json, printable

EVERY = 1.0
"""Seconds between two looks of --follow."""


def log(
    session: Annotated[
        str,
        typer.Argument(
            metavar="ID", help="The session's id, or its first characters.", autocompletion=complete_session
        ),
    ],
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the session ends or Ctrl-C.")] = False,
    rendition: Annotated[
        str | None, typer.Option(help="Only of this rendition's.", autocompletion=complete_rendition)
    ] = None,
    url: Url = None,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Show what a session's encoders and packagers said last, and how each of them ended.

    With --follow, --json prints an object per line.
    """
    daemon = Daemon(url, token)
    path = f"/sessions/{daemon.full_id(session)}/log"

    def ask() -> list[dict[str, Any]]:
        entries = daemon.get(path)
        return [entry for entry in entries if rendition in {None, entry["process"].partition(" ")[0]}]

    entries = ask()
    if as_json and not follow:
        print_json(entries)
        return
    shown: set[str] = set()
    _print(entries, shown, as_json)
    if not follow:
        return
    with suppress(KeyboardInterrupt):
        while True:
            time.sleep(EVERY)
            try:
                _print(ask(), shown, as_json)
            except typer.Exit as ended:
                if ended.exit_code == Exit.NO_SESSION:
                    return  # of which the daemon's answer has told
                raise


def _print(entries: list[dict[str, Any]], shown: set[str], as_json: bool) -> None:
    """Print the lines that were not shown yet."""
    for entry in entries:
        lines = [*entry["lines"], *([f"({entry['ended']})"] if entry["ended"] else [])]
        for number, line in enumerate(lines):
            key = f"{entry['process']} {number} {line}"
            if key not in shown:
                shown.add(key)
                told = {"at": entry["at"], "process": entry["process"], "line": line}
                typer.echo(json.dumps(told) if as_json else printable("  ".join(told.values())))
