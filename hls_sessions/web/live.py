"""The routes of recordings: beginning one, sending to it, and fetching what was recorded.

A source holds a recording's input token. The rest is for whoever may open sessions, and for viewers, who know its id.

Over a WebSocket, a source says ``{"type": "start", "mime": …}`` and is told ``{"type": "started", "next": offset}``.
Then it sends binary messages, each an offset in its stream (8 bytes, big-endian) and the bytes that belong there. What
has been kept is acknowledged: ``{"type": "ack", "next": offset}``. A source that has lost its connection starts again,
and goes on from ``next``; one whose stream begins anew says ``"new_stream": true``. It ends with ``{"type": "stop"}``,
and is told ``{"type": "recorded", "files": […]}`` as soon as all of it can be watched. An error is
``{"type": "error", "kind": …, "detail": …}``, with its facts; then the connection is closed with 4000 and the error's
HTTP status.
"""

from __future__ import annotations

import asyncio
import hmac
import json
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, Final

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import FileResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from hls_sessions.errors import (
    InputRefused,
    RecordingNotFound,
    SegmentNotFound,
    SessionError,
    WrongOffset,
)
from hls_sessions.live import KINDS, Recording
from hls_sessions.settings import LONGEST
from hls_sessions.web import problems
from hls_sessions.web.answers import Answer, as_json
from hls_sessions.web.api import SessionAnswer, Supervised, answer, count_opening, prefix_of, soon
from hls_sessions.web.finding import found
from hls_sessions.web.threads import Threads

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection

    from hls_sessions.live import Input, RecordedFile
    from hls_sessions.supervisor import Supervisor

router = APIRouter()

ACKNOWLEDGED_AFTER: Final = 0.1
"""Seconds after which what has arrived is acknowledged at the latest."""

OFFSET_BYTES: Final = 8

FINISHED_WITHIN: Final = 60.0
"""Seconds that a source waits, after its end, for the last segment to be made."""

CLOSE: Final = 4000
"""With an HTTP status added, the code that a connection is closed with after an error (RFC 6455, 7.4.2)."""

MALFORMED: Final = 400

TYPES: Final = {
    "webm": "video/webm",
    "mkv": "video/x-matroska",
    "mp4": "video/mp4",
    "ts": "video/mp2t",
    "m4a": "audio/mp4",
    "mka": "audio/x-matroska",
    "mov": "video/quicktime",
    "wav": "audio/wav",
    "vtt": "text/vtt",
}
"""The media types of files, by extension."""


class RecordRequest(BaseModel):
    """Whose recording it is, and what it is."""

    user: str | None = Field(None, min_length=1, max_length=256, description="Whose it is")
    title: str | None = Field(None, min_length=1, max_length=256, description="What it is called")
    mime: str | None = Field(None, min_length=1, max_length=256, description="The media type of what will come")
    source: str | None = Field(None, min_length=1, max_length=2048, description="Where to fetch it; else it is sent")
    idle_timeout: float | None = Field(
        None, gt=0, le=LONGEST, allow_inf_nan=False, description="Seconds without anything"
    )
    low_latency: bool | None = Field(None, description="Whether it is offered in parts; by default the setting")


@dataclass(frozen=True, kw_only=True)
class RecordAnswer(SessionAnswer):
    """A recording, its addresses, and the right to send to it."""

    input_url: str
    input_token: str


@dataclass(frozen=True, kw_only=True)
class RecordingAnswer:
    """A recording that is kept."""

    id: str
    user: str | None
    title: str
    created_at: float
    """Seconds since the epoch."""
    duration: float
    """Seconds that can be watched."""
    size: int
    """Bytes that have arrived."""
    over: str | None
    """Why it is over; null while it goes on."""
    files: list[dict[str, Any]]
    """What has arrived of it, and what was made of that: name, kind, bytes, seconds, and the files it was made from."""


@router.post("/live", status_code=201)
async def record(wanted: RecordRequest, supervisor: Supervised, request: Request, response: Response) -> RecordAnswer:
    """Begin a recording: a session that can be sent to, and watched meanwhile."""
    count_opening(request, wanted.user)
    recording = await Threads.OPENING.run(
        supervisor.record,
        wanted.user,
        title=wanted.title,
        mime=wanted.mime,
        source=wanted.source,
        idle_timeout=wanted.idle_timeout,
        low_latency=wanted.low_latency,
    )
    prefix = prefix_of(request)
    response.headers["Location"] = f"{prefix}/sessions/{recording.id}"
    info = answer(await soon(recording, recording.ask_info()), request)
    known: dict[str, Any] = {field.name: getattr(info, field.name) for field in fields(info)}
    return RecordAnswer(**known, input_url=f"{prefix}/live/{recording.id}/input", input_token=recording.input_token)


@router.get("/recordings")
async def recordings(supervisor: Supervised) -> list[RecordingAnswer]:
    """List all recordings that are kept, the oldest first."""
    kept = await Threads.OPERATING.run(supervisor.recordings)
    return [RecordingAnswer(**{**asdict(each), "files": list(map(_described, each.files))}) for each in kept]


@router.delete("/recordings/{session_id}", status_code=204)
async def delete_recording(session_id: str, supervisor: Supervised) -> None:
    """End a recording if it still goes on, and delete all that was recorded."""
    await Threads.OPERATING.run(supervisor.delete_recording, session_id)


# ---- sources


async def put(request: Request) -> Response:
    """Take a stream as the body of a request, from its first byte to its last."""
    recording = await _writable(request)
    source = await Threads.RECORDING.run(recording.input, request.headers.get("content-type"), new_stream=True)
    try:
        async for chunk in request.stream():
            if chunk:
                await Threads.RECORDING.run(source.write, source.next, chunk)
    except ClientDisconnect:
        source.close()
        return Response(status_code=MALFORMED)
    except BaseException:
        source.close()
        raise
    source.stop()
    files = await _finished(recording)
    await _played(recording)
    return Answer({"files": files})


async def socket(websocket: WebSocket) -> None:
    """Take a stream over a WebSocket, whose source may lose its connection and come back."""
    await websocket.accept()
    try:
        await _Connection(websocket, await _writable(websocket)).serve()
    except (WebSocketDisconnect, RuntimeError):  # it has left; starlette says so in either way
        return
    except SessionError as error:
        await _close(websocket, error)


class _Connection:
    """One connection of a source."""

    def __init__(self, websocket: WebSocket, recording: Recording) -> None:
        self._websocket = websocket
        self._recording = recording
        self._source: Input | None = None
        self._acknowledged = 0

    async def serve(self) -> None:
        """Do what the source says, until it stops or leaves, or its recording is over.

        Raises:
            SessionError: what it sends is refused.
        """
        tasks = {asyncio.create_task(self._listen()), asyncio.create_task(self._acknowledge())}
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            if self._source is not None:
                self._source.close()

    async def _listen(self) -> None:
        while True:
            message = await self._websocket.receive()
            if message["type"] == "websocket.disconnect":
                return
            if (data := message.get("bytes")) is not None:
                await self._take(data)
            elif await self._obey(message.get("text") or ""):
                return

    async def _take(self, data: bytes) -> None:
        if self._source is None or len(data) < OFFSET_BYTES:
            await _refuse(self._websocket, "malformed-request", "Bytes come after a start, and after their offset.")
            raise WebSocketDisconnect
        offset = int.from_bytes(data[:OFFSET_BYTES], "big")
        await Threads.RECORDING.run(self._source.write, offset, memoryview(data)[OFFSET_BYTES:])

    async def _obey(self, text: str) -> bool:
        """Do what a text message says; return whether the source has ended."""
        match _parsed(text):
            case {"type": "start", **more}:
                mime = more.get("mime")
                if self._source is not None:
                    self._source.close()  # it goes on with another stream
                self._source = await Threads.RECORDING.run(
                    self._recording.input,
                    mime if isinstance(mime, str) else None,
                    new_stream=more.get("new_stream") is True,
                )
                self._acknowledged = self._source.next
                await self._websocket.send_text(as_json({"type": "started", "next": self._source.next}))
            case {"type": "stop"} if self._source is not None:
                await self._send_acknowledgement()
                source, self._source = self._source, None
                source.stop()
                recorded = {"type": "recorded", "files": await _finished(self._recording)}
                await _played(self._recording)
                await self._websocket.send_text(as_json(recorded))
                await self._websocket.close()
                return True
            case _:
                await _refuse(self._websocket, "malformed-request", "A source says start, and at last stop.")
                return True
        return False

    async def _acknowledge(self) -> None:
        """Acknowledge what was kept, and see whether more would be."""
        while True:
            await asyncio.sleep(ACKNOWLEDGED_AFTER)
            await self._send_acknowledgement()
            if self._source is not None:
                self._source.judge()

    async def _send_acknowledgement(self) -> None:
        if self._source is not None and self._source.next != self._acknowledged:
            self._acknowledged = self._source.next
            await self._websocket.send_text(as_json({"type": "ack", "next": self._acknowledged}))


async def _close(websocket: WebSocket, error: SessionError) -> None:
    facts = error.facts() if isinstance(error, WrongOffset) else {}
    await _refuse(websocket, error.kind, str(error), int(problems.status_of(error)), **facts)


async def _refuse(websocket: WebSocket, kind: str, detail: str, status: int = MALFORMED, **facts: Any) -> None:
    with suppress(WebSocketDisconnect, RuntimeError):  # the source has left
        if websocket.application_state is WebSocketState.CONNECTED:
            await websocket.send_text(as_json({"type": "error", "kind": kind, "detail": detail, **facts}))
            await websocket.close(CLOSE + status)


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


async def _writable(connection: HTTPConnection) -> Recording:
    """Return the recording of a request that brought its input token.

    Raises:
        SessionEnded, SessionNotFound: there is no such session.
        RecordingNotFound: it is no recording.
        InputRefused: the token is missing, or another.
    """
    recording = await _recording(connection.app.state.supervisor, connection.path_params["recording_id"])
    scheme, _, given = connection.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        # A browser cannot set a header of a WebSocket.
        given = connection.query_params.get("token", "")
    if not hmac.compare_digest(given.encode(), recording.input_token.encode()):
        raise InputRefused
    return recording


async def _recording(supervisor: Supervisor, session_id: str) -> Recording:
    session = await found(supervisor, session_id)
    if not isinstance(session, Recording):
        raise RecordingNotFound(session_id)
    return session


# ---- files


async def files(request: Request) -> Response:
    """List the files that there are of a recording, also when its session has ended."""
    supervisor: Supervisor = request.app.state.supervisor
    recorded = await Threads.OPERATING.run(supervisor.recording_files, request.path_params["session_id"])
    return Answer([_described(file) for file in recorded])


async def file(request: Request) -> Response:
    """Answer with a file of a recording, so far; ``?part=`` says of which part.

    By default it is made of all parts, one after another; of what has arrived, it is the first.
    """
    supervisor: Supervisor = request.app.state.supervisor
    recording, kind, wanted = request.path_params["session_id"], request.path_params["kind"], _part_of(request)
    if kind == "audio" and request.query_params.get("format") == "wav":
        kind = "wav"
    if kind not in {"original", *KINDS}:
        raise HTTPException(404)
    if kind == "original":
        parts, wanted = await Threads.OPERATING.run(supervisor.recording_files, recording), wanted or 0
        arrived = [file.path for file in parts if file.kind == kind]
        if wanted >= len(arrived):
            raise SegmentNotFound(kind, wanted, len(arrived))
        path = arrived[wanted]
    else:
        path = await Threads.OPERATING.run(supervisor.export_recording, recording, kind, wanted)
    kept = await Threads.OPERATING.run(supervisor.recording, recording)
    media_type = TYPES.get(path.suffix[1:], "application/octet-stream")
    return FileResponse(path, media_type=media_type, filename=f"{kept.title}{path.suffix}")


def _part_of(request: Request) -> int | None:
    """Return the part that a request names; None if it names none.

    Raises:
        HTTPException: it is no number.
    """
    wanted = request.query_params.get("part")
    if wanted is None:
        return None
    if not (wanted.isascii() and wanted.isdecimal() and len(wanted) < OFFSET_BYTES):
        raise HTTPException(404)
    return int(wanted)


async def _finished(recording: Recording) -> list[dict[str, Any]]:
    """Return the files of a recording when all of it can be watched, or it takes too long: all is kept already."""
    with suppress(TimeoutError):
        await Threads.RECORDING.run(recording.finish, FINISHED_WITHIN)
    return [_described(file) for file in recording.files()]


async def _played(recording: Recording) -> None:
    """Return if there is anything to play in what has come.

    Raises:
        NotPlayable: there is not; what has come is kept.
    """
    await soon(recording, recording.ask_playable())


def _described(file: RecordedFile) -> dict[str, Any]:
    return {
        "name": file.name,
        "kind": file.kind,
        "bytes": file.size,
        "seconds": file.seconds,
        "made_from": list(file.made_from),
    }


open_routes = [
    Route("/live/{recording_id}/input", put, methods=["PUT"]),
    WebSocketRoute("/live/{recording_id}/input", socket),
    Route("/sessions/{session_id}/files", files),
    Route("/sessions/{session_id}/files/{kind}", file),
]
"""Open without the daemon's token: sending needs the recording's own, and who knows its id may watch it."""
