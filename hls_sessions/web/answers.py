"""Answers as JSON, whatever the names of files in them are."""

from __future__ import annotations

import json
from typing import Any

from fastapi.responses import JSONResponse

from hls_sessions.media import readable


class Answer(JSONResponse):
    """An answer in JSON."""

    def render(self, content: Any) -> bytes:
        """Encode it in UTF-8."""
        return as_json(content).encode()


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
