"""Server-sent events of one session or of all, for as long as the client reads."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Depends, HTTPException, Query, Request
from fastapi.encoders import jsonable_encoder
from fastapi.sse import EventSourceResponse, ServerSentEvent

from hls_sessions.session import SessionInfo
from hls_sessions.session.events import KINDS
from hls_sessions.supervisor import Stream
from hls_sessions.web.answers import as_json
from hls_sessions.web.api import Supervised, answer, soon
from hls_sessions.web.disclosure import event_for_viewer, is_viewer
from hls_sessions.web.finding import found

if TYPE_CHECKING:
    from collections.abc import Callable

    from hls_sessions.session import Event

router = APIRouter()
open_router = APIRouter()
"""Open without a token, because an unguessable session id protects it and an EventSource cannot send a token."""


async def stream_of_all(
    supervisor: Supervised,
    kind: Annotated[
        list[str] | None, Query(description="The names of the events that are wanted, each by itself; else all.")
    ] = None,
) -> AsyncIterator[Stream]:
    """Open a stream for the length of a request."""
    if unknown := set(kind or ()) - KINDS.keys():
        raise HTTPException(422, f"There are no events {', '.join(sorted(unknown))}; there are {', '.join(KINDS)}.")
    with supervisor.stream(kinds=kind) as stream:
        yield stream


async def stream_of_one(
    session_id: str,
    supervisor: Supervised,
    subscribe: Annotated[
        bool, Query(description="Whether to be counted, and so keep the session from expiring.")
    ] = True,
) -> AsyncIterator[tuple[Stream, SessionInfo]]:
    """Open a stream of one session, and look at the session. This precedes the answer, so that it may be an error."""
    session = await found(supervisor, session_id)
    with supervisor.stream(session_id, subscribe=subscribe) as stream:
        yield stream, await soon(session, session.ask_peek())


@open_router.get("/sessions/{session_id}/events", response_class=EventSourceResponse)
async def session_events(
    opened: Annotated[tuple[Stream, SessionInfo], Depends(stream_of_one)], request: Request
) -> AsyncIterator[ServerSentEvent]:
    """Send a session's state and then its events, until it ends. The reader counts as its subscriber.

    Where a token is set, a reader without it is told what a viewer may know.
    """
    stream, info = opened
    is_for_viewer = is_viewer(request.scope)
    yield _sent("session", answer(info, request))
    async for event in _told(stream, event_for_viewer if is_for_viewer else lambda event: event):
        yield event


@router.get("/events", response_class=EventSourceResponse)
async def all_events(stream: Annotated[Stream, Depends(stream_of_all)]) -> AsyncIterator[ServerSentEvent]:
    """Send the events of all sessions, until the daemon stops."""
    # A first line, which tells the client that it misses nothing from here on.
    yield ServerSentEvent(comment="listening")
    async for event in _told(stream, lambda event: event):
        yield event


async def _told(stream: Stream, shown: Callable[[Event], Event | None]) -> AsyncIterator[ServerSentEvent]:
    async for event in stream:
        if (told := shown(event)) is not None:
            yield _sent(event.name, told)
    if stream.stopping:
        yield _sent("stopping", {"reason": "the supervisor stops"})


def _sent(name: str, data: object) -> ServerSentEvent:
    return ServerSentEvent(event=name, raw_data=as_json(jsonable_encoder(data)))
