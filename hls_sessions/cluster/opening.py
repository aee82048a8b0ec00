"""Opening sessions: at the node that is best for each, and no more than the whole cluster may have."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from hls_sessions.cluster import rows
from hls_sessions.cluster.asgi import Captured, again, body_of
from hls_sessions.cluster.forwarding import ClientLeft, as_told, captured, headers_of, target
from hls_sessions.cluster.messages import Limits, Opening
from hls_sessions.cluster.peers import Silent
from hls_sessions.cluster.placement import Wanted, candidates
from hls_sessions.cluster.service import DirectoryGone
from hls_sessions.errors import CapacityExceeded, NodeRefused, SessionError, Unavailable
from hls_sessions.web import problem_of

if TYPE_CHECKING:
    from hls_sessions.cluster.agent import Agent
    from hls_sessions.cluster.asgi import App, Receive, Scope, Send
    from hls_sessions.cluster.claims import Claim
    from hls_sessions.cluster.node import Node
    from hls_sessions.cluster.passing import Passing
    from hls_sessions.cluster.peers import Peers
    from hls_sessions.supervisor import Supervisor

OPEN_TRIES: Final = 3

OPENED: Final = frozenset({200, 201})

TRY_ANOTHER: Final = frozenset({403, 404, 503, 507})
"""Statuses with which a node says that it cannot open a film, which another perhaps can."""


class Openings:
    """Answers ``POST /sessions``."""

    def __init__(self, app: App, supervisor: Supervisor, agent: Agent, peers: Peers, passing: Passing) -> None:
        """Open with an app what is opened at this node."""
        self._app = app
        self._supervisor = supervisor
        self._agent = agent
        self._replica = agent.replica
        self._peers = peers
        self._passing = passing

    async def open(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Open a session at the node that is best for it, within the limits of the cluster."""
        body = await body_of(receive)
        wanted = _opening(body)
        if wanted is None:
            await self._app(scope, again(body, receive), send)  # which says what is wrong with it
            return
        try:
            film = await self._path_of(wanted["media"])
            key = str(uuid4())
            existing = await self._admitted(wanted.get("user"), film, key)
            try:
                if existing is not None:
                    await self._pass_opening(scope, receive, send, existing, body)
                else:
                    await self._open_at_the_best(scope, receive, send, film, body)
            finally:
                with suppress(DirectoryGone, NodeRefused):
                    await self._agent.directory.opened(key)
        except SessionError as error:
            await problem_of(error, scope)(scope, receive, send)

    async def _path_of(self, media: str) -> str:
        """Return the path of a film, as far as it is known here."""
        try:
            return str(await asyncio.to_thread(self._supervisor.media_roots.find, media))
        except SessionError:
            return media

    async def _admitted(self, user: str | None, film: str, key: str) -> Claim | None:
        """Return when there is room for one more session, or with the one that this user has of the film.

        Raises:
            CapacityExceeded: there is none.
        """
        settings = self._supervisor.settings
        limits = Limits(
            max_sessions=settings.max_sessions,
            max_sessions_per_user=settings.max_sessions_per_user,
            evict=settings.when_full == "evict",
            unwatched_after=settings.encoder_idle_timeout,
        )
        wanted = Opening(user=user, film=film, viewing=rows.viewing(user, film), limits=limits, key=key)
        for _ in range(OPEN_TRIES):
            try:
                decided = await self._agent.directory.admit(wanted)
            except (DirectoryGone, NodeRefused):
                return None  # the limits of each node hold meanwhile
            if decided.refused is not None:
                raise CapacityExceeded(*decided.refused)
            if not decided.end:
                return decided.existing
            await asyncio.gather(*(self._end(session) for session in decided.end))
        return None

    async def _end(self, session: str) -> None:
        """End a session for another, wherever it is."""
        claim = await self._passing.claim_of(session)
        if claim is None:
            return
        if claim.node == self._agent.name:
            with suppress(SessionError):
                await asyncio.to_thread(self._supervisor.close, session)
                await self._agent.register()
        elif (owner := self._replica.nodes.get(claim.node)) is not None:
            with suppress(Silent):
                async with self._peers.request(owner.node.url, "DELETE", f"/sessions/{session}"):
                    pass

    async def _pass_opening(self, scope: Scope, receive: Receive, send: Send, existing: Claim, body: bytes) -> None:
        """Have the owner of a session answer its user, who opens the film again."""
        if existing.node == self._agent.name:
            await self.open_here(scope, again(body, receive), send)
            return
        with suppress(ClientLeft):
            await self._passing.pass_on(scope, receive, send, existing, "", body)

    async def _open_at_the_best(self, scope: Scope, receive: Receive, send: Send, film: str, body: bytes) -> None:
        first: Captured | None = None
        nodes = candidates(self._replica.alive(self._passing.avoided()), Wanted(film))
        for node in nodes:
            if node.name == self._agent.name:
                got = await self._opened_here(scope, receive, body)
            else:
                try:
                    got = await self._opened_by(node, scope, body)
                except Silent:
                    continue
            if got.status in OPENED or got.status not in TRY_ANOTHER:
                await got.pass_on(send)
                return
            first = first or got
        if first is None or not any(node.name == self._agent.name for node in nodes):
            # Nobody else can, or no node is known yet: this one opens it alone, and registers it later.
            first = await self._opened_here(scope, receive, body)
        await first.pass_on(send)

    async def _opened_by(self, node: Node, scope: Scope, body: bytes) -> Captured:
        async with self._peers.request(node.url, "POST", target(scope), headers_of(scope), body) as reply:
            return captured(reply)

    async def open_here(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Open a session at this node, as another node asks."""
        body = await body_of(receive)
        await (await self._opened_here(as_told(scope), receive, body)).pass_on(send)

    async def _opened_here(self, scope: Scope, receive: Receive, body: bytes) -> Captured:
        """Open a session at this node; return the answer when the directory knows of it, if there is a directory."""
        got = Captured()
        await self._app(scope, again(body, receive), got.send)
        if got.status in OPENED:
            duplicates: dict[str, Claim] = {}
            with suppress(DirectoryGone, NodeRefused, Unavailable):
                duplicates = dict(await self._agent.register())
            session = json.loads(got.body)["session_id"]
            if (other := duplicates.get(session)) is not None:
                owner = self._replica.nodes.get(other.node)
                if owner is not None:
                    with suppress(Silent):
                        return await self._opened_by(owner.node, scope, body)
        return got


def _opening(body: bytes) -> dict[str, Any] | None:
    """Return the request to open a film; None for one of a recording, or one that is malformed."""
    try:
        wanted = json.loads(body)
    except ValueError:
        return None
    if not isinstance(wanted, dict) or not isinstance(wanted.get("media"), str):
        return None
    return wanted if isinstance(wanted.get("user"), str | None) else None
