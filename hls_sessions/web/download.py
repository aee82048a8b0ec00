"""The whole film as one MP4 file, sent while it is made: see ``session/export.py``.

How long the file will be is known when it is complete. Until then it is sent without a length, and a request for the
rest of one that broke off is answered with a range without a last byte, as RFC 8673 (2.2) has it for a representation
that grows.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import asdict
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from hls_sessions.errors import ExportChanged
from hls_sessions.live import Recording
from hls_sessions.otp import Reply
from hls_sessions.session import select
from hls_sessions.web.answers import Answer
from hls_sessions.web.finding import found
from hls_sessions.web.threads import Threads
from hls_sessions.web.waiting import CLIENT_LEFT, unless_left

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from typing import Any

    from starlette.requests import Request

    from hls_sessions.session import Export, Session

MEDIA_TYPE: Final = "video/mp4"

ENDLESS: Final = 2**53 - 1
"""In place of the last byte of a file that grows: the largest number that every client reads (RFC 8673, 2.2)."""

_RANGE: Final = re.compile(r"bytes=(\d{1,18})-(\d{0,18})")
_TAG: Final = re.compile(r'"([0-9a-f]{32})"')


async def download(request: Request) -> Response:
    """Answer with the film as one MP4 file, or with the rest of it."""
    session = await _session(request)
    query = request.query_params
    selection = select(session, query.get("rendition") or None, _listed(query, "audio"), _listed(query, "subtitles"))
    export, start, stop = _wanted(request, session, selection)
    if request.method == "HEAD":
        return _sized(Response(media_type=MEDIA_TYPE, headers=_headers(session)), None)
    if export is not None:
        try:
            return await _sent(request, session, export, start, stop)
        except ExportChanged:
            pass
    return await _sent(request, session, session.exports.begin(session, selection), None, ENDLESS)


async def _sent(request: Request, session: Session, export: Export, start: int | None, stop: int) -> Response:
    """Answer with a file, or with the bytes from ``start`` to ``stop``.

    Raises:
        ExportChanged: it was complete, and its first bytes from there on are others now.
        SessionError: they cannot be made.
    """
    size, headers = export.size, _headers(session) | {"ETag": f'"{export.etag}"'}
    status, length = 200, size
    if start is not None:
        whole = "*" if size is None else size
        if start > export.reached or start == size:
            raise HTTPException(416, "The file has no such bytes.", headers | {"Content-Range": f"bytes */{whole}"})
        last = ENDLESS if size is None else min(size - 1, stop)
        headers["Content-Range"] = f"bytes {start}-{last}/{whole}"
        status, length = 206, None if size is None else last + 1 - start
    reading = _Reading(request, session, export, start or 0)
    if not await reading.begin():
        return Response(status_code=CLIENT_LEFT)
    return _sized(StreamingResponse(reading.content(length), status, headers, MEDIA_TYPE), length)


def _headers(session: Session) -> dict[str, str]:
    return {
        "Accept-Ranges": "bytes",
        "Cache-Control": "no-store",
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(_stem(session.title), safe='')}.mp4",
    }


async def downloads(request: Request) -> Response:
    """Answer with how much there is of each file that can be gone on with."""
    session = await _session(request)
    return Answer(
        [asdict(export.selection) | export.progress._asdict() for export in session.exports.all()],
        headers={"Cache-Control": "no-store"},
    )


async def _session(request: Request) -> Session:
    session = await found(request.app.state.supervisor, request.path_params["session_id"])
    if isinstance(session, Recording):
        raise HTTPException(404, "What has arrived of a recording is at files/video.")
    return session


def _listed(query: Any, name: str) -> list[str]:
    return [part for value in query.getlist(name) for part in value.split(",") if part]


def _wanted(request: Request, session: Session, selection: Any) -> tuple[Export | None, int | None, int]:
    """Return the file that a request goes on with, and the first and the last byte that it wants.

    A request for the whole file gets a new one, unless there is a complete one. So does one for a part that cannot be
    had (RFC 9110, 14.2: a server may ignore Range), which is one of a file that is not kept any more.
    """
    asked, condition = request.headers.get("range"), request.headers.get("if-range")
    match = None if asked is None else _RANGE.fullmatch(asked.replace(" ", ""))
    tag = None if condition is None else _TAG.fullmatch(condition)
    kept = None
    if condition is None or tag is not None:
        kept = session.exports.find(selection, tag[1] if tag else None)
    is_whole = match is None or kept is None
    if match is not None and kept is not None:
        start, stop = int(match[1]), int(match[2] or ENDLESS)
        # A last byte that may not come to be is promised of no file.
        is_whole = stop < start or (kept.size is None and (start == 0 or bool(match[2])))
    if is_whole:
        return (kept if kept is not None and kept.size is not None else None), None, ENDLESS
    return kept, start, stop


def _sized(response: Response, length: int | None) -> Response:
    if length is None:
        if "content-length" in response.headers:
            del response.headers["content-length"]
    else:
        response.headers["Content-Length"] = str(length)
    return response


def _stem(title: str) -> str:
    """Return the name of a film's file without its extension."""
    return title.rpartition(".")[0] or title


class _Reading:
    """The bytes of a file from an offset on, for one request."""

    def __init__(self, request: Request, session: Session, export: Export, start: int) -> None:
        self._request = request
        self._session = session
        self._steps = export.read(start)
        self._first: list[bytes] = []

    async def begin(self) -> bool:
        """Return when the first bytes that have to be made are there, so that what is wrong with them can be answered.

        False if the client has left.
        """
        has_waited = False
        while (step := await self._next()) is not None:
            if isinstance(step, Reply):
                has_waited = True
                if not await unless_left(self._request, _settled(step)):
                    return False
                continue
            self._first.append(step)
            if has_waited:
                break
        return True

    async def content(self, length: int | None) -> AsyncIterator[bytes]:
        """Yield so many bytes, or all. Nobody may take them for all where they break off, so that raises."""
        left = length
        try:
            with self._session.subscribed():  # so that it does not expire while its encoders wait for those of viewers
                async for part in self._all():
                    cut = part if left is None else part[:left]
                    left = None if left is None else left - len(cut)
                    yield cut
                    if left == 0:
                        return
        finally:
            await Threads.SENDING.run(self._steps.close)

    async def _all(self) -> AsyncIterator[bytes]:
        for part in self._first:
            yield part
        while (step := await self._next()) is not None:
            if not isinstance(step, Reply):
                yield step
            elif not await unless_left(self._request, _settled(step)):
                raise ClientDisconnect

    async def _next(self) -> bytes | Reply[Any] | None:
        return await Threads.SENDING.run(next, self._steps, None)


async def _settled(reply: Reply[Any]) -> bool:
    """Return when a reply is there, whatever it is."""
    with suppress(Exception):  # the reader of the file looks at it
        await reply
    return True


open_routes = [
    Route("/sessions/{session_id}/download", download),
    Route("/sessions/{session_id}/downloads", downloads),
]
"""Open without a token, because an unguessable session id protects them."""
