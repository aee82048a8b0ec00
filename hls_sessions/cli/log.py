"""``hls-sessions log``: what a session's encoders and packagers said last."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Annotated, Any

import typer

from hls_sessions.cli.client import AsJson, Daemon, Token, Url
from hls_sessions.cli.exits import Exit
from hls_sessions.cli.screen import print_json

EVERY = 1.0
"""Seconds between two looks of --follow."""


def log(
    session: Annotated[str, typer.Argument(metavar="ID", help="The session's id, or its first characters.")],
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the session ends or Ctrl-C.")] = False,
    url: Url = None,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Show what a session's encoders and packagers said last, and how each of them ended."""
    daemon = Daemon(url, token)
    path = f"/sessions/{daemon.full_id(session)}/log"
    entries = daemon.get(path)
    if as_json:
        print_json(entries)
        return
    shown: set[str] = set()
    _print(entries, shown)
    if not follow:
        return
    with suppress(KeyboardInterrupt):
        while True:
            time.sleep(EVERY)
            try:
                _print(daemon.get(path), shown)
            except typer.Exit as ended:
                if ended.exit_code == Exit.NO_SESSION:
                    return  # of which the daemon's answer has told
                raise


def _print(entries: list[dict[str, Any]], shown: set[str]) -> None:
    """Print the lines that were not shown yet."""
    for entry in entries:
        lines = [*entry["lines"], *([f"({entry['ended']})"] if entry["ended"] else [])]
        for number, line in enumerate(lines):
            key = f"{entry['process']} {number} {line}"
            if key not in shown:
                shown.add(key)
                typer.echo(f"{entry['at']}  {entry['process']}  {line}")
