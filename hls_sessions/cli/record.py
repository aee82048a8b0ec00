"""``hls-sessions record``: record standard input, or a file."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

from hls_sessions.cli.client import AsJson, Daemon, Token, Url
from hls_sessions.cli.exits import Exit
from hls_sessions.cli.progress import progress
from hls_sessions.cli.screen import clock_time, complain, print_facts, print_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hls_sessions.cli.progress import ProgressLine

LOOK = 1.0
"""Seconds between two looks at what can be watched."""

CHUNK = 64 * 1024
"""Bytes that are sent at once. Fewer are sent as soon as they are there."""


def record(
    source: Annotated[str, typer.Argument(help="A file; - for standard input.")] = "-",
    title: Annotated[str | None, typer.Option(help="What the recording is called.")] = None,
    user: Annotated[str | None, typer.Option(help="Whose it is.")] = None,
    mime: Annotated[str | None, typer.Option(help="The media type of the stream, if it does not show.")] = None,
    fetched: Annotated[
        str | None, typer.Option("--source", help="An address that the daemon is to fetch it from instead.")
    ] = None,
    low_latency: Annotated[
        bool | None,
        typer.Option("--low-latency/--no-low-latency", help="Whether viewers are two seconds behind, or six."),
    ] = None,
    url: Url = None,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Record a stream to its end, and print where it can be watched meanwhile: ffmpeg … -f matroska - | … record."""
    daemon = Daemon(url, token)
    wanted = {"title": title, "user": user, "low_latency": low_latency}
    if fetched is not None:
        recording = daemon.post("/live", {**wanted, "source": fetched})
        if as_json:
            print_json(recording)
        else:
            print_facts({"recording": recording["session_id"], "player": f"{daemon.url}{recording['player_url']}"})
        return
    with _opened(source) as file:
        recording = daemon.post("/live", {**wanted, "mime": mime})
        if not as_json:
            # On standard error, because it is of use while the command still runs.
            sys.stderr.write(f"watch it at  {daemon.url}{recording['player_url']}\n")
        with progress("recording") as line, _looked_at(daemon, recording["session_id"], line):
            files = daemon.send(recording["input_url"], recording["input_token"], mime, _chunks(file, line))
    now = daemon.get(f"/sessions/{recording['session_id']}")
    if as_json:
        print_json(now | files)
        return
    print_facts(
        {
            "recording": now["session_id"],
            "seconds": f"{now['duration']:.1f}",
            "playlist": f"{daemon.url}{now['playlist_url']}",
            "player": f"{daemon.url}{now['player_url']}",
            **{file["name"]: f"{file['bytes']:,} bytes" for file in files["files"]},
        }
    )


def _opened(source: str) -> BinaryIO:
    if source == "-":
        return sys.stdin.buffer
    try:
        return Path(source).open("rb", buffering=0)
    except OSError as error:
        complain(f"{source!r} cannot be read: {error.strerror}.")
        raise typer.Exit(Exit.NO_MEDIA) from error


def _chunks(file: BinaryIO, line: ProgressLine) -> Iterator[bytes]:
    read = getattr(file, "read1", file.read)
    while data := read(CHUNK):
        yield data
        line.advance(len(data))


@contextmanager
def _looked_at(daemon: Daemon, session: str, line: ProgressLine) -> Iterator[None]:
    """Show meanwhile how much of it can be watched, and how far that is behind the source."""
    over, begun = Event(), time.monotonic()

    def look() -> None:
        with suppress(typer.Exit):  # the daemon cannot be reached: whoever sends to it says so
            while not over.wait(LOOK):
                there = daemon.get(f"/sessions/{session}")["duration"]
                behind = max(0.0, time.monotonic() - begun - there)
                line.say(f"{clock_time(there)} can be watched, {behind:.1f} s behind,")

    looking = Thread(target=look, name="look", daemon=True)
    if line.is_shown:
        looking.start()
    try:
        yield
    finally:
        over.set()
        if line.is_shown:
            looking.join()
