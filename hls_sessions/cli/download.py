"""``hls-sessions download``: fetch what was recorded."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from hls_sessions.cli.client import Daemon, Token, Url
from hls_sessions.cli.exits import Exit
from hls_sessions.cli.screen import complain, progress


def download(
    recording: Annotated[str, typer.Argument(metavar="ID", help="The recording's id, or its first characters.")],
    output: Annotated[
        str | None, typer.Option("--output", "-o", help="The file to write; - for standard output.")
    ] = None,
    part: Annotated[int, typer.Option(min=0, help="Which part, where its source came back with another stream.")] = 0,
    url: Url = None,
    token: Token = None,
) -> None:
    """Fetch what has arrived of a recording, unchanged; also while it still goes on."""
    daemon = Daemon(url, token)
    session = daemon.full_id(recording)
    files = daemon.get(f"/sessions/{session}/files")
    if part >= len(files):
        complain(f"There are {len(files)} parts, counted from 0.")
        raise typer.Exit(Exit.USAGE)
    name = output or f"{session}-{files[part]['name']}"
    path = f"/sessions/{session}/files/original"
    with progress(files[part]["name"], files[part]["bytes"]) as advance:
        if output == "-":
            for data in daemon.download(path, part=str(part)):
                sys.stdout.buffer.write(data)
                advance(len(data))
            sys.stdout.buffer.flush()
            return
        # Under its name only when it is whole.
        unfinished = Path(f"{name}.part")
        try:
            with unfinished.open("wb") as file:
                for data in daemon.download(path, part=str(part)):
                    file.write(data)
                    advance(len(data))
            unfinished.replace(name)
        except OSError as error:
            unfinished.unlink(missing_ok=True)
            complain(f"{name!r} cannot be written: {error.strerror}.")
            raise typer.Exit(Exit.FAILED) from error
    sys.stderr.write(f"{name}\n")
