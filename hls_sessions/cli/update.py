"""``hls-sessions update``: change sessions that are open."""

from __future__ import annotations

from typing import Annotated

import typer

from hls_sessions.cli.client import AsJson, Daemon, Token, Url
from hls_sessions.cli.completion import complete_session
from hls_sessions.cli.duration import duration
from hls_sessions.cli.exits import Exit
from hls_sessions.cli.many import All, IdleFor, Media, OlderThan, State, User, choose, named, report
from hls_sessions.cli.screen import complain


def update(
    session: Annotated[
        str | None,
        typer.Argument(
            metavar="[ID]", help="A session's id, or its first characters.", autocompletion=complete_session
        ),
    ] = None,
    idle_timeout: Annotated[
        float | None, typer.Option(parser=duration, metavar="TIME", help="Without anything for so long, it expires.")
    ] = None,
    subscriber_ttl: Annotated[
        float | None, typer.Option(parser=duration, metavar="TIME", help="The same, when its last subscriber has left.")
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
    """Change a session, or all that meet conditions: "update --user anna --idle-timeout 1h"."""
    wanted = named(user=user, state=state, media=media, older_than=older_than, idle_for=idle_for, all=everything)
    choose(session is not None, wanted)
    changes = named(idle_timeout=idle_timeout, subscriber_ttl=subscriber_ttl)
    if not changes:
        complain("Say what to change: --idle-timeout or --subscriber-ttl.")
        raise typer.Exit(Exit.USAGE)
    daemon = Daemon(url, token)
    if session is not None:
        wanted = {"session_id": daemon.full_id(session)}
    outcomes = daemon.patch("/sessions", {"filter": wanted, "changes": changes})
    if session is not None and not outcomes:
        complain(f"There is no session {session!r}.")
        raise typer.Exit(Exit.NO_SESSION)
    report("updated", outcomes, as_json)
