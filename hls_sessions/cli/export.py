"""``hls-sessions export``: a whole film as one MP4 file."""

from __future__ import annotations

import re
import time
from contextlib import contextmanager, suppress
from http import HTTPStatus
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Annotated, Final

import typer

from hls_sessions.cli.client import AsJson, Broken, Daemon, Token, Url
from hls_sessions.cli.completion import complete_rendition, complete_session
from hls_sessions.cli.exits import Exit
from hls_sessions.cli.many import as_daemon_sees
from hls_sessions.cli.progress import progress
from hls_sessions.cli.screen import complain, print_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hls_sessions.cli.progress import ProgressLine

PATIENCE: Final = 60.0
"""Seconds without a byte after which a download that broke off is given up."""

AGAIN: Final = 1.0
"""Seconds until it is gone on with, and between two looks at how far it is."""

_ID: Final = re.compile(r"[0-9a-f][0-9a-f-]{0,35}")


def export(
    what: Annotated[
        str, typer.Argument(metavar="FILE|ID", help="A media file, or a session's id.", autocompletion=complete_session)
    ],
    output: Annotated[str | None, typer.Option("--output", "-o", help="The file to write.")] = None,
    rendition: Annotated[
        str | None,
        typer.Option(
            help="The video, as info names it; none: sound alone. By default what phones play.",
            autocompletion=complete_rendition,
        ),
    ] = None,
    audio: Annotated[
        list[str] | None, typer.Option(help="An audio track, as info names it, or none; may be repeated.")
    ] = None,
    subtitles: Annotated[
        list[str] | None, typer.Option(help="Subtitles, as info names them, or none; may be repeated. By default all.")
    ] = None,
    url: Url = None,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Write a whole film to one MP4 file, made of its segments; viewers come first.

    A download that breaks off goes on where it was: at once, and that of a session also by the same command later.
    """
    daemon = Daemon(url, token)
    chosen = {"rendition": rendition, "audio": ",".join(audio or ()), "subtitles": ",".join(subtitles or ())}
    query = {name: value for name, value in chosen.items() if value}
    with _session(daemon, what) as session:
        path = Path(output or f"{PurePath(session['title']).stem}.mp4")
        try:
            size = _Download(daemon, f"/sessions/{session['session_id']}", query, path).run()
        except OSError as error:
            complain(f"{str(path)!r} cannot be written: {error.strerror}.")
            raise typer.Exit(Exit.FAILED) from error
    if as_json:
        print_json({"file": str(path), "bytes": size})
    else:
        typer.echo(f"wrote {path}")


@contextmanager
def _session(daemon: Daemon, what: str) -> Iterator[dict[str, str]]:
    """Yield the session of an id, or one of a file, which ends with the block."""
    if _ID.fullmatch(what) and not Path(what).exists():
        yield daemon.get(f"/sessions/{daemon.full_id(what)}")
        return
    session = daemon.post("/sessions", {"media": as_daemon_sees(what)})
    try:
        yield session
    finally:
        with suppress(typer.Exit):  # it has ended already
            daemon.delete(f"/sessions/{session['session_id']}")


class _Download:
    """Fetches the file, and goes on where it broke off.

    The name of the unfinished file holds the tag of its bytes, so that it is never gone on with those of another.
    """

    def __init__(self, daemon: Daemon, session: str, query: dict[str, str], path: Path) -> None:
        self._daemon = daemon
        self._session = session
        self._query = query
        self._path = path
        self._part = next(iter(path.parent.glob(f"{_escaped(path.name)}.*.part")), None)
        self._looked = 0.0

    def run(self) -> int:
        """Return its bytes when it is there."""
        heard = time.monotonic()
        with progress(self._path.name) as line:
            while True:
                before = self._got
                try:
                    self._fetch(line)
                    break
                except Broken as error:
                    if self._got > before:
                        heard = time.monotonic()
                    elif time.monotonic() - heard > PATIENCE:
                        complain(f"{error}.")
                        raise typer.Exit(Exit.NO_DAEMON) from error
                    time.sleep(AGAIN)
        assert self._part is not None  # noqa: S101 - it was written
        size = self._got
        self._part.replace(self._path)
        return size

    @property
    def _got(self) -> int:
        return self._part.stat().st_size if self._part is not None and self._part.exists() else 0

    def _fetch(self, line: ProgressLine) -> None:
        """Fetch the rest, or all of it if the daemon has not kept what it was."""
        headers = {}
        if self._part is not None and self._got:
            headers = {"Range": f"bytes={self._got}-", "If-Range": f'"{self._part.suffixes[-2][1:]}"'}
        with self._daemon.resumable(f"{self._session}/download", headers, **self._query) as answer:
            etag = answer.headers["etag"].strip('"')
            goes_on = answer.status_code == HTTPStatus.PARTIAL_CONTENT
            if not goes_on:
                if self._part is not None:
                    self._part.unlink(missing_ok=True)
                self._part = self._path.with_name(f"{self._path.name}.{etag}.part")
            assert self._part is not None  # noqa: S101 - a range was asked for
            with self._part.open("ab" if goes_on else "wb") as file:
                for data in answer.iter_bytes():
                    file.write(data)
                    line.advance(len(data))
                    self._look(line, etag)

    def _look(self, line: ProgressLine, etag: str) -> None:
        """Show from time to time how much of the film there is: how many bytes it will have, nobody knows."""
        if not line.is_shown or time.monotonic() - self._looked < AGAIN:
            return
        self._looked = time.monotonic()
        for each in self._daemon.get(f"{self._session}/downloads"):
            if each["etag"] == etag:
                line.say(f"{self._path.name} {100 * each['made'] // max(1, each['segments'])} %")


def _escaped(name: str) -> str:
    return re.sub(r"([*?[])", r"[\1]", name)
