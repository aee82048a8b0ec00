"""Metadata of log records: which process wrote a line, and on whose behalf.

As OTP's ``logger:update_process_metadata/1``, what a server sets holds for all that its callbacks write. And as a token
of ``seq_trace``, the name of a request goes along when a server is asked, so that what the server then writes names the
request too. See https://www.erlang.org/doc/apps/kernel/logger.html and .../seq_trace.html.
"""

from __future__ import annotations

import logging
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

REQUEST: Final = "request"
"""The member that goes along with a question."""

_METADATA: ContextVar[Mapping[str, str]] = ContextVar("hls_sessions.metadata")
_NONE: Final[Mapping[str, str]] = {}


def metadata() -> Mapping[str, str]:
    """Return the metadata of this thread, or of this task of an event loop."""
    return _METADATA.get(_NONE)


def update_metadata(**members: str) -> None:
    """Add members to the metadata of this thread or task, from now on."""
    _METADATA.set({**metadata(), **members})


@contextmanager
def on_behalf_of(request: str | None) -> Iterator[None]:
    """Name the request for which the block runs; None for none."""
    if request is None:
        yield
        return
    token = _METADATA.set({**metadata(), REQUEST: request})
    try:
        yield
    finally:
        _METADATA.reset(token)


class MetadataFilter(logging.Filter):
    """Adds the metadata to each record, as attributes; one that the record brings itself stays. For a handler."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every record pass."""
        for name, value in metadata().items():
            record.__dict__.setdefault(name, value)
        return True
