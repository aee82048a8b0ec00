"""The player page, its script, and hls.js where it is installed."""

from __future__ import annotations

from html import escape
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from starlette.responses import FileResponse, HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from hls_sessions.errors import SessionError
from hls_sessions.live import Recording
from hls_sessions.media import readable
from hls_sessions.web import problems
from hls_sessions.web.answers import as_json
from hls_sessions.web.disclosure import error_for_viewer, is_viewer
from hls_sessions.web.finding import found

if TYPE_CHECKING:
    from starlette.requests import Request

    from hls_sessions.session import Session

STATIC = Path(__file__).with_name("static")
HLS_JS = STATIC / "vendor" / "hls.js" / "hls.min.js"
"""Put there when the package is built (scripts/hatch_build.py); without it the page plays natively."""

PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; media-src 'self' blob: data:; worker-src blob:; style-src 'self'",
    "Cache-Control": "no-cache",
}


async def watch(request: Request) -> Response:
    """Answer with the player page of a session."""
    try:
        session = await found(request.app.state.supervisor, request.path_params["session_id"])
    except SessionError as error:
        sentence = error_for_viewer(error)[0] if is_viewer(request.scope) else str(error)
        return HTMLResponse(_page("gone.html", sentence=sentence), problems.status_of(error), PAGE_HEADERS)
    latency = "low" if isinstance(session, Recording) and session.is_low_latency else ""
    film = "" if is_viewer(request.scope) else as_json(_film(session))
    page = _page("watch.html", session=session.id, title=session.title, latency=latency, film=film)
    return HTMLResponse(page, headers=PAGE_HEADERS)


async def record(_: Request) -> Response:
    """Answer with the page that records."""
    return HTMLResponse(_page("record.html"), headers=PAGE_HEADERS)


def _film(session: Session) -> dict[str, Any]:
    """Return what opens the same again, in another session."""
    if isinstance(session, Recording):
        return {"recording": session.id, "user": session.user}
    return {"media": readable(str(session.path)), "user": session.user}


async def script(request: Request) -> Response:
    """Answer with a script of the player."""
    return FileResponse(STATIC / PurePath(request.url.path).name, media_type="text/javascript")


async def icon(_: Request) -> Response:
    """Answer with the pages' icon."""
    return FileResponse(STATIC / "icon.svg", media_type="image/svg+xml")


async def style(_: Request) -> Response:
    """Answer with the pages' style."""
    return FileResponse(STATIC / "watch.css", media_type="text/css")


async def hls_js(_: Request) -> Response:
    """Answer with hls.js; 404 if it is not installed, in which case the page plays natively."""
    if not HLS_JS.is_file():
        return PlainTextResponse("hls.js is not installed", status_code=404)
    return FileResponse(HLS_JS, media_type="text/javascript")


async def problem(request: Request) -> Response:
    """Answer with the meaning of a kind of problem in words."""
    text = problems.explanation(request.path_params["kind"])
    return PlainTextResponse(text or "Unknown", status_code=200 if text else 404)


def _page(name: str, **values: str) -> str:
    text = (STATIC / name).read_text()
    for key, value in values.items():
        text = text.replace("{{ " + key + " }}", escape(readable(value)))
    return text


open_routes = [
    Route("/watch/{session_id}", watch),
    Route("/record", record),
    *(Route(f"/static/{name}.js", script) for name in ("watch", "life", "keys", "record")),
    Route("/static/icon.svg", icon),
    Route("/static/watch.css", style),
    Route("/static/hls.js", hls_js),
    Route("/problems/{kind}", problem),
]
"""Open without a token: the player page by its unguessable session id, the rest because it is the same for all."""
