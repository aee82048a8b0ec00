"""Answers as JSON, whatever the names of files in them are, and as text that was compressed once for all clients."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from fastapi.responses import JSONResponse
from starlette.responses import Response
from starlette.staticfiles import NotModifiedResponse

from hls_sessions.media import readable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

    from hls_sessions.media import CompressedText

_TAKES_GZIP: Final = re.compile(r"\bgzip\s*(?:$|,|;(?!\s*q=0(?:\.0*)?\s*(?:,|$)))", re.IGNORECASE)
"""An Accept-Encoding that names gzip, and not only to refuse it (RFC 9110, 12.5.3)."""


class Answer(JSONResponse):
    """An answer in JSON."""

    def render(self, content: Any) -> bytes:
        """Encode it in UTF-8."""
        return as_json(content).encode()


def text_answer(request: Request, text: CompressedText, media_type: str, headers: Mapping[str, str]) -> Response:
    """Answer with a text, compressed for a client that takes gzip, unless the client has it already."""
    headers = {**headers, "Vary": "Accept-Encoding", "ETag": text.etag}
    if _TAKES_GZIP.search(request.headers.get("accept-encoding", "")):
        response = Response(text.compressed, headers=headers | {"Content-Encoding": "gzip"}, media_type=media_type)
    else:
        response = Response(str(text), headers=headers, media_type=media_type)
    return response if is_new(request, response) else NotModifiedResponse(response.headers)


def is_new(request: Request, response: Response) -> bool:
    """Whether the client does not have this content (RFC 9110, 13.1.2: entity tags are compared weakly)."""
    known = [tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")]
    return response.headers["etag"].removeprefix("W/") not in known and "*" not in known


def as_json(content: Any) -> str:
    """Return plain values as JSON that UTF-8 can encode: names of files that are no UTF-8 are percent-encoded."""
    text = _dumped(content)
    try:
        text.encode()
    except UnicodeEncodeError:
        # The name of a member may be one that a caller sent, so it is escaped as JSON does it.
        return _dumped(_readable(content)).encode(errors="backslashreplace").decode()
    return text


def _dumped(content: Any) -> str:
    return json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _readable(content: Any) -> Any:
    match content:
        case str():
            return readable(content)
        case dict():
            return {name: _readable(value) for name, value in content.items()}
        case list() | tuple():
            return [_readable(value) for value in content]
        case _:
            return content
