"""The JSON API. It translates and waits; every decision is made in the packages below."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import PlainTextResponse
from pydantic import BaseModel, Field, model_validator

from hls_sessions.errors import (
    NotPlayable,
    SessionEnded,
    SessionError,
    SessionNotFound,
    SnapshotRefused,
    ThumbnailFailed,
)
from hls_sessions.session import CALL_TIMEOUT, LogEntry, SessionInfo, Snapshot, State, Transition
from hls_sessions.settings import LONGEST
from hls_sessions.supervisor import Changes, Filter, Health, Hour, Listing, Outcome, ProcessNode, Stats, Supervisor
from hls_sessions.web.access import Refused, Wanted, judged, place_of
from hls_sessions.web.disclosure import health_for_viewer, info_for_viewer, is_viewer
from hls_sessions.web.finding import found
from hls_sessions.web.links import LONGEST as LONGEST_LINK
from hls_sessions.web.pictures import as_jpeg
from hls_sessions.web.problems import Problem
from hls_sessions.web.threads import Threads

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

    from starlette.routing import BaseRoute

    from hls_sessions.otp import Reply
    from hls_sessions.session import Session
    from hls_sessions.web.links import Links

T = TypeVar("T")

router = APIRouter()
open_router = APIRouter()
"""Open without a token: the player page sends heartbeats, and a load balancer asks for the health."""

RETURN_PATIENCE = 5.0
"""Seconds a list waits for sessions of an earlier daemon to be brought back; then they are left out."""

LIST_PATIENCE = 1.0
"""Seconds that all sessions together have to answer for a list. A silent one is listed without the rest of its info."""

ATTEMPTS = 3
"""How often a session is opened that others end at once; then the caller is told that it ended."""


async def supervisor_of(request: Request) -> Supervisor:
    """Return the supervisor an app was made for. A coroutine, because a function would be called in a thread."""
    supervisor: Supervisor = request.app.state.supervisor
    return supervisor


Supervised = Annotated[Supervisor, Depends(supervisor_of)]


class OpenRequest(BaseModel):
    """The file or the recording to play, and its viewer."""

    media: str | None = Field(
        None, min_length=1, max_length=4096, description="Relative to a media root, or absolute under one"
    )
    recording: str | None = Field(None, min_length=1, max_length=64, description="The id of a recording instead")
    user: str | None = Field(None, min_length=1, max_length=256, description="Opening again returns the same session")
    start_at: float = Field(0.0, ge=0, allow_inf_nan=False, description="Seconds at which to begin")
    idle_timeout: float | None = Field(
        None, gt=0, le=LONGEST, allow_inf_nan=False, description="Seconds without anything"
    )
    share: bool = Field(True, description="Whether a new session shares its segments with others of the file")
    prepare: bool | None = Field(None, description="Whether first segments are made before a player asks")

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if (self.media is None) == (self.recording is None):
            raise ValueError("either media or recording is to be named")
        return self


class PauseRequest(BaseModel):
    """The viewer's position."""

    position: float | None = Field(None, ge=0, allow_inf_nan=False, description="Seconds from the beginning")


class LinkRequest(BaseModel):
    """How long a viewing link is to be good."""

    expires_in: float | None = Field(
        None, gt=0, le=LONGEST_LINK, allow_inf_nan=False, description="Seconds; by default the setting"
    )


@dataclass(frozen=True, slots=True)
class LinkAnswer:
    """A viewing link."""

    number: str
    """By which it can be revoked."""
    expires_at: datetime
    playlist_url: str
    player_url: str


class UpdateRequest(BaseModel):
    """The sessions to change, and the changes."""

    filter: Filter
    changes: Changes


class SettingsAnswer(BaseModel):
    """All settings, the names of those that may change while the daemon runs, and what they mean."""

    settings: dict[str, Any]
    changeable: list[str]
    meanings: dict[str, str]


@dataclass(frozen=True, kw_only=True)
class SessionAnswer(SessionInfo):
    """A session, and its addresses."""

    playlist_url: str
    player_url: str
    node: str | None = None
    """The node of a cluster that it is at; None where the daemon runs by itself."""


@router.post("/sessions", status_code=201, responses={200: {"model": SessionAnswer}})
async def open_session(
    wanted: OpenRequest, supervisor: Supervised, request: Request, response: Response
) -> SessionAnswer:
    """Open a file for a viewer: 201 for a new session, 200 for the one this user has of this file."""
    await may_open(request, wanted.recording or wanted.media, wanted.user)
    more: dict[str, Any] = wanted.model_dump(include={"start_at", "idle_timeout", "share", "prepare"})
    if wanted.recording is not None:
        open_it = partial(supervisor.open_recording, wanted.recording, wanted.user, **more)
    else:
        open_it = partial(supervisor.open_or_find, wanted.media or "", wanted.user, **more)
    return await _opened(open_it, request, response)


@router.get("/sessions")
async def list_sessions(
    supervisor: Supervised,
    request: Request,
    state: Annotated[State | None, Query()] = None,
    user: Annotated[str | None, Query()] = None,
) -> list[SessionAnswer]:
    """List the sessions, the oldest first. Being listed does not count as activity."""
    if supervisor.are_returning:
        await Threads.OPERATING.run(supervisor.wait_for_the_returning, RETURN_PATIENCE)
    infos = await _peeked(supervisor.sessions(user))
    return [answer(info, request) for info in infos if state is None or state.value == info.state]


@router.post("/sessions/find")
async def find_sessions(wanted: Filter, supervisor: Supervised, request: Request) -> list[SessionAnswer]:
    """List the sessions that meet the filter, the oldest first. Being listed does not count as activity."""
    infos = await _peeked(await Threads.OPERATING.run(supervisor.find_many, wanted))
    return [answer(info, request) for info in infos]


@router.post("/sessions/stop")
async def stop_sessions(wanted: Filter, supervisor: Supervised) -> list[Outcome]:
    """End all sessions that meet the filter; answered with the outcome of each when everything they used is freed."""
    return await Threads.OPERATING.run(supervisor.stop_many, wanted)


@router.post("/sessions/pause")
async def pause_sessions(wanted: Filter, supervisor: Supervised) -> list[Outcome]:
    """Stop the encoders of all sessions that meet the filter; answered with the outcome of each."""
    return await Threads.OPERATING.run(supervisor.pause_many, wanted)


@router.patch("/sessions")
async def update_sessions(wanted: UpdateRequest, supervisor: Supervised) -> list[Outcome]:
    """Change all sessions that meet the filter; answered with the outcome of each."""
    return await Threads.OPERATING.run(supervisor.update_many, wanted.filter, wanted.changes)


@router.get("/sessions/{session_id}")
async def get_info(session_id: str, supervisor: Supervised, request: Request) -> SessionAnswer:
    """Return one session. Counts as a heartbeat."""
    session = await found(supervisor, session_id)
    return answer(await soon(session, session.ask_info()), request)


async def heartbeat(request: Request) -> Response:
    """Note that the viewer is still there."""
    session = await found(request.app.state.supervisor, request.path_params["session_id"])
    reply = session.ask_heartbeat()
    if reply.done():
        reply.get(0)  # raises what it was refused with
    else:
        await soon(session, reply)
    return Response(status_code=204)


# A plain route, because every viewer asks for it all the time.
open_router.add_route("/sessions/{session_id}/heartbeat", heartbeat, methods=["POST"])


@router.post("/sessions/{session_id}/pause")
async def pause(session_id: str, supervisor: Supervised, wanted: PauseRequest | None = None) -> Snapshot:
    """Stop a session's encoders; answered when they have ended, with a snapshot to resume from."""
    session = await found(supervisor, session_id)
    return await soon(session, session.ask_pause(None if wanted is None else wanted.position))


@router.post("/sessions/{session_id}/resume", responses={201: {"model": SessionAnswer}})
async def resume(
    session_id: str, supervisor: Supervised, request: Request, response: Response, snapshot: Snapshot | None = None
) -> SessionAnswer:
    """Resume a session, as it was at the pause or as a snapshot says. If it is gone, a snapshot opens another: 201."""
    if snapshot is not None and snapshot.session_id != session_id:
        raise SnapshotRefused("it is of another session")
    try:
        session = await found(supervisor, session_id)
        return answer(await soon(session, session.ask_resume(snapshot)), request)
    except (SessionEnded, SessionNotFound):
        if snapshot is None:
            raise
    return await resume_from(snapshot, supervisor, request, response)


@router.post("/resume", status_code=201, responses={200: {"model": SessionAnswer}})
async def resume_from(
    snapshot: Snapshot, supervisor: Supervised, request: Request, response: Response
) -> SessionAnswer:
    """Resume from a snapshot: 200 in the session that is there, 201 in a new one at that position."""
    await may_open(request, snapshot.media, snapshot.user)
    return await _opened(partial(supervisor.resume_or_open, snapshot), request, response)


@router.get("/sessions/{session_id}/history")
async def history(session_id: str, supervisor: Supervised) -> list[Transition]:
    """Return every step of a session's life, the oldest first. An ended session has one as long as it is kept."""
    return list(await Threads.OPERATING.run(supervisor.history, session_id))


@router.get("/sessions/{session_id}/log")
async def log(session_id: str, supervisor: Supervised) -> list[LogEntry]:
    """Return what a session's encoders and packagers said last, the oldest first; those that run come last."""
    session = await found(supervisor, session_id)
    info = await soon(session, session.ask_peek())
    now = datetime.now(UTC)
    running = [LogEntry(now, f"{run.rendition} run {run.run}", None, run.log) for run in info.runs]
    return [*session.log, *running]


@router.delete("/sessions/{session_id}", status_code=204)
async def stop_session(session_id: str, supervisor: Supervised) -> None:
    """End a session; answered when everything it used is freed."""
    await Threads.OPERATING.run(supervisor.close, session_id)


@router.post("/sessions/{session_id}/links", status_code=201)
async def issue_link(
    session_id: str, supervisor: Supervised, request: Request, wanted: LinkRequest | None = None
) -> LinkAnswer:
    """Make a viewing link of a session: addresses by which it can be watched for some time, without its id."""
    session = await found(supervisor, session_id)
    links: Links = request.app.state.links
    lasts = supervisor.settings.link_ttl if wanted is None or wanted.expires_in is None else wanted.expires_in
    place, link = links.issue(session.id, lasts)
    prefix = prefix_of(request)
    return LinkAnswer(
        number=link.number,
        expires_at=datetime.fromtimestamp(link.expires, UTC),
        playlist_url=f"{prefix}/sessions/{place}/master.m3u8",
        player_url=f"{prefix}/watch/{place}",
    )


@router.delete("/sessions/{session_id}/links", status_code=204)
async def revoke_links(session_id: str, request: Request) -> None:
    """Make all viewing links of a session useless that were made until now."""
    await Threads.OPERATING.run(request.app.state.links.revoke, session_id)


@router.delete("/sessions/{session_id}/links/{number}", status_code=204)
async def revoke_link(session_id: str, number: str, request: Request) -> None:
    """Make one viewing link useless."""
    await Threads.OPERATING.run(request.app.state.links.revoke, session_id, number)


@router.get("/settings")
async def settings(supervisor: Supervised) -> SettingsAnswer:
    """Return the current settings, and which of them may change."""
    return settings_answer(supervisor)


@router.patch("/settings")
async def reconfigure(changes: dict[str, Any], supervisor: Supervised) -> SettingsAnswer:
    """Change all settings that are named, or none; answered with the current settings."""
    await Threads.OPERATING.run(partial(supervisor.reconfigure, **changes))
    return settings_answer(supervisor)


@open_router.get("/health")
async def health(
    supervisor: Supervised,
    request: Request,
    response: Response,
    probe: Annotated[bool, Query(description="Whether a critical one is answered with 503.")] = True,
) -> Health:
    """Return whether the daemon can do its work, with reasons; 503 if no viewer should be sent to it.

    Where a token is set, a caller without it is told no reasons.
    """
    found = await Threads.LOOKING.run(supervisor.health)
    response.status_code = 503 if probe and found.status == "critical" else 200
    return health_for_viewer(found) if is_viewer(request.scope) else found


@router.get("/stats")
async def stats(supervisor: Supervised) -> Stats:
    """Return figures over all sessions: living ones, and ended ones that are kept."""
    return await Threads.LOOKING.run(supervisor.stats)


@router.get("/stats/hour")
async def hour(supervisor: Supervised) -> Hour:
    """Return the figures of the last hour as columns, one sample for every ten seconds."""
    return supervisor.hour()


@router.get("/processes")
async def processes(supervisor: Supervised) -> ProcessNode:
    """Return the supervision tree as it is now."""
    return await Threads.LOOKING.run(supervisor.processes)


@router.get("/media")
async def media(
    supervisor: Supervised,
    folder: Annotated[str, Query(max_length=4096, description="Absolute; empty for the media roots")] = "",
    search: Annotated[str, Query(max_length=256, description="Words of the path of files in it and below")] = "",
) -> Listing:
    """List a folder under the media roots, or find files in it and below."""
    return await Threads.OPERATING.run(supervisor.browse, folder, search)


@router.get("/media/poster", response_class=Response, responses={200: {"content": {"image/jpeg": {}}}, 204: {}})
async def poster(
    supervisor: Supervised,
    request: Request,
    media: Annotated[str, Query(min_length=1, max_length=4096, description="As for POST /sessions")],
) -> Response:
    """Return a scene of a file as a JPEG; 204 for a file that has none. It is probed first."""
    try:
        return await as_jpeg(request, await Threads.OPENING.run(supervisor.ask_poster, media))
    except (NotPlayable, ThumbnailFailed):
        return Response(status_code=204)


@router.get("/metrics", response_class=PlainTextResponse)
async def metrics(supervisor: Supervised, request: Request) -> Response:
    """Return the figures for Prometheus."""
    text, kind = await Threads.LOOKING.run(supervisor.metrics, request.headers.get("accept", ""))
    return Response(text, headers={"Content-Type": kind})


async def may_open(request: Request, media: str | None, user: str | None) -> None:
    """Return if a caller may open a file now.

    Raises:
        Refused: the media server that has mounted the app does not let this account open it; as ``count_opening``.
    """
    wanted = Wanted("open", media=media, user=user)
    if (refusal := await judged(request.app.state.authorize, request, wanted)) is not None:
        raise Refused(refusal)
    count_opening(request, user)


def count_opening(request: Request, user: str | None) -> None:
    """Count that a caller opens a session.

    Raises:
        Refused: it has opened as many as it may in a minute.
    """
    most = request.app.state.supervisor.settings.max_opens_per_minute
    caller = f"user {user}" if user is not None else f"address {request.client.host if request.client else ''}"
    if most is not None and (wait := request.app.state.rates.take(caller, most)):
        raise Refused(Problem(429, "too-many-opens", f"You may open {most} sessions a minute.", retry_after=wait))


async def soon(session: Session, reply: Reply[T]) -> T:
    """Return a session's answer.

    Raises:
        Unavailable: it did not answer in time.
    """
    try:
        async with asyncio.timeout(CALL_TIMEOUT):
            return await reply
    except TimeoutError as error:
        raise session.did_not_answer() from error


async def _peeked(sessions: list[Session]) -> list[SessionInfo]:
    """Return the infos of sessions, all asked at once. One that ends meanwhile is left out."""
    asked = [(session, session.ask_peek()) for session in sessions]
    waiting = [asyncio.ensure_future(_settled(reply)) for _, reply in asked if not reply.done()]
    if waiting:
        await asyncio.wait(waiting, timeout=LIST_PATIENCE)
    infos = []
    for session, reply in asked:
        with suppress(SessionError):
            infos.append(reply.get(0) if reply.done() else session.outline())
    for task in waiting:
        task.cancel()
    return infos


async def _settled(reply: Reply[SessionInfo]) -> None:
    """Return when a reply is there, whatever it is."""
    with suppress(SessionError):
        await reply


async def _opened(open_it: Callable[[], tuple[Session, bool]], request: Request, response: Response) -> SessionAnswer:
    """Open a session, and answer with it. A session that another caller ends at that moment is opened once more."""
    for attempt in count(1):
        # Opening waits for the prober's worker process, so it gets a thread.
        session, new = await Threads.OPENING.run(open_it)
        try:
            info = await soon(session, session.ask_info())
            break
        except (SessionEnded, SessionNotFound):
            if attempt == ATTEMPTS:
                raise
    response.status_code = 201 if new else 200
    response.headers["Location"] = f"{prefix_of(request)}/sessions/{session.id}"
    return answer(info, request)


def settings_answer(supervisor: Supervisor) -> SettingsAnswer:
    """Return a supervisor's settings, with the token hidden."""
    now = supervisor.settings
    return SettingsAnswer(
        settings=now.model_dump(mode="json"), changeable=sorted(now.changeable()), meanings=now.meanings()
    )


def prefix_of(request: Request) -> str:
    """Return the prefix of this app's paths if it is mounted into another app."""
    prefix: str = request.scope.get("root_path", "")
    return prefix


def answer(info: SessionInfo, request: Request) -> SessionAnswer:
    """Add a session's addresses to its info, of which a viewer is told a part."""
    told = info_for_viewer(info) if is_viewer(request.scope) else info
    known: dict[str, Any] = {field.name: getattr(told, field.name) for field in fields(told)}
    prefix, place = prefix_of(request), place_of(request, info.session_id)
    cluster = request.app.state.cluster
    return SessionAnswer(
        **known,
        playlist_url=f"{prefix}/sessions/{place}/master.m3u8",
        player_url=f"{prefix}/watch/{place}",
        node=None if cluster is None else cluster.name,
    )


def viewer_routes() -> list[BaseRoute]:
    """Return the routes for which the right to watch suffices."""
    own = {open_session, resume_from, get_info, pause, resume, stop_session, issue_link, revoke_links, revoke_link}
    return [route for route in router.routes if getattr(route, "endpoint", None) in own]
