"""The pages: the player, the recorder, the dashboard; their scripts and styles, and the libraries that they use."""

from __future__ import annotations

import hashlib
import re
import secrets
from functools import cache
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from hls_sessions.errors import SessionError
from hls_sessions.live import Recording
from hls_sessions.media import CompressedText, readable, thumbnails_of
from hls_sessions.web import problems
from hls_sessions.web.access import place_of
from hls_sessions.web.answers import as_json, text_answer
from hls_sessions.web.disclosure import error_for_viewer, is_viewer
from hls_sessions.web.finding import found

if TYPE_CHECKING:
    from starlette.requests import Request

    from hls_sessions.session import Session

STATIC: Final = Path(__file__).with_name("static")
VENDOR: Final = STATIC / "vendor"
HLS_JS: Final = VENDOR / "hls.js" / "hls.min.js"
"""Put there, as all libraries, when the package is built (scripts/hatch_build.py)."""

TYPES: Final = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
"""The files that are sent, by extension. Pages are not: they have values to be filled in."""

HEADINGS: Final = {
    "expired": "Session timed out",
    "failed": "This session has failed",
    "completed": "The recording is over",
}
"""What the page of an ended session is called, by its state."""

POLICY: Final = "default-src 'self'; media-src 'self' blob: data:; worker-src blob:; style-src 'self'"
"""Nothing is loaded from elsewhere, and no script or style stands in a page (CSP, level 3)."""


async def watch(request: Request) -> Response:
    """Answer with the player page of a session."""
    try:
        session = await found(request.app.state.supervisor, request.path_params["session_id"])
    except SessionError as error:
        sentence = error_for_viewer(error)[0] if is_viewer(request.scope) else str(error)
        heading = HEADINGS.get(getattr(error, "state", ""), "Nothing to watch here")
        return page("gone.html", problems.status_of(error), heading=heading, sentence=sentence)
    # The elements of the controls bring styles of their own, which this nonce allows.
    nonce = secrets.token_urlsafe(16)
    return page(
        "watch.html",
        policy=f"{POLICY} 'nonce-{nonce}'",
        nonce=nonce,
        session=place_of(request, session.id),
        title=session.title,
        latency="low" if isinstance(session, Recording) and session.is_low_latency else "",
        film="" if is_viewer(request.scope) else as_json(_film(session)),
        key=hashlib.sha256(f"{session.path}\n{session.user}".encode(errors="surrogateescape")).hexdigest()[:16],
        duration="" if isinstance(session, Recording) else str(float(session.presentation.media.duration)),
        download="files/video" if isinstance(session, Recording) else "download",
        pictures="yes" if _has_pictures(session) else "",
        kind="audio" if not isinstance(session, Recording) and session.presentation.media.video is None else "video",
        tracks=_tracks(session, place_of(request, session.id)),
    )


async def dashboard(_: Request) -> Response:
    """Answer with the dashboard. It holds nothing by itself: what it shows, it asks for."""
    return page("dashboard.html")


async def record(_: Request) -> Response:
    """Answer with the page that records."""
    return page("record.html")


async def static(request: Request) -> Response:
    """Answer with a script, a style or the icon; 404 for a library that is not installed."""
    path = STATIC / request.url.path.rpartition("/static/")[2]
    if not path.is_file():
        return PlainTextResponse("This library is not installed.", status_code=404)
    return text_answer(request, _text_of(path), TYPES[path.suffix], {"Cache-Control": "no-cache"})


async def problem(request: Request) -> Response:
    """Answer with the meaning of a kind of problem in words."""
    text = problems.explanation(request.path_params["kind"])
    return PlainTextResponse(text or "Unknown", status_code=200 if text else 404)


@cache
def _text_of(path: Path) -> CompressedText:
    return CompressedText(path.read_text(encoding="utf-8"))


def _film(session: Session) -> dict[str, Any]:
    """Return what opens the same again, in another session."""
    if isinstance(session, Recording):
        return {"recording": session.id, "user": session.user}
    return {"media": readable(str(session.path)), "user": session.user}


def _has_pictures(session: Session) -> bool:
    return not isinstance(session, Recording) and thumbnails_of(session.presentation.media) is not None


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


def _tracks(session: Session, place: str) -> Markup:
    """Return the tracks of which the seek bar shows pictures and chapters."""
    base = f"../sessions/{escape(place)}"
    tracks = []
    if _has_pictures(session):
        tracks.append(f'<track kind="metadata" label="thumbnails" src="{base}/thumbnails/index.vtt" default>')
    if not isinstance(session, Recording) and session.presentation.media.chapters:
        tracks.append(f'<track kind="chapters" label="Chapters" src="{base}/chapters.vtt" default>')
    return Markup("".join(tracks))


def page(name: str, status: int = 200, *, policy: str = POLICY, **values: str) -> HTMLResponse:
    """Answer with a page, with each value in its place: as text, unless it is Markup."""

    def filled(place: re.Match[str]) -> str:
        value = values[place[1]]
        return value if isinstance(value, Markup) else escape(readable(value))

    # In one pass, because a value may look like a place for another.
    text = re.sub(r"\{\{ (\w+) \}\}", filled, (STATIC / name).read_text(encoding="utf-8"))
    return HTMLResponse(text, status, {"Content-Security-Policy": policy, "Cache-Control": "no-cache"})


def _files() -> list[str]:
    """Return the names of all files that are sent, those of the libraries included."""
    own = (path.relative_to(STATIC) for path in STATIC.rglob("*") if path.suffix in TYPES)
    return sorted({*map(Path.as_posix, own), HLS_JS.relative_to(STATIC).as_posix()})


open_routes = [
    Route("/", dashboard),
    Route("/watch/{session_id}", watch),
    Route("/record", record),
    *(Route(f"/static/{name}", static) for name in _files()),
    Route("/problems/{kind}", problem),
]
"""Open without a token: the player page by its unguessable session id, the rest because it is the same for all."""
