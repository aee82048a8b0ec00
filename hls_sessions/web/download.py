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
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from hls_sessions.live import Recording
from hls_sessions.otp import Reply
from hls_sessions.session import select
from hls_sessions.web.answers import Answer
from hls_sessions.web.finding import found
from hls_sessions.web.threads import Threads
from hls_sessions.web.waiting import unless_left

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
    headers = {
        "Accept-Ranges": "bytes",
        "Cache-Control": "no-store",
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(_stem(session.title), safe='')}.mp4",
    }
    if request.method == "HEAD":
        return _sized(Response(media_type=MEDIA_TYPE, headers=headers), None)
    export = export or session.exports.begin(session, selection)
    size = export.size
    headers["ETag"] = f'"{export.etag}"'
    if start is None:
        return _sized(_Body(request, session, export, 0, size, 200, headers), size)
    if start > export.reached or start == size:
        headers["Content-Range"] = f"bytes */{'*' if size is None else size}"
        raise HTTPException(416, "The file has no such bytes.", headers)
    last = ENDLESS if size is None else min(size - 1, stop)
    headers["Content-Range"] = f"bytes {start}-{last}/{'*' if size is None else size}"
    length = None if size is None else last + 1 - start
    return _sized(_Body(request, session, export, start, length, 206, headers), length)


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


class _Body(StreamingResponse):
    """The bytes of a file from an offset on."""

    def __init__(
        self,
        request: Request,
        session: Session,
        export: Export,
        start: int,
        length: int | None,
        status: int,
        headers: dict[str, str],
    ) -> None:
        self._request = request
        super().__init__(self._bytes(session, export, start, length), status, headers, MEDIA_TYPE)

    async def _bytes(self, session: Session, export: Export, start: int, length: int | None) -> AsyncIterator[bytes]:
        left, steps = length, export.read(start)
        try:
            with session.subscribed():  # so that it does not expire while its encoders wait for those of viewers
                while left is None or left > 0:
                    step = await Threads.SENDING.run(next, steps, None)
                    if step is None:
                        break
                    if isinstance(step, Reply):
                        if not await unless_left(self._request, _settled(step)):
                            return
                        continue
                    part = step if left is None else step[:left]
                    left = None if left is None else left - len(part)
                    yield part
        finally:
            await Threads.SENDING.run(steps.close)


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
