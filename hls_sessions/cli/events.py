"""``hls-sessions events``: listen to events."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Annotated, Any

import typer

from hls_sessions.cli.client import AsJson, Daemon, Token, Url
from hls_sessions.cli.completion import complete_session
from hls_sessions.cli.screen import printable


def events(
    session: Annotated[
        str | None, typer.Argument(metavar="[ID]", help="Only this session's.", autocompletion=complete_session)
    ] = None,
    url: Url = None,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Print what happens, a line per event, until the session ends, the daemon stops or Ctrl-C. --json: JSON lines."""
    daemon = Daemon(url, token)
    path = "/events" if session is None else f"/sessions/{daemon.full_id(session)}/events?subscribe=false"
    with suppress(KeyboardInterrupt):
        for name, data in daemon.listen(path):
            typer.echo(json.dumps({"event": name} | data) if as_json else printable(_line(name, data)))


def _line(name: str, data: dict[str, Any]) -> str:
    match name:
        case "session":
            said = f"is {data['state']}"
        case "started":
            said = f"plays {data['media']} for {data['user'] or 'nobody in particular'}"
        case "state_changed":
            said = f"{data['from_state']} -> {data['to_state']} by its {data['by']}: {data['reason']}"
        case "segment_ready":
            said = f"{data['rendition']}/{data['segment']}, {data['size']:,} bytes"
        case "restarted":
            place = f" at {data['rendition']}/{data['segment']}" if data["rendition"] else ""
            said = f"{data['what']}{place}: {data['cause']}"
        case "evicted":
            said = f"{data['rendition']}/{data['segment']}"
        case "updated" | "reconfigured":
            said = ", ".join(f"{setting} = {value}" for setting, value in data["settings"].items())
        case _:
            said = data.get("reason", "")
    return f"{data.get('at', '-')}  {data.get('session_id') or '-'}  {name}  {said}"
