"""The ASGI app: the same for our own server and for a media server that mounts it into its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import FastAPI

from hls_sessions.web import api, events, guide, live, login, media, nodes, openapi, pages, problems
from hls_sessions.web.access import Guard, OwnSiteOnly, Refused, write_down
from hls_sessions.web.answers import Answer
from hls_sessions.web.bounds import BodyBounded
from hls_sessions.web.cross_origin import CrossOrigin
from hls_sessions.web.links import Links
from hls_sessions.web.login import Logins
from hls_sessions.web.rates import Rates
from hls_sessions.web.request_ids import RequestIds
from hls_sessions.web.tokens import Tokens

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from starlette.requests import Request

    from hls_sessions.supervisor import Supervisor
    from hls_sessions.web.access import Authorize
    from hls_sessions.web.nodes import Cluster
    from hls_sessions.web.problems import Problem


def create_app(
    supervisor: Supervisor,
    *,
    token: str | None = None,
    token_file: Path | None = None,
    hosts: Collection[str] | None = None,
    authorize: Authorize | None = None,
    cluster: Cluster | None = None,
) -> FastAPI:
    """Make the app of a supervisor, which its owner starts and stops.

    Args:
        supervisor: its sessions are served, by its settings ``links``, ``link_ttl`` and ``cors_origins``.
        token: protects every route that is not open; None for no protection.
        token_file: more tokens, with rights (see the setting of this name); it is read again when it changes.
        hosts: the only names under which it answers, and only what no page of another site asks; None for any name.
        authorize: decides for each request whether its account may do what it wants; a function or a coroutine
            function of the request and a ``Wanted``. False is answered with 403.
        cluster: the cluster that the daemon belongs to; None for a daemon by itself.

    Raises:
        SettingsRefused: the token file cannot be read.
    """
    app = FastAPI(
        title="hls_sessions",
        summary="On-demand HLS sessions",
        redirect_slashes=False,
        default_response_class=Answer,
    )
    app.state.supervisor = supervisor
    settings = supervisor.settings
    has_tokens = token is not None or token_file is not None
    logins = app.state.logins = Logins(Tokens(token, token_file)) if has_tokens else None
    links = app.state.links = Links(settings.state_dir, shared=None if cluster is None else cluster.link_key)
    are_required = has_tokens and settings.links == "required"
    app.state.required_links = links if are_required else None
    app.state.authorize = authorize
    app.state.rates = Rates()
    app.state.cluster = cluster
    problems.install(app)
    openapi.describe(app)
    app.add_exception_handler(Refused, _refused)
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
    app.include_router(nodes.router)
    trusts = None
    if cluster is not None:
        trusts = cluster.trusts
        app.add_middleware(cluster.within)  # the innermost: what it passes on has been judged here
    app.add_middleware(BodyBounded, unbounded=live.open_routes)
    app.add_middleware(
        Guard,
        supervisor=supervisor,
        logins=logins,
        links=links,
        open_routes=open_routes,
        viewer_routes=api.viewer_routes(),
        links_required=are_required,
        authorize=authorize,
        trusts=trusts,
    )
    if hosts is not None:
        app.add_middleware(OwnSiteOnly, hosts=hosts, open_routes=open_routes, trusts=trusts)
    app.add_middleware(RequestIds)
    app.add_middleware(CrossOrigin, routes=media.open_routes, origins=settings.cors_origins)
    return app


async def _refused(request: Request, error: Exception) -> Problem:
    assert isinstance(error, Refused)  # noqa: S101 - registered for nothing else
    write_down(request.scope, error.problem)
    return error.problem
