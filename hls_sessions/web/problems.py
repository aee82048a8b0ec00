"""Errors as RFC 9457 problem details: the one table from the error tree to HTTP."""

from __future__ import annotations

from http import HTTPStatus
from math import ceil
from typing import TYPE_CHECKING, Any

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from hls_sessions import errors
from hls_sessions.encoding import lacking
from hls_sessions.web.answers import Answer
from hls_sessions.web.disclosure import error_for_viewer, is_viewer

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.requests import Request
    from starlette.types import Scope

STATUS: dict[type[errors.SessionError], HTTPStatus] = {
    errors.SessionError: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.NotFound: HTTPStatus.NOT_FOUND,
    errors.Gone: HTTPStatus.GONE,
    errors.MediaNotFound: HTTPStatus.NOT_FOUND,
    errors.FileChanged: HTTPStatus.GONE,
    errors.OutsideRoots: HTTPStatus.FORBIDDEN,
    errors.NotPlayable: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    errors.SessionNotFound: HTTPStatus.NOT_FOUND,
    errors.SessionEnded: HTTPStatus.GONE,
    errors.RenditionNotFound: HTTPStatus.NOT_FOUND,
    errors.SegmentNotFound: HTTPStatus.NOT_FOUND,
    errors.SegmentImpossible: HTTPStatus.NOT_FOUND,
    errors.ExportChanged: HTTPStatus.CONFLICT,
    errors.EncoderFailed: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.SubtitlesFailed: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.ThumbnailFailed: HTTPStatus.NOT_FOUND,
    errors.IllegalTransition: HTTPStatus.CONFLICT,
    errors.SnapshotRefused: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.CapacityExceeded: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.SettingsRefused: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.FfmpegNotFound: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.EncoderUnusable: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.SandboxUnusable: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.WrongOffset: HTTPStatus.CONFLICT,
    errors.InputBusy: HTTPStatus.CONFLICT,
    errors.InputRefused: HTTPStatus.FORBIDDEN,
    errors.SourceRefused: HTTPStatus.FORBIDDEN,
    errors.RecordingOver: HTTPStatus.GONE,
    errors.RecordingNotFound: HTTPStatus.NOT_FOUND,
    errors.RecordingFull: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    errors.StorageFailed: HTTPStatus.INSUFFICIENT_STORAGE,
    errors.StateUnusable: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.Unavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.CannotListen: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.NodeRefused: HTTPStatus.CONFLICT,
    errors.NodeNotFound: HTTPStatus.NOT_FOUND,
}
"""Every error, and its status. An error class of a media server has the status of its nearest base class here."""

RETRY_AFTER = 2
"""Seconds after which a request to a busy daemon is worth repeating."""


MEMBERS = frozenset({"type", "title", "status", "detail", "instance"})
"""Members of a problem whose meaning RFC 9457 fixes: a fact of such a name is left out."""


class Problem(Answer):
    """One problem, as application/problem+json. ``kind`` is stable: programs may compare the type."""

    media_type = "application/problem+json"

    def __init__(self, status: int, kind: str, detail: str, **facts: Any) -> None:
        self.kind = kind
        title = kind.replace("-", " ").capitalize()
        body = {"type": f"/problems/{kind}", "title": title, "status": int(status), "detail": detail, **facts}
        is_for_now = status in {HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS}
        retry = {"Retry-After": str(ceil(facts.get("retry_after", RETRY_AFTER)))} if is_for_now else None
        super().__init__(body, status_code=int(status), headers=retry)


class BodyTooLarge(HTTPException):
    """A request's body is longer than is read."""

    def __init__(self, most: int) -> None:
        super().__init__(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"A request may bring {most:,} bytes at most.")


def of(error: errors.SessionError, scope: Scope | None = None) -> Problem:
    """Translate the error of a request; its facts become members, as far as the caller may know them."""
    detail, known = error_for_viewer(error) if scope is not None and is_viewer(scope) else (str(error), error.facts())
    facts = {name: value for name, value in known.items() if name not in MEMBERS}
    return Problem(status_of(error), error.kind, detail, **facts)


def status_of(error: errors.SessionError) -> HTTPStatus:
    """Return the status of an error, which is that of its nearest base class in the table."""
    return next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)


def fault() -> Problem:
    """Return the answer to a request over which the daemon itself failed."""
    return Problem(HTTPStatus.INTERNAL_SERVER_ERROR, "internal-server-error", EDGE["internal-server-error"])


EDGE = {
    "malformed-request": "The request is not of the form the API describes; the faults say where.",
    "content-too-large": "The request brings more than any question or order to the daemon takes.",
    "token-required": "The daemon was started with a token, and the request did not bring one.",
    "right-missing": "The token gives the right to watch, and the request is for operators.",
    "link-required": "The daemon is set to want a viewing link, and the request named a session by its id alone.",
    "link-over": "The viewing link has expired, or was revoked.",
    "forbidden": "The media server that the sessions belong to does not let this account do that.",
    "too-many-opens": "This caller has opened as many sessions as it may in a minute.",
    "too-many-refusals": "Many wrong tokens have come from this address. It is heard again after a while.",
    "token-wrong": "The login was asked for with another token than the daemon's.",
    "host-refused": "The daemon has no token, and was asked under a name that is not this machine's own.",
    "cross-site-request": "The daemon has no token, and a page of another site asked for a change.",
    "cluster-secret-required": "Only the other nodes of its cluster may ask a node that.",
    "internal-server-error": "The daemon has a fault; its log says more.",
}
"""Kinds of problems that arise in the HTTP layer itself."""


def explanation(kind: str) -> str | None:
    """Return in words what a kind of problem means, for a reader who follows its type; None for an unknown kind."""
    known = EDGE | {error.kind: str(error.__doc__) for error in STATUS}
    plain = {_kind_of(status): status.description for status in HTTPStatus}
    return known.get(kind) or plain.get(kind)


def _kind_of(status: HTTPStatus) -> str:
    return status.phrase.lower().replace(" ", "-")


def install(app: FastAPI) -> None:
    """Make an app answer every error as a problem."""

    async def session_error(request: Request, error: Exception) -> Problem:
        assert isinstance(error, errors.SessionError)  # noqa: S101 - registered for nothing else
        return of(error, request.scope)

    async def malformed(_: Request, error: Exception) -> Problem:
        assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for nothing else
        wrong = [{"where": ".".join(map(str, fault["loc"])), "what": fault["msg"]} for fault in error.errors()]
        detail = "; ".join(f"{fault['where']}: {fault['what']}" for fault in wrong)
        return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "malformed-request", detail, faults=wrong)

    async def http_error(_: Request, error: Exception) -> Problem:
        assert isinstance(error, HTTPException)  # noqa: S101 - registered for nothing else
        status = HTTPStatus(error.status_code)
        problem = Problem(status, _kind_of(status), error.detail)
        problem.headers.update(error.headers or {})
        return problem

    async def too_large(_: Request, error: Exception) -> Problem:
        assert isinstance(error, BodyTooLarge)  # noqa: S101 - registered for nothing else
        return Problem(error.status_code, "content-too-large", error.detail)

    async def any_other(request: Request, error: Exception) -> Problem:
        if (lacks := lacking(error)) is not None:
            return of(errors.Unavailable(f"This machine has run out of {lacks}."), request.scope)
        return fault()

    app.add_exception_handler(Exception, any_other)
    app.add_exception_handler(errors.SessionError, session_error)
    app.add_exception_handler(RequestValidationError, malformed)
    app.add_exception_handler(HTTPException, http_error)
    app.add_exception_handler(BodyTooLarge, too_large)
