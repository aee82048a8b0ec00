"""``hls-sessions info``: one session."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from hls_sessions.cli.client import AsJson, Daemon, Token, Url
from hls_sessions.cli.completion import complete_session
from hls_sessions.cli.screen import Coloured, clock_time, counted, print_facts, print_json, print_rows


def info(
    session: Annotated[
        str,
        typer.Argument(
            metavar="ID", help="The session's id, or its first characters.", autocompletion=complete_session
        ),
    ],
    url: Url = None,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Show one session. This counts as a heartbeat."""
    daemon = Daemon(url, token)
    found = daemon.get(f"/sessions/{daemon.full_id(session)}")
    if as_json:
        print_json(found)
    else:
        print_session(found, daemon.url)


def print_session(session: dict[str, Any], url: str) -> None:
    """Print a session, its renditions and its encoders."""
    print_facts(
        {
            "session": session["session_id"],
            "state": Coloured(session["state"]),
            **({"node": session["node"]} if session.get("node") else {}),
            "user": session["user"],
            "media": session["media"],
            "spent": ", ".join(f"{name} {clock_time(spent)}" for name, spent in session["seconds_in"].items() if spent),
            "length": clock_time(session["duration"]),
            "playlist": url + session["playlist_url"],
            "player": url + session["player_url"],
            "directory": session["directory"],
            "expires in": clock_time(session["expires_in"]),
            **counted(session),
            "packager": session["packager"] and f"pid {session['packager']}",
            "restarts": ", ".join(f"{times} {what}" for what, times in session["restarts"].items()) or "none",
            "waiting": session["viewers_waiting"],
            "first awaited": _awaited(session["first_awaited"]),
            "last awaited": _awaited(session["last_awaited"]),
        }
        | {f"note {number}": note for number, note in enumerate(session["notes"], 1)}
    )
    print_rows(
        ("RENDITION", "SIZE", "CODECS", "BANDWIDTH", "ON DISK", "ENCODER"),
        ((*_rendition(rendition), _encoders(session["runs"], rendition["id"])) for rendition in session["renditions"]),
    )
    gaps = [(rendition["id"], gap) for rendition in session["renditions"] for gap in rendition["gaps"]]
    if gaps:
        print_rows(
            ("GAP IN", "SEGMENTS", "REASON"), ((where, f"{g['first']}-{g['last']}", g["reason"]) for where, g in gaps)
        )


def _awaited(segment: dict[str, Any] | None) -> str | None:
    """Tell of a segment that a viewer waited for, phase by phase."""
    if segment is None:
        return None
    phases = ", ".join(f"{phase} {seconds * 1000:.0f}" for phase, seconds in segment["phases"].items())
    return f"{segment['rendition']} {segment['segment']} after {segment['seconds'] * 1000:.0f} ms: {phases}"


def _rendition(rendition: dict[str, Any]) -> tuple[object, ...]:
    size = f"{rendition['width']}x{rendition['height']}" if rendition["width"] else rendition["language"]
    on_disk = f"{rendition['published']} of {rendition['segments']}"
    return rendition["id"], size, rendition["codecs"], rendition["bandwidth"], on_disk


def _encoders(runs: list[dict[str, Any]], rendition: str) -> str | None:
    own = [
        f"{run['encoder']}, pid {run['pid']}, at {run['next']}{' (held)' if run['held'] else ''}"
        for run in runs
        if run["rendition"] == rendition
    ]
    return ", ".join(own) or None
