"""A tiny media server: members of a film club watch what is on the programme, a few at a time."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple

from fastapi import FastAPI, HTTPException

from hls_sessions.errors import NotFound, SessionError
from hls_sessions.web import create_app

if TYPE_CHECKING:
    from hls_sessions import Session, Supervisor


class Seat(NamedTuple):
    """A member's session, as the club tells of it."""

    playlist: str
    seconds: float


def club(supervisor: Supervisor) -> FastAPI:
    """Return the club's app. The owner of the supervisor starts and stops it."""
    app = FastAPI()
    app.mount("/hls", create_app(supervisor))

    @app.get("/members/{member}/films")
    def films(member: str) -> list[str]:
        return [session.title for session in supervisor.sessions(member)]

    @app.post("/members/{member}/films/{film}", status_code=HTTPStatus.CREATED)
    def watch(member: str, film: str) -> dict[str, object]:
        try:
            return seat(supervisor.open(film, user=member))._asdict()
        except NotFound as error:
            raise HTTPException(HTTPStatus.NOT_FOUND, f"{film} is not on the programme.") from error
        except SessionError as error:
            raise HTTPException(HTTPStatus.SERVICE_UNAVAILABLE, str(error)) from error

    return app


def seat(session: Session) -> Seat:
    """Return what a member's player needs."""
    return Seat(f"/hls/sessions/{session.id}/master.m3u8", float(session.info().duration))
