"""Pictures and chapters of a film: for players that scrub, and for a media server's own pages.

A caller that knows the id of a session may see them. Looking at pictures does not keep a session alive.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Route

from hls_sessions.live import Recording
from hls_sessions.media import THUMBNAILS, chapter_list, chapter_track, thumbnails_of
from hls_sessions.web.finding import found
from hls_sessions.web.waiting import CLIENT_LEFT, number_in, seconds_in, unless_left

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request

    from hls_sessions.media import Media, Sheet, Thumbnails
    from hls_sessions.otp import Reply

PLAYLIST = "application/vnd.apple.mpegurl"
TRACK = "text/vtt"
JPEG = "image/jpeg"

HEADERS = {"Cache-Control": "private, max-age=3600"}
"""A session's film does not change."""


async def thumbnail(request: Request) -> Response:
    """Answer with the picture at a position: a JPEG of the keyframe before it."""
    at = seconds_in(request.query_params.get("at", "0"))
    return await _pictures(request, lambda thumbnails: thumbnails.at(at))


async def one(request: Request) -> Response:
    """Answer with one image of the image playlist."""
    number = number_in(request.path_params["number"])
    return await _pictures(request, lambda thumbnails: thumbnails.one(number))


async def sheet(request: Request) -> Response:
    """Answer with a sheet of thumbnails."""
    number = number_in(request.path_params["number"])
    return await _pictures(request, lambda thumbnails: thumbnails.sheet(number))


async def playlist(request: Request) -> Response:
    """Answer with the image playlist."""
    return Response((await _thumbnails(request)).playlist(), headers=HEADERS, media_type=PLAYLIST)


async def track(request: Request) -> Response:
    """Answer with the WebVTT track of thumbnails."""
    return Response((await _thumbnails(request)).track(), headers=HEADERS, media_type=TRACK)


async def chapters(request: Request) -> Response:
    """Answer with the chapters as a WebVTT track."""
    return Response(chapter_track(await _facts(request)), headers=HEADERS, media_type=TRACK)


async def chapters_as_json(request: Request) -> Response:
    """Answer with the chapters in the form of Apple's players."""
    return Response(chapter_list(await _facts(request)), headers=HEADERS, media_type="application/json")


async def _facts(request: Request) -> Media:
    session = await found(request.app.state.supervisor, request.path_params["session_id"])
    if isinstance(session, Recording):
        raise HTTPException(404, "A recording that goes on has none.")
    return session.presentation.media


async def _thumbnails(request: Request) -> Thumbnails:
    thumbnails = thumbnails_of(await _facts(request))
    if thumbnails is None:
        raise HTTPException(404, "There is no video.")
    return thumbnails


async def _pictures(request: Request, chosen: Callable[[Thumbnails], Sheet]) -> Response:
    supervisor = request.app.state.supervisor
    session = await found(supervisor, request.path_params["session_id"])
    try:
        return await as_jpeg(request, supervisor.ask_thumbnails(session, chosen))
    except IndexError as error:
        raise HTTPException(404) from error


async def as_jpeg(request: Request, asked: Reply[bytes]) -> Response:
    """Answer with an image as soon as it is there."""
    image = await unless_left(request, asked)
    return Response(status_code=CLIENT_LEFT) if image is None else Response(image, headers=HEADERS, media_type=JPEG)


open_routes = [
    Route("/sessions/{session_id}/thumbnail", thumbnail),
    Route(f"/sessions/{{session_id}}/{THUMBNAILS}/index.m3u8", playlist),
    Route(f"/sessions/{{session_id}}/{THUMBNAILS}/index.vtt", track),
    Route(f"/sessions/{{session_id}}/{THUMBNAILS}/sheet-{{number}}.jpg", sheet),
    Route(f"/sessions/{{session_id}}/{THUMBNAILS}/{{number}}.jpg", one),
    Route("/sessions/{session_id}/chapters.vtt", chapters),
    Route("/sessions/{session_id}/chapters.json", chapters_as_json),
]
"""Open without a token, because an unguessable session id protects them."""
