"""What the shell completes with the help of the daemon. It is asked quickly, and its silence is no fault.

The names of users and files are anybody's, and shells evaluate what a completion prints. So a name that could mean
something to a shell is left out, or has other characters in its place.
"""

from __future__ import annotations

import re
from contextlib import redirect_stderr
from io import StringIO
from typing import TYPE_CHECKING, Any, Final

import typer

from hls_sessions.cli.client import Daemon

if TYPE_CHECKING:
    from collections.abc import Iterator

PATIENCE: Final = 1.0
"""Seconds that the daemon has to answer: the operator waits at the prompt."""

PLAIN: Final = re.compile(r"[\w@%+=.,-]+")
"""Names that no shell takes for anything else."""

ODD: Final = re.compile(r"[^\w @%+=.,-]")


def complete_session(ctx: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """Return the ids of sessions that begin so, but those that are named already."""
    there = ctx.params.get("sessions") or ()
    return [
        (session["session_id"], _described(session))
        for session in _asked(ctx, "/sessions")
        if session["session_id"].startswith(incomplete) and session["session_id"] not in there
    ]


def complete_recording(ctx: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """Return the ids of recordings that begin so."""
    return [(each["id"], _described(each)) for each in _asked(ctx, "/recordings") if each["id"].startswith(incomplete)]


def complete_user(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return the users of sessions whose names begin so."""
    users = {session["user"] or "" for session in _asked(ctx, "/sessions")}
    return sorted(user for user in users if user.startswith(incomplete) and PLAIN.fullmatch(user))


def complete_rendition(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return the ids of renditions that begin so: of the session that is named already, else of all."""
    named = ctx.params.get("session") or ""
    found = {
        rendition["id"]
        for session in _asked(ctx, "/sessions")
        if session["session_id"].startswith(named)
        for rendition in session["renditions"]
    }
    return sorted(name for name in found if name.startswith(incomplete))


def complete_setting(incomplete: str) -> list[tuple[str, str]]:
    """Return the settings that can change while the daemon runs, as ``settings set`` takes them."""
    from hls_sessions.settings import Settings  # noqa: PLC0415 - the others answer sooner without it

    meanings = Settings.meanings()
    words = {"set": "change settings"} | {f"{name}=": meanings[name] for name in sorted(Settings.changeable())}
    return [(word, ODD.sub(" ", about)) for word, about in words.items() if word.startswith(incomplete)]


def _asked(ctx: typer.Context, path: str) -> Iterator[dict[str, Any]]:
    """Yield what the daemon lists; nothing if it does not answer."""
    with redirect_stderr(StringIO()):
        try:
            found = _daemon(ctx).get(path)
        except typer.Exit:
            return
    yield from found


def _daemon(ctx: typer.Context) -> Daemon:
    return Daemon(ctx.params.get("url"), ctx.params.get("token"), quiet=True, timeout=PATIENCE)


def _described(found: dict[str, Any]) -> str:
    of = f" of {found['user']}" if found["user"] else ""
    return ODD.sub("_", f"{found.get('state', 'recording')} {found['title']}{of}")
