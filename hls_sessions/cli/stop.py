"""``hls-sessions stop``: end sessions."""

from __future__ import annotations

from typing import Annotated

import typer

from hls_sessions.cli.client import AsJson, Daemon, Token, Url
from hls_sessions.cli.exits import Exit
from hls_sessions.cli.many import All, IdleFor, Media, OlderThan, State, User, choose, named, report
from hls_sessions.cli.screen import print_json


def stop(
    sessions: Annotated[
        list[str] | None, typer.Argument(metavar="[ID…]", help="The sessions' ids, or their first characters.")
    ] = None,
    user: User = None,
    state: State = None,
    media: Media = None,
    older_than: OlderThan = None,
    idle_for: IdleFor = None,
    everything: All = False,
    url: Url = None,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """End sessions, named or all that meet conditions. When this returns, everything they cost is gone."""
    wanted = named(user=user, state=state, media=media, older_than=older_than, idle_for=idle_for, all=everything)
    choose(bool(sessions), wanted)
    daemon = Daemon(url, token)
    if not sessions:
        report("stopped", daemon.post("/sessions/stop", wanted), as_json)
        return
    stopped: list[str] = []
    worst = Exit.OK
    for session in sessions:
        full = daemon.full_id(session)
        try:
            daemon.delete(f"/sessions/{full}")
        except typer.Exit as failed:  # the others are still to be stopped
            worst = max(worst, Exit(failed.exit_code))
        else:
            stopped.append(full)
    if as_json:
        print_json({"stopped": stopped})
    else:
        for session in stopped:
            typer.echo(f"stopped {session}")
    raise typer.Exit(worst)
