"""``hls-sessions settings``: see a daemon's settings, and change them while it runs."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Annotated, Any

import typer

from hls_sessions.cli.client import AsJson, Daemon, Token, Url
from hls_sessions.cli.completion import complete_setting
from hls_sessions.cli.duration import duration
from hls_sessions.cli.exits import Exit
from hls_sessions.cli.screen import complain, print_json, print_rows


def settings(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[set NAME=VALUE…]",
            help="What to change: durations like 90 or 5m, counts or none.",
            autocompletion=complete_setting,
        ),
    ] = None,
    url: Url = None,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Show a daemon's settings; with "set idle_timeout=600", change them while it runs: all that are named, or none.

    They hold until the daemon ends, or reads its settings file again.
    """
    word, *changes = words or [""]
    if (word, bool(changes)) not in {("", False), ("set", True)}:
        complain('Type "settings", or "settings set NAME=VALUE".')
        raise typer.Exit(Exit.USAGE)
    daemon = Daemon(url, token)
    found = daemon.patch("/settings", dict(map(_read, changes))) if changes else daemon.get("/settings")
    if as_json:
        print_json(found)
    else:
        _print(found)


def _read(typed: str) -> tuple[str, Any]:
    name, equals, value = typed.partition("=")
    if not name or not equals:
        complain(f"{typed!r} is not of the form NAME=VALUE.")
        raise typer.Exit(Exit.USAGE)
    return name.replace("-", "_"), None if value in {"", "none"} else _value(value)


def _value(typed: str) -> Any:
    with suppress(ValueError):
        return json.loads(typed)
    with suppress(typer.BadParameter):
        return duration(typed)
    return typed


def _print(found: dict[str, Any]) -> None:
    print_rows(
        ("SETTING", "VALUE", "WHILE RUNNING"),
        (
            (name, _shown(value), "can change" if name in found["changeable"] else "")
            for name, value in found["settings"].items()
        ),
    )


def _shown(value: object) -> object:
    return ", ".join(map(str, value)) if isinstance(value, list) else value
