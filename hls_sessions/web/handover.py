"""Files that a proxy in front sends itself (``X-Accel-Redirect`` of nginx's proxy module), so that no byte is copied.

The proxy asks for this with the header ``X-Sendfile-Type: X-Accel-Redirect``, request by request. So the daemon sends a
file itself to a client that asks it directly, and to a proxy that asks again because the file was gone before it could
open it: a segment may be deleted at any time.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.requests import Request

    from hls_sessions.settings import Settings

ASKED: Final = "X-Sendfile-Type"
"""The header by which a proxy says that it can send files."""

HEADER: Final = "X-Accel-Redirect"
"""The header that tells a proxy which file to send, and the value of the other one."""


def address_for_proxy(request: Request, path: Path) -> str | None:
    """Return where a proxy finds a file of the segments directory; None if the daemon is to send it."""
    if request.headers.get(ASKED, "").lower() != HEADER.lower():
        return None
    settings: Settings = request.app.state.supervisor.settings
    if settings.accel_redirect is None:
        return None
    within = path.relative_to(_resolved(settings.segments_dir))
    return f"{settings.accel_redirect.rstrip('/')}/{quote(within.as_posix())}"


@cache
def _resolved(segments_dir: Path) -> Path:
    return segments_dir.expanduser().resolve()
