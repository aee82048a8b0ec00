"""The log of the daemon: a line for each event, for people or as JSON for programs."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any

import structlog

from hls_sessions.cli.log_options import LogFormat, LogLevel
from hls_sessions.otp import MetadataFilter

if TYPE_CHECKING:
    from structlog.typing import EventDict, Processor


def configure(level: LogLevel, form: LogFormat) -> None:
    """Write all records from a level on to standard error, each with what it is about: session, request, rendition."""
    shared: list[Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    last: list[Processor]
    if form is LogFormat.JSON:
        last = [structlog.processors.dict_tracebacks, structlog.processors.JSONRenderer(ensure_ascii=False)]
    else:
        last = [
            structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(),
                exception_formatter=structlog.dev.plain_traceback,
                pad_event_to=0,
                pad_level=False,
            )
        ]
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(MetadataFilter())
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _encodable, *last],
        )
    )
    logging.basicConfig(level=level.value.upper(), handlers=[handler])


def _encodable(_: Any, __: str, event: EventDict) -> EventDict:
    """Return an event that any stream can hold, on one line: names of files may be no UTF-8, and hold anything."""
    return {
        name: _plain(value) if isinstance(value, str) and name != "exception" else value
        for name, value in event.items()
    }


def _plain(text: str) -> str:
    readable = text.encode("utf-8", "backslashreplace").decode()
    return readable.replace("\n", "\\n").replace("\r", "\\r").replace("\x1b", "\\x1b")
