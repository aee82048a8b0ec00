"""How much is logged, and in which form."""

from __future__ import annotations

from enum import Enum


class LogLevel(Enum):
    """How much the daemon logs on standard error."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class LogFormat(Enum):
    """How a line of the log is written."""

    TEXT = "text"
    JSON = "json"
