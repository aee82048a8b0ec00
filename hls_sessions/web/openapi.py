"""The description of all routes (OpenAPI 3.1), at ``/openapi.json``: those of FastAPI, and the plain ones.

FastAPI describes what is declared with it. The plain routes say what they are in their docstrings; what they take and
answer is listed here. Every answer but a good one is a problem (RFC 9457).
"""

from __future__ import annotations

import inspect
import re
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from fastapi.openapi.utils import get_openapi
from starlette.routing import Route

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fastapi import FastAPI

PLAYLIST: Final = "application/vnd.apple.mpegurl"
VIDEO: Final = "video/mp4"
TRACK: Final = "text/vtt"
JPEG: Final = "image/jpeg"
JSON: Final = "application/json"
PAGE: Final = "text/html"
TEXT: Final = "text/plain"
ANY: Final = "application/octet-stream"

PROBLEM: Final[dict[str, Any]] = {
    "description": "A problem (RFC 9457); its type names its kind.",
    "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
}

PROBLEM_SCHEMA: Final = {
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string", "description": "/problems/ and its kind, which programs may compare"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "A sentence, for people"},
    },
    "additionalProperties": True,
}


class Plain(NamedTuple):
    """What a plain route takes and answers."""

    answer: str | None
    """The media type of a good answer; None for one without a body."""
    query: tuple[str, ...] = ()
    """The names of its query parameters, all of them optional."""
    good: tuple[int, ...] = (200,)
    body: str | None = None
    """The media type of its body."""


MEDIA: Final = (200, 304)

PLAIN: Final[dict[str, Plain]] = {
    "/sessions/{session_id}/download": Plain(VIDEO, ("rendition", "audio", "subtitles"), (200, 206)),
    "/sessions/{session_id}/downloads": Plain(JSON),
    "/sessions/{session_id}/thumbnail": Plain(JPEG, ("at",)),
    "/sessions/{session_id}/thumbnails/index.m3u8": Plain(PLAYLIST, good=MEDIA),
    "/sessions/{session_id}/thumbnails/index.vtt": Plain(TRACK, good=MEDIA),
    "/sessions/{session_id}/thumbnails/sheet-{number}.jpg": Plain(JPEG),
    "/sessions/{session_id}/thumbnails/{number}.jpg": Plain(JPEG),
    "/sessions/{session_id}/chapters.vtt": Plain(TRACK, good=MEDIA),
    "/sessions/{session_id}/chapters.json": Plain(JSON, good=MEDIA),
    "/sessions/{session_id}/master.m3u8": Plain(PLAYLIST, ("variants",), MEDIA),
    "/sessions/{session_id}/heartbeat": Plain(None, good=(204,)),
    "/sessions/{session_id}/hint": Plain(None, ("at", "renditions"), (204,)),
    "/sessions/{session_id}/made": Plain(JSON, ("rendition",)),
    "/sessions/{session_id}/{rendition}/index.m3u8": Plain(PLAYLIST, ("_HLS_msn", "_HLS_part"), MEDIA),
    "/sessions/{session_id}/{rendition}/init.mp4": Plain(VIDEO, good=(200, 206, 304)),
    "/sessions/{session_id}/{rendition}/init-{part}.mp4": Plain(VIDEO, good=(200, 206, 304)),
    "/sessions/{session_id}/{rendition}/{segment}.{part}.m4s": Plain(VIDEO, good=(200, 206, 304)),
    "/sessions/{session_id}/{rendition}/{segment}.m4s": Plain(VIDEO, good=(200, 206, 304)),
    "/sessions/{session_id}/{rendition}/{segment}.vtt": Plain(TRACK, good=(200, 206, 304)),
    "/live/{recording_id}/input": Plain(JSON, ("token",), body=ANY),
    "/sessions/{session_id}/files": Plain(JSON),
    "/sessions/{session_id}/files/{kind}": Plain(ANY, ("format", "part"), (200, 206)),
    "/": Plain(PAGE),
    "/watch/{session_id}": Plain(PAGE),
    "/record": Plain(PAGE),
    "/problems/{kind}": Plain(TEXT),
    "/guide": Plain(PAGE),
    "/guide/{page}": Plain(PAGE),
    "/login": Plain(JSON),
    "/logout": Plain(None, good=(204,)),
}
"""By path. ``POST /login`` takes the token, and answers without a body."""

LOGIN: Final = Plain(None, good=(204,), body=JSON)

PAGES: Final = frozenset({PAGE, TEXT})
"""What is for people is answered with a page where it is not there, too."""


def describe(app: FastAPI) -> None:
    """Have an app answer with the description of all its routes."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _described(app)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign] # as FastAPI's documentation has it


def _described(app: FastAPI) -> dict[str, Any]:
    found = get_openapi(
        title=app.title,
        version=version("hls_sessions"),
        summary=app.summary,
        description=app.description,
        routes=app.routes,
    )
    components = found.setdefault("components", {})
    components.setdefault("schemas", {})["Problem"] = PROBLEM_SCHEMA
    components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    for route in app.routes:
        if type(route) is Route and route.include_in_schema and "/static/" not in route.path:
            for method in sorted((route.methods or set()) - {"HEAD"}):
                found["paths"].setdefault(route.path, {})[method.lower()] = _operation(route, method)
    for path in found["paths"].values():
        for operation in path.values():
            _add_problems(operation)
    return found


def _operation(route: Route, method: str) -> dict[str, Any]:
    plain = LOGIN if (route.path, method) == ("/login", "POST") else PLAIN[route.path]
    operation: dict[str, Any] = {
        "summary": inspect.getdoc(route.endpoint),
        "operationId": f"{route.endpoint.__name__}_{re.sub(r'[^a-z0-9]+', '_', route.path.lower()).strip('_')}",
        "parameters": list(_parameters(route.path, plain)),
        "responses": {str(status): _answer(status, plain.answer) for status in plain.good},
    }
    if plain.body is not None:
        operation["requestBody"] = {"content": {plain.body: {}}, "required": True}
    if plain.answer in PAGES:
        operation["responses"]["4XX"] = {"description": "A page that says why.", "content": {plain.answer: {}}}
    return operation


def _parameters(path: str, plain: Plain) -> Iterator[dict[str, Any]]:
    text = {"type": "string"}
    for name in re.findall(r"\{(\w+)\}", path):
        yield {"name": name, "in": "path", "required": True, "schema": text}
    for name in plain.query:
        yield {"name": name, "in": "query", "required": False, "schema": text}


def _answer(status: int, content: str | None) -> dict[str, Any]:
    said = {200: "All of it.", 204: "Done.", 206: "The part that was asked for.", 304: "The client has it already."}
    answer: dict[str, Any] = {"description": said[status]}
    if content is not None and status != 304:  # noqa: PLR2004 - RFC 9110, 15.4.5: without content
        answer["content"] = {content: {}}
    return answer


def _add_problems(operation: dict[str, Any]) -> None:
    responses = operation["responses"]
    # FastAPI's own form of 422 is none of this app's.
    if "422" in responses:
        responses["422"] = PROBLEM
    for class_ in ("4XX", "5XX"):
        known = responses.get(class_, {}).get("content", {})
        responses[class_] = PROBLEM if not known else {**PROBLEM, "content": {**PROBLEM["content"], **known}}
