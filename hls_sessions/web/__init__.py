"""The HTTP API: translates and waits. ``create_app`` makes an ASGI app to mount, ``serve`` runs our own server."""

from hls_sessions.web.access import Wanted
from hls_sessions.web.app import create_app
from hls_sessions.web.disclosure import VIEWER
from hls_sessions.web.nodes import KNOWN_SESSION, Cluster, NodeAnswer
from hls_sessions.web.problems import Problem
from hls_sessions.web.problems import of as problem_of
from hls_sessions.web.server import serve

__all__ = ["KNOWN_SESSION", "VIEWER", "Cluster", "NodeAnswer", "Problem", "Wanted", "create_app", "problem_of", "serve"]
