"""The ASGI app: the same for our own server and for a media server that mounts it into its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import FastAPI

from hls_sessions.web import api, events, guide, live, login, media, pages, problems
from hls_sessions.web.access import OwnSiteOnly, TokenRequired
from hls_sessions.web.answers import Answer
from hls_sessions.web.bounds import BodyBounded
from hls_sessions.web.cross_origin import CrossOrigin
from hls_sessions.web.login import Logins

if TYPE_CHECKING:
    from collections.abc import Collection

    from hls_sessions.supervisor import Supervisor


def create_app(supervisor: Supervisor, *, token: str | None = None, hosts: Collection[str] | None = None) -> FastAPI:
    """Make the app of a supervisor, which its owner starts and stops.

    Args:
        supervisor: its sessions are served.
        token: protects every route that is not open; None for no protection.
        hosts: the only names under which it answers, and only what no page of another site asks; None for any name.
    """
    app = FastAPI(
        title="hls_sessions",
        summary="On-demand HLS sessions",
        redirect_slashes=False,
        default_response_class=Answer,
    )
    app.state.supervisor = supervisor
    logins = app.state.logins = None if token is None else Logins(token)
    problems.install(app)
    open_routes = [
        *media.open_routes,
        *live.open_routes,
        *pages.open_routes,
        *guide.open_routes,
        *login.open_routes,
        *api.open_router.routes,
        *events.open_router.routes,
    ]
    app.router.routes[:0] = open_routes
    app.include_router(api.router)
    app.include_router(events.router)
    app.include_router(live.router)
    app.add_middleware(BodyBounded, unbounded=live.open_routes)
    if logins is not None:
        app.add_middleware(TokenRequired, logins=logins, open_routes=open_routes)
    if hosts is not None:
        app.add_middleware(OwnSiteOnly, hosts=hosts, open_routes=open_routes)
    app.add_middleware(CrossOrigin, routes=media.open_routes)
    return app
