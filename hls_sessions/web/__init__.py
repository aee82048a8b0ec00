"""The HTTP API: translates and waits. ``create_app`` makes an ASGI app to mount, ``serve`` runs our own server."""

from hls_sessions.web.access import Wanted
from hls_sessions.web.app import create_app
from hls_sessions.web.server import serve

__all__ = ["Wanted", "create_app", "serve"]
