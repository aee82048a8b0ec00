"""Talking to a running daemon."""

from __future__ import annotations

import json
import weakref
from contextlib import contextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import httpx
import typer

from hls_sessions.cli.exits import Exit, exit_for
from hls_sessions.cli.options import read_settings
from hls_sessions.cli.screen import complain
from hls_sessions.settings import in_url

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

Url = Annotated[
    str | None,
    typer.Option("--url", envvar="HLS_SESSIONS_URL", help="The daemon's address; by default that of the settings."),
]
Token = Annotated[str | None, typer.Option("--token", help="The daemon's token; by default that of the settings.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]

TIMEOUT = 60.0
"""Seconds a call may take: opening a file on a slow disk has its own, shorter limit in the daemon."""


class Broken(Exception):
    """A transfer broke off; it may be gone on with."""


class Daemon:
    """One daemon, by its address. Every failure ends the command with a sentence and an exit code."""

    def __init__(self, url: str | None, token: str | None) -> None:
        settings = read_settings()
        self.url = (url or f"http://{in_url(settings.host)}:{settings.port}").rstrip("/")
        if not token and settings.token is not None:
            token = settings.token.get_secret_value()
        # As bytes: a token need not be ASCII, and the daemon compares bytes too.
        headers = {b"Authorization": f"Bearer {token}".encode()} if token else {}
        try:
            # No proxy from the environment: the daemon is asked directly.
            self._http = httpx.Client(base_url=self.url, headers=headers, timeout=TIMEOUT, trust_env=False)
        except httpx.InvalidURL as error:
            raise self._no_address(error) from error
        # Its connection ends with this object, because a command ends in many places.
        weakref.finalize(self, self._http.close)

    def get(self, path: str, **query: str | None) -> Any:
        """GET, and return the JSON."""
        return self._ask("GET", path, params={k: v for k, v in query.items() if v is not None})

    def health(self) -> Any:
        """Return the daemon's health, which it answers with 503 where that is critical."""
        return self._ask("GET", "/health", accepted={HTTPStatus.SERVICE_UNAVAILABLE})

    def post(self, path: str, body: dict[str, Any] | None = None) -> Any:
        """POST JSON or nothing, and return the JSON."""
        return self._ask("POST", path, **_json(body))

    def patch(self, path: str, body: dict[str, Any]) -> Any:
        """PATCH JSON, and return the JSON."""
        return self._ask("PATCH", path, **_json(body))

    def listen(self, path: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """GET server-sent events, and yield each one's name and data until the daemon ends them."""
        from httpx_sse import connect_sse  # noqa: PLC0415 - one command alone listens

        try:
            # There may be no event for long, but a daemon that is there says so every few seconds.
            with connect_sse(self._http, "GET", path) as source:
                if not source.response.is_success:
                    source.response.read()
                    raise typer.Exit(_complain_of(source.response))
                for event in source.iter_sse():
                    yield event.event, event.json()
        except httpx.HTTPError as error:
            raise self._unreachable(error) from error

    def send(self, path: str, token: str, mime: str | None, chunks: Iterator[bytes]) -> Any:
        """PUT chunks for as long as they come, with a token of its own, and return the JSON."""
        headers = {"Authorization": f"Bearer {token}"} | ({"Content-Type": mime} if mime else {})
        return self._ask("PUT", path, content=chunks, headers=headers, timeout=None)

    @contextmanager
    def download(self, path: str, **query: str) -> Iterator[httpx.Response]:
        """GET, and yield the answer, whose content is still to come."""
        try:
            with self._http.stream("GET", path, params=query) as answer:
                if not answer.is_success:
                    answer.read()
                    raise typer.Exit(_complain_of(answer))
                yield answer
        except httpx.HTTPError as error:
            raise self._unreachable(error) from error

    @contextmanager
    def resumable(self, path: str, headers: dict[str, str], **query: str) -> Iterator[httpx.Response]:
        """GET, and yield the answer, whose content is still to come.

        Raises:
            Broken: the daemon cannot be reached, or the content breaks off.
        """
        try:
            with self._http.stream("GET", path, params=query, headers=headers) as answer:
                if not answer.is_success:
                    answer.read()
                    raise typer.Exit(_complain_of(answer))
                yield answer
        except httpx.HTTPError as error:
            raise Broken(f"The daemon at {self.url} cannot be reached: {error}") from error

    def delete(self, path: str) -> None:
        """DELETE."""
        self._ask("DELETE", path)

    def full_id(self, session: str, among: str = "/sessions", key: str = "session_id") -> str:
        """Complete the id of a session, or of something else, from its first characters, where they are unambiguous."""
        if not session:
            complain("An empty id is no session's.")
            raise typer.Exit(Exit.USAGE)
        if quote(session, safe="", errors="replace") != session:
            complain(f"There is no session {session!r}.")
            raise typer.Exit(Exit.NO_SESSION)
        matches = [each[key] for each in self.get(among) if each[key].startswith(session)]
        if len(matches) > 1:
            complain(f"{session!r} could be any of {', '.join(matches)}.")
            raise typer.Exit(Exit.USAGE)
        return matches[0] if matches else session

    def _ask(self, method: str, path: str, accepted: Collection[int] = (), **options: Any) -> Any:
        try:
            answer = self._http.request(method, path, **options)
        except httpx.HTTPError as error:
            raise self._unreachable(error) from error
        except httpx.InvalidURL as error:
            raise self._no_address(error) from error
        except UnicodeEncodeError as error:
            complain(f"{error.object!r} is no text.")
            raise typer.Exit(Exit.USAGE) from error
        if answer.status_code == HTTPStatus.NO_CONTENT:
            return None
        is_json = answer.headers.get("Content-Type") == "application/json"
        if is_json and (answer.is_success or answer.status_code in accepted):
            return answer.json()
        raise typer.Exit(_complain_of(answer))

    def _no_address(self, error: httpx.InvalidURL) -> typer.Exit:
        complain(f"{self.url!r} is not an address: {error}.")
        return typer.Exit(Exit.USAGE)

    def _unreachable(self, error: httpx.HTTPError) -> typer.Exit:
        complain(f"The daemon at {self.url} cannot be reached: {error}.")
        return typer.Exit(Exit.NO_DAEMON)


def _json(body: dict[str, Any] | None) -> dict[str, Any]:
    """Return a request's body as httpx takes it. NaN is left to the daemon to refuse, because httpx would raise."""
    if body is None:
        return {}
    return {"content": json.dumps(body), "headers": {"Content-Type": "application/json"}}


def _complain_of(answer: httpx.Response) -> Exit:
    try:
        problem = answer.json()
        complain(problem["detail"])
        return exit_for(problem["type"].removeprefix("/problems/"))
    except (ValueError, KeyError, TypeError, AttributeError):
        complain(f"The daemon answered {answer.status_code} {answer.reason_phrase}. Is this its address?")
        return Exit.FAILED
