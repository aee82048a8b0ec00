"""``hls-sessions stop``: end sessions."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from hls_sessions.cli.client import AsJson, Daemon, Token, Url
from hls_sessions.cli.completion import complete_session
from hls_sessions.cli.exits import Exit
from hls_sessions.cli.many import All, IdleFor, Media, OlderThan, State, User, choose, named, report
from hls_sessions.cli.progress import counting
from hls_sessions.cli.question import Yes, confirm, require_answer
from hls_sessions.cli.screen import print_json

if TYPE_CHECKING:
    from hls_sessions.cli.progress import ProgressLine

AT_ONCE: Final = 8
"""Sessions that are ended at the same time."""


def stop(
    sessions: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[ID…]", help="The sessions' ids, or their first characters.", autocompletion=complete_session
        ),
    ] = None,
    user: User = None,
    state: State = None,
    media: Media = None,
    older_than: OlderThan = None,
    idle_for: IdleFor = None,
    everything: All = False,
    yes: Yes = False,
    url: Url = None,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """End sessions, named or all that meet conditions. When this returns, everything they cost is gone.

    One that is named is ended at once. Before several, or those that meet conditions, this shows which, and asks.
    """
    wanted = named(user=user, state=state, media=media, older_than=older_than, idle_for=idle_for, all=everything)
    choose(bool(sessions), wanted)
    if wanted or len(sessions or ()) > 1:
        require_answer(yes)
    daemon = Daemon(url, token)
    if sessions:
        _stop_named(daemon, sessions, yes, as_json)
    elif yes:
        report("stopped", daemon.post("/sessions/stop", wanted), as_json)
    else:
        found = daemon.post("/sessions/find", wanted)
        if found:
            confirm("stop", found)
        report("stopped", _stop_found(daemon, found, wanted), as_json)


def _stop_named(daemon: Daemon, sessions: list[str], yes: bool, as_json: bool) -> None:
    """End sessions one after another; one that is not there does not keep the others from ending."""
    full, worst = [], Exit.OK
    for session in dict.fromkeys(sessions):
        try:
            full.append(daemon.full_id(session))
        except typer.Exit as failed:
            worst = max(worst, Exit(failed.exit_code))
    if len(full) > 1 and not yes:
        confirm("stop", [session for session in daemon.get("/sessions") if session["session_id"] in full])
    stopped: list[str] = []
    with counting("stopping", len(full)) as line:
        for session in full:
            try:
                daemon.delete(f"/sessions/{session}")
            except typer.Exit as failed:  # the others are still to be stopped
                worst = max(worst, Exit(failed.exit_code))
            else:
                stopped.append(session)
            line.advance()
    if as_json:
        print_json({"stopped": stopped})
    else:
        for session in stopped:
            typer.echo(f"stopped {session}")
    raise typer.Exit(worst)


def _stop_found(daemon: Daemon, found: list[dict[str, Any]], wanted: dict[str, Any]) -> list[dict[str, Any]]:
    """End those that were shown, as far as they still meet the conditions: a viewer may have come back meanwhile."""
    conditions = {name: value for name, value in wanted.items() if name != "all"}

    def stop_one(session: str, line: ProgressLine) -> list[dict[str, Any]]:
        outcomes: list[dict[str, Any]] = daemon.post("/sessions/stop", {**conditions, "session_id": session})
        line.advance()
        return outcomes or [{"session_id": session, "done": False, "refusal": "It is not meant any more."}]

    with counting("stopping", len(found)) as line, ThreadPoolExecutor(AT_ONCE) as threads:
        stopped = [threads.submit(stop_one, session["session_id"], line) for session in found]
        return [outcome for each in stopped for outcome in each.result()]
