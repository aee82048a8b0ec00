"""``hls-sessions health``: whether a daemon can do its work."""

from __future__ import annotations

from typing import Any

import typer

from hls_sessions.cli.client import AsJson, Daemon, Token, Url
from hls_sessions.cli.exits import Exit
from hls_sessions.cli.screen import Coloured, clock_time, print_facts, print_json


def health(url: Url = None, token: Token = None, as_json: AsJson = False) -> None:
    """Say whether the daemon can do its work, and why where it cannot. Exits with 1 when that is critical."""
    found = Daemon(url, token).health()
    if as_json:
        print_json(found)
    else:
        print_facts(_facts(found))
    raise typer.Exit(Exit.FAILED if found["status"] == "critical" else Exit.OK)


def _facts(found: dict[str, Any]) -> dict[str, object]:
    limit = f" of {found['max_encoders']}" if found["max_encoders"] else ""
    return {
        "status": Coloured(found["status"]),
        **{
            f"reason {number}": f"{reason} {advice}"
            for number, (reason, advice) in enumerate(zip(found["reasons"], found["advice"], strict=True), 1)
        },
        "sessions": f"{found['sessions']} of {found['max_sessions']}, {found['stuck_sessions']} stuck",
        "encoders": f"{found['encoders']}{limit}",
        "disk used": None if found["disk_used"] is None else f"{found['disk_used']:.0%}",
        "ffmpeg": found["ffmpeg"],
        "sandbox": found.get("sandbox"),
        "history": found["history"],
        "janitor": found["janitor_ran_at"],
        "uptime": clock_time(found["uptime"]),
    }
