"""``hls-sessions download``: fetch a recording."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Annotated

import typer

from hls_sessions.cli.client import AsJson, Daemon, Token, Url
from hls_sessions.cli.completion import complete_recording
from hls_sessions.cli.exits import Exit
from hls_sessions.cli.progress import progress
from hls_sessions.cli.screen import complain, print_json

if TYPE_CHECKING:
    import httpx


class Kind(StrEnum):
    """The part of a recording that is fetched."""

    ORIGINAL = "original"
    VIDEO = "video"
    AUDIO = "audio"
    WAV = "wav"
    SUBTITLES = "subtitles"


def download(
    recording: Annotated[
        str,
        typer.Argument(
            metavar="ID", help="The recording's id, or its first characters.", autocompletion=complete_recording
        ),
    ],
    output: Annotated[
        str | None, typer.Option("--output", "-o", help="The file to write; - for standard output.")
    ] = None,
    kind: Annotated[
        Kind,
        typer.Option(
            help="original: as it arrived; video: with an index; audio: its sound; wav: its samples; subtitles: WebVTT."
        ),
    ] = Kind.ORIGINAL,
    part: Annotated[
        int | None,
        typer.Option(min=0, help="Which part, where its source came back with another stream. By default all of them."),
    ] = None,
    url: Url = None,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Fetch a recording as far as it has arrived; also while it still goes on."""
    if as_json and output == "-":
        complain("Standard output is the recording itself, or JSON about it; not both.")
        raise typer.Exit(Exit.USAGE)
    daemon = Daemon(url, token)
    session = daemon.full_id(recording, "/recordings", "id")
    more = {"format": "wav"} if kind is Kind.WAV else {}
    if part is not None:
        more["part"] = str(part)
    path = f"/sessions/{session}/files/{Kind.AUDIO if kind is Kind.WAV else kind}"
    with daemon.download(path, **more) as answer:
        if output == "-":
            for data in answer.iter_bytes():
                sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
            return
        name = output or f"{session}-{part or 0}{_suffix(answer)}"
        # Under its name only when it is whole.
        unfinished = Path(f"{name}.part")
        try:
            with unfinished.open("wb") as file, progress(name, int(answer.headers["content-length"])) as line:
                for data in answer.iter_bytes():
                    file.write(data)
                    line.advance(len(data))
            unfinished.replace(name)
        except OSError as error:
            unfinished.unlink(missing_ok=True)
            complain(f"{name!r} cannot be written: {error.strerror}.")
            raise typer.Exit(Exit.FAILED) from error
    if as_json:
        print_json({"recording": session, "file": name, "bytes": Path(name).stat().st_size})
    else:
        sys.stderr.write(f"{name}\n")


def _suffix(answer: httpx.Response) -> str:
    """Return the extension of the file that is sent."""
    return PurePath(answer.headers.get("content-disposition", "").rstrip('"')).suffix
