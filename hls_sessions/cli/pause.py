"""``hls-sessions pause``: stop sessions' encoders for a while."""

from __future__ import annotations

from typing import Annotated

import typer

from hls_sessions.cli.client import AsJson, Daemon, Token, Url
from hls_sessions.cli.completion import complete_session
from hls_sessions.cli.exits import Exit
from hls_sessions.cli.many import All, IdleFor, Media, OlderThan, State, User, choose, named, report
from hls_sessions.cli.screen import clock_time, complain, print_json


def pause(
    session: Annotated[
        str | None,
        typer.Argument(
            metavar="[ID]", help="The session's id, or its first characters.", autocompletion=complete_session
        ),
    ] = None,
    position: Annotated[float | None, typer.Option(min=0, help="Where the viewer is, in seconds.")] = None,
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
    """Stop a session's encoders, or those of all that meet conditions.

    Of one, --json prints a snapshot that "resume --snapshot" goes on from, also later.
    """
    wanted = named(user=user, state=state, media=media, older_than=older_than, idle_for=idle_for, all=everything)
    choose(session is not None, wanted)
    daemon = Daemon(url, token)
    if session is None and position is not None:
        complain("Many sessions have no one position.")
        raise typer.Exit(Exit.USAGE)
    if session is None:
        report("paused", daemon.post("/sessions/pause", wanted), as_json)
        return
    full = daemon.full_id(session)
    snapshot = daemon.post(f"/sessions/{full}/pause", {"position": position})
    if as_json:
        print_json(snapshot)
    else:
        typer.echo(f"paused {full} at {clock_time(snapshot['position'])}")
