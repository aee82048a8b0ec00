"""``hls-sessions top``: all sessions on one screen, as they are."""

from hls_sessions.cli.top.command import top

__all__ = ["top"]
