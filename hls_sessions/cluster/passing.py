"""Requests for one session: answered here, or by the node that owns it, or by the one that takes it over."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from hls_sessions.cluster import rows
from hls_sessions.cluster.agent import SESSIONS, NotHere
from hls_sessions.cluster.asgi import again, body_of
from hls_sessions.cluster.forwarding import (
    NOT_MINE,
    ClientLeft,
    UnlessLeft,
    answer_not_mine,
    as_told,
    film_of,
    headers_of,
    send_reply,
    target,
)
from hls_sessions.cluster.messages import Taken
from hls_sessions.cluster.peers import Silent
from hls_sessions.cluster.placement import Wanted
from hls_sessions.cluster.service import DirectoryGone
from hls_sessions.cluster.wire import Misspelled, read
from hls_sessions.errors import NodeRefused, SessionError, Unavailable
from hls_sessions.web import KNOWN_SESSION, problem_of

if TYPE_CHECKING:
    from hls_sessions.cluster.agent import Agent
    from hls_sessions.cluster.asgi import App, Message, Receive, Scope, Send
    from hls_sessions.cluster.claims import Claim
    from hls_sessions.cluster.node import Node
    from hls_sessions.cluster.peers import Peers
    from hls_sessions.cluster.replica import Attempt
    from hls_sessions.supervisor import Supervisor

logger = logging.getLogger(__name__)

SEGMENT: Final = re.compile(r"([^/]+)/(\d{1,18})\.(?:m4s|vtt)")
PLAYLIST: Final = re.compile(r"(?:[^/]+/index|master)\.m3u8")

EPOCH_HEADER: Final = b"hls-epoch"
"""The epoch in which the asking node believes the session to be, for the log of who asks in vain."""

PATIENCE: Final = 10.0
"""Seconds for which a request is passed from node to node before its client is told that none can answer it."""

AGAIN_AFTER: Final = 0.1

ENDED: Final = "it has ended"


class Moved(Exception):
    """The session went to another node while this one was to answer."""


class Passing:
    """Answers requests for one session, by whichever node can."""

    def __init__(self, app: App, supervisor: Supervisor, agent: Agent, peers: Peers) -> None:
        """Answer with an app what this node can answer."""
        self._app = app
        self._supervisor = supervisor
        self._agent = agent
        self._replica = agent.replica
        self._peers = peers

    async def here_or_elsewhere(self, scope: Scope, receive: Receive, send: Send, session: str, rest: str) -> None:
        """Answer for a session of this node, unless it goes to another node while the request waits."""
        body = None if scope["method"] in {"GET", "HEAD"} else await body_of(receive)
        try:
            await self._here(scope, again(body, receive), send, session, rest)
        except Moved:
            await self.elsewhere(scope, receive, send, session, rest, body)

    async def _here(self, scope: Scope, receive: Receive, send: Send, session: str, rest: str) -> None:
        """Answer for a session of this node.

        Raises:
            Moved: it is not this node's any more, and nothing was sent.
        """
        if (match := SEGMENT.fullmatch(rest)) is not None:
            self._agent.asked.setdefault(session, {})[match[1]] = int(match[2])
        has_moved = False

        async def send_unless_moved(message: Message) -> None:
            nonlocal has_moved
            if message["type"] == "http.response.start" and message["status"] >= 400:  # noqa: PLR2004 - an error
                has_moved = self._has_moved(session)
            if not has_moved:
                await send(message)

        await self._app(scope, receive, send_unless_moved)
        if has_moved:
            raise Moved
        if scope["method"] == "DELETE" and not rest:
            with suppress(DirectoryGone, NodeRefused, Unavailable):
                await self._agent.register()

    def _has_moved(self, session: str) -> bool:
        if self._agent.is_leaving:
            return bool(self._replica.alive({self._agent.name}))
        claim = self._replica.claim_of(session)
        return session not in self._replica.owned and claim is not None and claim.node != self._agent.name

    async def elsewhere(
        self, scope: Scope, receive: Receive, send: Send, session: str, rest: str, body: bytes | None = None
    ) -> None:
        """Answer for a session that is not this node's; ``body`` is that of the request, if it was read already."""
        claim = await self.claim_of(session)
        if claim is None or session in self._replica.over:
            await self._app(scope, again(body, receive), send)
            return
        if PLAYLIST.fullmatch(rest) and (known := await self._look_at(claim)) is not None:
            self._note_activity(claim)
            await self._app({**scope, KNOWN_SESSION: known}, receive, send)
            return
        if body is None and scope["method"] not in {"GET", "HEAD"}:
            body = await body_of(receive)
        try:
            await self.pass_on(scope, receive, send, claim, rest, body)
        except ClientLeft:
            return
        except SessionError as error:
            await problem_of(error, scope)(scope, receive, send)

    async def claim_of(self, session: str) -> Claim | None:
        """Return how a session stands. One that is not known here may have been opened just now at another node."""
        claim = self._replica.claim_of(session)
        if claim is not None or session in self._replica.over:
            return claim
        try:
            claim = await self._agent.directory.of(session)
        except (DirectoryGone, NodeRefused):
            said = await asyncio.gather(
                *(self._said_by(node, session) for node in self._replica.alive({self._agent.name}))
            )
            claim = next(filter(None, said), None)
        if claim is not None:
            self._replica.learned(claim)
        return claim

    async def _said_by(self, node: Node, session: str) -> Claim | None:
        """Return how a session stands, as another node knows."""
        with suppress(Silent, Misspelled):
            async with self._peers.request(node.url, "GET", f"{SESSIONS}{session}") as reply:
                return read(Taken, reply.body or b"").claim
        return None

    async def pass_on(
        self, scope: Scope, receive: Receive, send: Send, claim: Claim, rest: str, body: bytes | None
    ) -> None:
        """Have a node answer: the owner, else the best of those that are left, which takes the session over.

        Raises:
            Unavailable: no node can.
            ClientLeft: the client has left.
        """
        session, until = claim.session, time.monotonic() + PATIENCE
        wanted = Wanted(film_of(claim), self._encoder_of(claim))
        failed = self.avoided()
        reasons: dict[str, str] = {}
        while True:
            attempt = self._replica.next_attempt(session, wanted, failed)
            if attempt is None:
                if time.monotonic() > until:
                    raise Unavailable(_why_nobody(reasons))
                await asyncio.sleep(AGAIN_AFTER)
                failed = self._unfit()
                continue
            claim = self._replica.claim_of(session) or claim
            try:
                await self._by(attempt, scope, receive, send, claim, rest, body)
            except NotHere as not_here:
                if not_here.claim is None and not_here.reason == ENDED:
                    self._replica.forget(session)
                    await self._app(scope, again(body, receive), send)
                    return
                reasons[attempt.node] = not_here.reason
                if not_here.claim is None or not self._is_news(not_here.claim):
                    failed.add(attempt.node)
            except (Silent, Moved) as error:
                reasons[attempt.node] = str(error)
                failed.add(attempt.node)
            else:
                return

    async def _by(
        self, attempt: Attempt, scope: Scope, receive: Receive, send: Send, claim: Claim, rest: str, body: bytes | None
    ) -> None:
        """Have a node answer, which takes the session over first if it is to.

        Raises:
            NotHere: the node does not own the session.
            Silent: the node does not answer, and nothing was sent to the client.
            Moved: the session went to another node meanwhile.
            ClientLeft: the client has left.
        """
        if attempt.node == self._agent.name:
            await self._agent.take(claim)
            await self._here(scope, again(body, receive), send, claim.session, rest)
            return
        node = self._replica.nodes[attempt.node].node
        if attempt.take:
            logger.info("session %s is to go on at node %s", claim.session, node.name)
            claim = await self._agent.have_taken(node, claim)
            self._replica.learned(claim)
        headers = [*headers_of(scope), (EPOCH_HEADER, str(claim.epoch).encode())]
        async with (
            UnlessLeft(receive),
            self._peers.request(node.url, scope["method"], target(scope), headers, body or b"") as reply,
        ):
            if reply.status == NOT_MINE:
                with suppress(Misspelled):
                    taken = read(Taken, reply.body or b"")
                    raise NotHere(taken.claim, taken.reason or "it has another node")
            await send_reply(send, reply)

    def _is_news(self, claim: Claim) -> bool:
        """Note how a session stands; whether another node has it than was thought."""
        before = self._replica.claim_of(claim.session)
        self._replica.learned(claim)
        return before is None or (claim.epoch > before.epoch and claim.node != before.node)

    def avoided(self) -> set[str]:
        """Return the nodes that are not tried at first, because they were silent just now."""
        silent = self._peers.silent()
        return self._unfit() | {name for name, seen in self._replica.nodes.items() if seen.node.url in silent}

    def _unfit(self) -> set[str]:
        """Return this node where it is about to stop."""
        return {self._agent.name} if self._agent.is_leaving else set()

    def _encoder_of(self, claim: Claim) -> str | None:
        owner = self._replica.nodes.get(claim.node)
        return None if owner is None else owner.node.encoder

    # ---- playlists of sessions of other nodes

    async def _look_at(self, claim: Claim) -> Any:
        """Return a session of another node as far as its playlists go; None if the film is not the same here."""
        try:
            row = rows.read(claim.row)
            return await asyncio.to_thread(self._supervisor.migration.look_at, row)
        except (SessionError, rows.RowUnusable):
            return None

    def _note_activity(self, claim: Claim) -> None:
        """Tell the owner that somebody watches; nobody waits for that."""
        owner = self._replica.nodes.get(claim.node)
        if owner is not None and owner.alive:
            self._agent.in_background(self._heartbeat(owner.node, claim.session))

    async def _heartbeat(self, node: Node, session: str) -> None:
        with suppress(Silent):
            async with self._peers.request(node.url, "POST", f"/sessions/{session}/heartbeat"):
                pass

    # ---- what other nodes ask

    async def for_a_node(self, scope: Scope, receive: Receive, send: Send, session: str, rest: str) -> None:
        """Answer a request that another node has passed on, if the session is this node's."""
        scope = as_told(scope)
        claim = self._replica.claim_of(session)
        try:
            if session not in self._replica.owned and session not in self._replica.over:
                claim = claim or await self.claim_of(session)
                if claim is not None and claim.node == self._agent.name:
                    await self._agent.take(claim)  # it was this node's before it was started again
                elif claim is not None:
                    raise NotHere(claim, f"node {claim.node} has it")
            await self._here(scope, receive, send, session, rest)
        except NotHere as error:
            await answer_not_mine(send, error.claim, error.reason)
        except Moved:
            moved = self._replica.claim_of(session)
            await answer_not_mine(send, moved, "it has moved")


def _why_nobody(reasons: dict[str, str]) -> str:
    told = "; ".join(f"{node}: {reason}" for node, reason in sorted(reasons.items()))
    return f"No node can go on with this session ({told or 'none is known'})."
