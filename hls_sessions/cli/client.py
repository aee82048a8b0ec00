"""Talking to a running daemon. httpx is loaded only when one is, because ``--help`` answers sooner without it."""

from __future__ import annotations

import json
import weakref
from contextlib import contextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from hls_sessions.cli.advice import LIST, UNREACHABLE, with_advice
from hls_sessions.cli.exits import Exit, exit_for
from hls_sessions.cli.options import read_settings
from hls_sessions.cli.screen import complain

if TYPE_CHECKING:
    import ssl
    from collections.abc import Collection, Iterator
    from pathlib import Path

    import httpx

Url = Annotated[
    str | None,
    typer.Option("--url", envvar="HLS_SESSIONS_URL", help="The daemon's address; by default that of the settings."),
]
Token = Annotated[
    str | None,
    typer.Option("--token", help="The daemon's token; by default that of the settings (HLS_SESSIONS_TOKEN)."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]

TIMEOUT = 60.0
"""Seconds a call may take: opening a file on a slow disk has its own, shorter limit in the daemon."""


class Failed(typer.Exit):
    """The daemon cannot be asked, or it refuses: a sentence, and the exit code of the command that it ends."""

    def __init__(self, sentence: str, code: Exit) -> None:
        super().__init__(code)
        self.sentence = sentence


class Broken(Exception):
    """A transfer broke off; it may be gone on with."""


class Daemon:
    """One daemon, by its address. Every failure ends the command with a sentence and an exit code."""

    def __init__(self, url: str | None, token: str | None, *, quiet: bool = False, timeout: float = TIMEOUT) -> None:
        import httpx  # noqa: PLC0415 - as above

        self.quiet = quiet
        """Whether failures are not printed, because the caller shows them itself."""
        settings = read_settings()
        self.url = (url or settings.own_url).rstrip("/")
        if not token and settings.token is not None:
            token = settings.token.get_secret_value()
        # As bytes: a token need not be ASCII, and the daemon compares bytes too.
        headers = {b"Authorization": f"Bearer {token}".encode()} if token else {}
        try:
            # No proxy from the environment: the daemon is asked directly.
            self._http = httpx.Client(
                base_url=self.url,
                headers=headers,
                timeout=timeout,
                trust_env=False,
                verify=True if url or settings.tls_certificate is None else _only(settings.tls_certificate),
            )
        except OSError as error:
            raise self._no_certificate(error) from error
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
        import httpx  # noqa: PLC0415 - as above
        from httpx_sse import connect_sse  # noqa: PLC0415 - one command alone listens

        try:
            # There may be no event for long, but a daemon that is there says so every few seconds.
            with connect_sse(self._http, "GET", path) as source:
                if not source.response.is_success:
                    source.response.read()
                    raise self._refused(source.response)
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
        import httpx  # noqa: PLC0415 - as above

        try:
            with self._http.stream("GET", path, params=query) as answer:
                if not answer.is_success:
                    answer.read()
                    raise self._refused(answer)
                yield answer
        except httpx.HTTPError as error:
            raise self._unreachable(error) from error

    @contextmanager
    def resumable(self, path: str, headers: dict[str, str], **query: str) -> Iterator[httpx.Response]:
        """GET, and yield the answer, whose content is still to come.

        Raises:
            Broken: the daemon cannot be reached, or the content breaks off.
        """
        import httpx  # noqa: PLC0415 - as above

        try:
            with self._http.stream("GET", path, params=query, headers=headers) as answer:
                if not answer.is_success:
                    answer.read()
                    raise self._refused(answer)
                yield answer
        except httpx.HTTPError as error:
            raise Broken(f"The daemon at {self.url} cannot be reached: {error}") from error

    def delete(self, path: str) -> None:
        """DELETE."""
        self._ask("DELETE", path)

    def full_id(self, session: str, among: str = "/sessions", key: str = "session_id") -> str:
        """Complete the id of a session, or of something else, from its first characters, where they are unambiguous."""
        if not session:
            raise self._failed("An empty id is no session's.", Exit.USAGE)
        if quote(session, safe="", errors="replace") != session:
            raise self._failed(f"There is no session {session!r}. {LIST}", Exit.NO_SESSION)
        matches = [each[key] for each in self.get(among) if each[key].startswith(session)]
        if len(matches) > 1:
            raise self._failed(f"{session!r} could be any of {', '.join(matches)}.", Exit.USAGE)
        return matches[0] if matches else session

    def _ask(self, method: str, path: str, accepted: Collection[int] = (), **options: Any) -> Any:
        import httpx  # noqa: PLC0415 - as above

        try:
            answer = self._http.request(method, path, **options)
        except httpx.HTTPError as error:
            raise self._unreachable(error) from error
        except httpx.InvalidURL as error:
            raise self._no_address(error) from error
        except UnicodeEncodeError as error:
            raise self._failed(f"{error.object!r} is no text.", Exit.USAGE) from error
        if answer.status_code == HTTPStatus.NO_CONTENT:
            return None
        is_json = answer.headers.get("Content-Type") == "application/json"
        if is_json and (answer.is_success or answer.status_code in accepted):
            return answer.json()
        raise self._refused(answer)

    def _no_certificate(self, error: OSError) -> Failed:
        return self._failed(f"The certificate of the daemon cannot be read: {error.strerror or error}.", Exit.USAGE)

    def _no_address(self, error: httpx.InvalidURL) -> Failed:
        return self._failed(f"{self.url!r} is not an address: {error}.", Exit.USAGE)

    def _unreachable(self, error: httpx.HTTPError) -> Failed:
        return self._failed(f"The daemon at {self.url} cannot be reached: {error}. {UNREACHABLE}", Exit.NO_DAEMON)

    def _refused(self, answer: httpx.Response) -> Failed:
        try:
            problem = answer.json()
            kind = problem["type"].removeprefix("/problems/")
            return self._failed(with_advice(problem["detail"], kind), exit_for(kind))
        except (ValueError, KeyError, TypeError, AttributeError):
            said = f"{answer.status_code} {answer.reason_phrase}"
            return self._failed(f"The daemon at {self.url} answered {said}. Is this its address?", Exit.FAILED)

    def _failed(self, sentence: str, code: Exit) -> Failed:
        if not self.quiet:
            complain(sentence)
        return Failed(sentence, code)


def _json(body: dict[str, Any] | None) -> dict[str, Any]:
    """Return a request's body as httpx takes it. NaN is left to the daemon to refuse, because httpx would raise."""
    if body is None:
        return {}
    return {"content": json.dumps(body), "headers": {"Content-Type": "application/json"}}


def _only(certificate: Path) -> ssl.SSLContext:
    """Trust the certificate of this machine's own daemon, whatever name it is for, and no other.

    Raises:
        OSError: it cannot be read.
    """
    import ssl  # noqa: PLC0415 - as above

    context = ssl.create_default_context(cafile=certificate.expanduser())
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context
