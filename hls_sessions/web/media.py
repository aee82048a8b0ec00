"""The media routes: playlists and segments. They are plain Starlette handlers, because playback asks all the time.

A segment that is not there yet is *held* until it is, or is known to be impossible: native players give up on the
first 503 or 404, and hls.js asks again only a few times. An impossible segment is answered with a gap, which both pass
over, and a header that says why. Subtitles must not cost a film: hls.js (1.7) ends playback when a segment of subtitles
is refused or comes late. So one that cannot be had, or not soon, is answered with a segment without cues.
"""

from __future__ import annotations

import asyncio
import errno
import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeAlias, TypeVar

from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, Response
from starlette.routing import Route
from starlette.staticfiles import NotModifiedResponse

from hls_sessions.errors import MediaNotFound, SegmentImpossible, SegmentNotFound, StorageFailed, SubtitlesFailed
from hls_sessions.live import Recording
from hls_sessions.media import CompressedText
from hls_sessions.web.answers import Answer, is_new, text_answer
from hls_sessions.web.download import open_routes as of_downloads
from hls_sessions.web.finding import found
from hls_sessions.web.handover import HEADER, address_for_proxy
from hls_sessions.web.nodes import KNOWN_SESSION
from hls_sessions.web.pictures import PLAYLIST
from hls_sessions.web.pictures import open_routes as of_pictures
from hls_sessions.web.threads import Threads
from hls_sessions.web.waiting import CLIENT_LEFT, SOON, number_in, seconds_in, unless_left

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from starlette.requests import Request
    from starlette.types import Receive, Scope, Send

    from hls_sessions.otp import Reply
    from hls_sessions.session import Session

    Ask: TypeAlias = Callable[[], Reply[Path]]

T = TypeVar("T")

SEGMENT = "video/mp4"
CONTENT = {"m4s": SEGMENT, "vtt": "text/vtt"}
"""Media types of segments, by extension."""

PLAYLIST_HEADERS = {"Cache-Control": "no-cache"}
# Segment i is a pure function of the file, the rendition and i, and an id is never used again.
SEGMENT_HEADERS = {"Cache-Control": "private, max-age=3600, immutable"}
# Subtitles that cannot be read now may be read the next time.
TEXT_HEADERS = {"Cache-Control": "no-store"}

# A segment that is impossible in this session may be possible in the next.
GAP_HEADERS = {"Cache-Control": "no-store"}
IMPOSSIBLE = "Segment-Impossible"
"""The header of a gap: why there is no segment."""

EMPTY = {"Segment-Empty": "its track begins later"}
"""The header of a segment before the beginning of its track, which holds nothing of the track."""

TEXT_PATIENCE = 8.0
"""Seconds a segment of subtitles is waited for: hls.js gives a segment ten."""

RELOAD_PATIENCE = 12.0
"""Seconds a playlist waits for what is to come: three target durations (RFC 8216bis-20, 6.2.5.2)."""

READ_AT_ONCE = 4 * 1024**2
"""Bytes of a file that are read where they are sent: two seconds at 16 Mbit/s."""


async def master(request: Request) -> Response:
    """Answer with the master playlist, of all variants or of those that are named."""
    return await _playlist(
        request, None, [each for each in request.query_params.get("variants", "").split(",") if each]
    )


async def playlist(request: Request) -> Response:
    """Answer with a rendition's playlist."""
    return await _playlist(request, request.path_params["rendition"])


async def made(request: Request) -> Response:
    """Answer with the stretches of a rendition's segments that are on disk, for a player that shows them."""
    session = await _session(request)
    stretches = await Threads.WRITING.run(session.made, request.query_params.get("rendition", ""))
    return Answer(stretches, headers={"Cache-Control": "no-store"})


async def hint(request: Request) -> Response:
    """Note where the viewer may soon seek, as when the pointer rests on the seek bar."""
    session, query = await _session(request), request.query_params
    at, renditions = seconds_in(query.get("at", "")), [each for each in query.get("renditions", "").split(",") if each]
    if not isinstance(session, Recording):  # where all is copied, or is made as it comes
        session.hint(at, renditions)
    return Response(status_code=204)


async def init(request: Request) -> Response:
    """Answer with a rendition's init segment, as soon as it is there."""
    session, rendition = await _session(request), request.path_params["rendition"]
    part = number_in(request.path_params.get("part", "0"))
    if request.method == "HEAD":
        return _head(request, session.file_of(rendition, None, part), SEGMENT)
    return await _when_there(request, partial(session.ask_init, rendition, part), SEGMENT)


async def partial_segment(request: Request) -> Response:
    """Answer with a part of a segment of a recording; with the next one as soon as it is there."""
    session = await _session(request)
    if not isinstance(session, Recording):
        raise HTTPException(404)
    names = request.path_params
    rendition, number, part = names["rendition"], number_in(names["segment"]), number_in(names["part"])
    if request.method == "HEAD":
        return _head(request, session.partial_file(rendition, number, part), SEGMENT)
    return await _when_there(request, partial(session.ask_partial, rendition, number, part), SEGMENT)


async def segment(request: Request) -> Response:
    """Answer with a segment: at once from disk, else as soon as it is there."""
    session, rendition = await _session(request), request.path_params["rendition"]
    number, extension = number_in(request.path_params["segment"]), request.url.path.rpartition(".")[2]
    if session.extension(rendition) != extension:
        raise HTTPException(404)
    response = await _segment(request, session, rendition, number, extension)
    return _marked(response, session, rendition, number)


async def _segment(request: Request, session: Session, rendition: str, number: int, extension: str) -> Response:
    if request.method == "HEAD":
        return _head(request, session.file_of(rendition, number), CONTENT[extension])
    path = session.published(rendition, number)
    if path is not None and (file := _open(path)) is not None:
        return _file(request, file, CONTENT[extension])
    ask = partial(session.ask_segment, rendition, number)
    if extension == "vtt":
        return await _subtitles_when_there(request, session, ask)
    try:
        response = await _when_there(request, ask, SEGMENT)
    except SegmentImpossible as impossible:
        return await _gap(request, session, impossible)
    if isinstance(response, _OpenFile):
        response.on_sent = partial(session.sent, rendition, number)
    return response


async def _playlist(request: Request, rendition: str | None, variants: Sequence[str] = ()) -> Response:
    session = await _session(request)
    playable = session.ask_playable()
    if playable.done():
        playable.get(0)  # raises what it was refused with
    elif await unless_left(request, _told(playable)) is None:
        return Response(status_code=CLIENT_LEFT)
    if rendition is not None and request.query_params.keys() & {"_HLS_msn", "_HLS_part"}:
        wanted = _wanted(request)
        try:
            async with asyncio.timeout(RELOAD_PATIENCE):
                if await unless_left(request, _told(session.ask_reload(*wanted))) is None:
                    return Response(status_code=CLIENT_LEFT)
        except SegmentNotFound as error:
            raise HTTPException(400, "There is no such segment, nor soon.") from error
        except TimeoutError as error:
            raise HTTPException(503, "Nothing more has come.") from error
    if variants and not isinstance(session, Recording):  # which has one
        return await Threads.WRITING.run(_of_variants, request, session, variants)
    if session.has_written(rendition):
        return _written(request, session, rendition)
    return await Threads.WRITING.run(_written, request, session, rendition)


def _wanted(request: Request) -> tuple[int, int | None]:
    """Return the segment, and the part of it, that a playlist is to hold (RFC 8216bis-20, 6.2.5.2).

    Raises:
        HTTPException: they are no numbers.
    """
    try:
        part = request.query_params.get("_HLS_part")
        return number_in(request.query_params.get("_HLS_msn", "")), None if part is None else number_in(part)
    except HTTPException as error:
        raise HTTPException(400, "_HLS_msn and _HLS_part are numbers.") from error


def _written(request: Request, session: Session, rendition: str | None) -> Response:
    return text_answer(request, session.playlist(rendition), PLAYLIST, PLAYLIST_HEADERS)


def _of_variants(request: Request, session: Session, variants: Sequence[str]) -> Response:
    return text_answer(request, CompressedText(session.master_playlist(variants)), PLAYLIST, PLAYLIST_HEADERS)


def _head(request: Request, path: Path, content: str) -> Response:
    """Answer HEAD, for which nothing is made and nobody is counted. A file that is not there has no length yet."""
    if (file := _open(path)) is not None:
        return _handed_over(request, file, content) or _OpenFile(file, content)
    response = Response(media_type=content)
    del response.headers["content-length"]
    return response


def _marked(response: Response, session: Session, rendition: str, number: int) -> Response:
    """Name the next segment, and mark one that holds nothing because its track begins later, or has ended."""
    if session.follows(rendition, number):
        response.headers["Link"] = f'<{number + 1}.{session.extension(rendition)}>; rel="next"'
    if session.is_filler(rendition, number):
        response.headers.update(EMPTY)
    return response


async def _subtitles_when_there(request: Request, session: Session, ask: Ask) -> Response:
    """Wait a while for a segment of subtitles; answer with one without cues where it cannot be had."""
    try:
        async with asyncio.timeout(TEXT_PATIENCE):
            return await _when_there(request, ask, CONTENT["vtt"])
    except TimeoutError:
        why = "This has not been read yet."
    except (SubtitlesFailed, MediaNotFound, StorageFailed) as error:
        why = f"This cannot be read: {error.kind}."
    return Response(session.empty_subtitles(why), headers=TEXT_HEADERS, media_type=CONTENT["vtt"])


async def _gap(request: Request, session: Session, impossible: SegmentImpossible) -> Response:
    """Answer with a gap in place of an impossible segment, or with its error if no gap can be made."""
    try:
        init = await unless_left(request, _path(session.ask_init(impossible.rendition)))
        if init is None:
            return Response(status_code=CLIENT_LEFT)
        content = session.gap(impossible.rendition, impossible.segment, init)
    except (SegmentImpossible, OSError):
        raise impossible from None
    reason = impossible.reason.encode("ascii", "replace").decode()
    return Response(content, media_type=SEGMENT, headers=GAP_HEADERS | {IMPOSSIBLE: reason})


async def _session(request: Request) -> Session:
    known: Session | None = request.scope.get(KNOWN_SESSION)
    return known or await found(request.app.state.supervisor, request.path_params["session_id"])


async def _when_there(request: Request, ask: Ask, content: str) -> Response:
    """Answer with a file when it is there."""
    file = await unless_left(request, _opened(ask))
    if file is None:
        return Response(status_code=CLIENT_LEFT)
    return _file(request, file, content)


async def _opened(ask: Ask) -> BinaryIO:
    """Open a file as soon as it is there. One that was deleted before, to make room, is asked for again.

    Where no descriptor is left, it waits for one, because a player would give up.
    """
    while True:
        path = await ask()
        try:
            return path.open("rb", buffering=0)
        except FileNotFoundError:
            continue
        except OSError as error:
            if error.errno not in {errno.EMFILE, errno.ENFILE}:
                raise
        await asyncio.sleep(SOON)


async def _path(reply: Reply[Path]) -> Path:
    return await reply


async def _told(reply: Reply[Any]) -> bool:
    """Return when a reply is there."""
    await reply
    return True


class _OpenFile(FileResponse):
    """A file that is sent to its end, or to the end of the requested part, from here.

    A segment may be deleted to make room as soon as its waiting requests are answered, and the server would open it by
    name, which is too late. It would also do so in a thread of its own: where there is no descriptor, granian (2.8)
    answers 404, and where there is no thread, the daemon ends. A small file is read at once, a large one in pieces, by
    threads.

    Starlette listens for a client that leaves while it sends a part. Where this app has listened before, as it does
    while a request waits, granian sometimes says at once that the client has left, and nothing would be sent. So it is
    not listened to.
    """

    chunk_size = 1024 * 1024

    def __init__(self, file: BinaryIO, content: str) -> None:
        self._file = file
        status = os.fstat(file.fileno())
        self.on_sent: Callable[[], object] | None = None
        """Is called when all of it was handed to the server."""
        super().__init__(f"/dev/fd/{file.fileno()}", headers=SEGMENT_HEADERS, media_type=content, stat_result=status)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - it is not listened to
        with self._file:
            is_plain = scope["method"] == "GET" and not any(name == b"range" for name, _ in scope["headers"])
            if is_plain and int(self.headers["content-length"]) <= READ_AT_ONCE:
                await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
                await send({"type": "http.response.body", "body": self._file.read()})
            else:
                never = asyncio.Event().wait
                await super().__call__({**scope, "extensions": {}}, never, send)  # type: ignore[arg-type] # it never returns
        if self.on_sent is not None:
            self.on_sent()


def _open(path: Path) -> BinaryIO | None:
    """Open a file on disk; None if it is not there any more, or no descriptor is left for it."""
    try:
        return path.open("rb", buffering=0)
    except OSError:
        return None  # deleted since: the disk is a cache


def _file(request: Request, file: BinaryIO, content: str) -> Response:
    """Answer with an open file, unless the client has its content already, or a proxy sends it."""
    if (response := _handed_over(request, file, content)) is not None:
        return response
    sent = _OpenFile(file, content)
    if is_new(request, sent):
        return sent
    file.close()
    return NotModifiedResponse(sent.headers)


def _handed_over(request: Request, file: BinaryIO, content: str) -> Response | None:
    """Have the proxy that asks send a file, and close it; None if the daemon is to send it.

    The proxy knows by its own tag, and not by ours, whether its client has the content already.
    """
    if (address := address_for_proxy(request, Path(file.name))) is None:
        return None
    file.close()
    return Response(headers=SEGMENT_HEADERS | {HEADER: address}, media_type=content)


open_routes = [
    # First what is asked for most, because routes are tried one after another.
    Route("/sessions/{session_id}/{rendition}/{segment}.{part}.m4s", partial_segment),
    Route("/sessions/{session_id}/{rendition}/{segment}.m4s", segment),
    Route("/sessions/{session_id}/master.m3u8", master),
    Route("/sessions/{session_id}/hint", hint, methods=["POST"]),
    *of_pictures,  # before the rest, because thumbnails would be a rendition else
    Route("/sessions/{session_id}/{rendition}/index.m3u8", playlist),
    Route("/sessions/{session_id}/{rendition}/{segment}.vtt", segment),
    Route("/sessions/{session_id}/{rendition}/init.mp4", init),
    Route("/sessions/{session_id}/{rendition}/init-{part}.mp4", init),
    Route("/sessions/{session_id}/made", made),
    *of_downloads,
]
"""Open without a token, because an unguessable session id protects them."""
