"""The media routes: playlists and segments, as plain Starlette handlers, which every second of playback goes through.

A segment that is not there yet is *held* until it is, or is known to be impossible: native players give up on the
first 503 or 404, and hls.js asks again only a few times.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Route

from hls_sessions.errors import SessionError
from hls_sessions.web import problems

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from starlette.requests import Request

    from hls_sessions.otp import Reply
    from hls_sessions.supervisor import Session

PLAYLIST = "application/vnd.apple.mpegurl"
SEGMENT = "video/mp4"

# Knowing a session's id is the right to watch, from any page.
ANYWHERE = {"Access-Control-Allow-Origin": "*"}
PLAYLIST_HEADERS = ANYWHERE | {"Cache-Control": "no-cache"}
# Segment i is a pure function of the file, the rendition and i, and an id is never used again.
SEGMENT_HEADERS = ANYWHERE | {"Cache-Control": "private, max-age=3600, immutable"}

LONGEST_NUMBER = 18
"""Digits of a segment's number: more than any film has, and few enough to be read."""

CLIENT_LEFT = 499
"""nginx's status for a client that has left; nobody reads it but the log."""


def _translating(handler: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
    """Answer errors as problems that a player's page may read."""

    async def handle(request: Request) -> Response:
        try:
            return await handler(request)
        except SessionError as error:
            problem = problems.of(error)
            problem.headers.update(ANYWHERE)
            return problem

    return handle


@_translating
async def master(request: Request) -> Response:
    """Answer with the master playlist."""
    return PlainTextResponse(_session(request).master_playlist(), headers=PLAYLIST_HEADERS, media_type=PLAYLIST)


@_translating
async def playlist(request: Request) -> Response:
    """Answer with a rendition's playlist."""
    text = _session(request).media_playlist(request.path_params["rendition"])
    return PlainTextResponse(text, headers=PLAYLIST_HEADERS, media_type=PLAYLIST)


@_translating
async def init(request: Request) -> Response:
    """Answer with a rendition's init segment, as soon as it is there."""
    return await _when_there(request, _session(request).ask_init(request.path_params["rendition"]))


@_translating
async def segment(request: Request) -> Response:
    """Answer with a segment: at once from disk, else as soon as it is there."""
    session, rendition = _session(request), request.path_params["rendition"]
    number = request.path_params["segment"]
    if len(number) > LONGEST_NUMBER or not (number.isascii() and number.isdecimal()):
        raise HTTPException(404)
    number = int(number)
    path = session.published(rendition, number)
    if path is not None and (response := _file(path)) is not None:
        return response
    return await _when_there(request, session.ask_segment(rendition, number))


def _session(request: Request) -> Session:
    session: Session = request.app.state.supervisor.find(request.path_params["session_id"])
    return session


async def _when_there(request: Request, reply: Reply[Path]) -> Response:
    """Wait for a file, as long as somebody is there to get it."""
    waiting = asyncio.ensure_future(_path(reply))
    leaving = asyncio.ensure_future(_disconnected(request))
    try:
        await asyncio.wait({waiting, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not waiting.done():
            return Response(status_code=CLIENT_LEFT)
        return _file(await waiting) or Response(status_code=503)
    finally:
        # Cancelling the waiting cancels the reply, and the session stops counting this viewer.
        waiting.cancel()
        leaving.cancel()


async def _path(reply: Reply[Path]) -> Path:
    return await reply


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _file(path: Path) -> FileResponse | None:
    try:
        return FileResponse(path, headers=SEGMENT_HEADERS, media_type=SEGMENT, stat_result=path.stat())
    except OSError:
        return None  # deleted since: the disk is a cache


routes = [
    Route("/sessions/{session_id}/master.m3u8", master),
    Route("/sessions/{session_id}/{rendition}/index.m3u8", playlist),
    Route("/sessions/{session_id}/{rendition}/init.mp4", init),
    Route("/sessions/{session_id}/{rendition}/{segment}.m4s", segment),
]
