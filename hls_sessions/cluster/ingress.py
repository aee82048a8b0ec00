"""The ingress of a node: any node answers any URL. ASGI middleware within the daemon's own app.

A request for a session of this node goes on into the app, after one look into a dictionary. One for a session of
another node is passed to that by plain HTTP, and to the next one at once if that node does not answer: it takes the
session over, and makes the same segment. Playlists are written here whoever owns the session, because they depend on
the film alone.

A request is judged where it arrives (``web.access``); what a node passes on is trusted for its secret.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from hls_sessions.cluster.agent import SESSIONS, NotHere
from hls_sessions.cluster.asgi import answer, body_of
from hls_sessions.cluster.forwarding import answer_message, as_told
from hls_sessions.cluster.gathering import EVENTS, MERGED, Gathering
from hls_sessions.cluster.locator import WELCOME
from hls_sessions.cluster.messages import Take, Taken
from hls_sessions.cluster.opening import Openings
from hls_sessions.cluster.passing import Passing
from hls_sessions.cluster.peers import ALIVE
from hls_sessions.cluster.wire import Misspelled, read
from hls_sessions.web import Problem

if TYPE_CHECKING:
    from hls_sessions.cluster.agent import Agent
    from hls_sessions.cluster.asgi import App, Receive, Scope, Send
    from hls_sessions.cluster.peers import Peers
    from hls_sessions.cluster.secret import Secret
    from hls_sessions.supervisor import Supervisor

OF_A_SESSION: Final = re.compile(r"/(?:sessions|watch)/([^/]+)(?:/(.*))?")
NOT_A_SESSION: Final = frozenset({"find", "stop", "pause"})
"""What stands in the place of an id in paths of the API for many sessions."""


class Ingress:
    """Answers every request, here or by another node."""

    def __init__(
        self, app: App, supervisor: Supervisor, agent: Agent, peers: Peers, secret: Secret, welcome: object
    ) -> None:
        """Answer with an app what this node can answer; ``welcome`` is for nodes that join."""
        self._app = app
        self._agent = agent
        self._owned = agent.replica.owned
        self._secret = secret
        self._welcome = welcome
        self._passing = Passing(app, supervisor, agent, peers)
        self._openings = Openings(app, supervisor, agent, peers, self._passing)
        self._gathering = Gathering(app, agent, peers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        match = OF_A_SESSION.fullmatch(scope["path"])
        is_trusted = self._secret.is_in(scope["headers"])
        if match is None or match[1] in NOT_A_SESSION:
            await (self._of_a_node if is_trusted else self._of_a_caller)(scope, receive, send)
            return
        session, rest = match[1], match[2] or ""
        if is_trusted:
            await self._passing.for_a_node(scope, receive, send, session, rest)
        elif session in self._owned:
            await self._passing.here_or_elsewhere(scope, receive, send, session, rest)
        else:
            await self._passing.elsewhere(scope, receive, send, session, rest)

    async def _of_a_caller(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request that concerns no single session."""
        call = scope["method"], scope["path"]
        if scope["path"].startswith("/cluster/"):
            refusal = "This is for the other nodes of a cluster, and needs its secret."
            await Problem(403, "cluster-secret-required", refusal)(scope, receive, send)
        elif call == ("POST", "/sessions"):
            await self._openings.open(scope, receive, send)
        elif call in MERGED:
            await self._gathering.merged(scope, receive, send)
        elif scope["path"] == EVENTS:
            await self._gathering.events(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _of_a_node(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer what another node asks of this one alone."""
        method, path = scope["method"], scope["path"]
        if path == ALIVE:
            await answer(send, 204, [], b"")
        elif path == WELCOME:
            await answer_message(send, self._welcome)
        elif path.startswith(SESSIONS) and method == "GET":
            await answer_message(send, Taken(claim=self._agent.replica.claim_of(path.removeprefix(SESSIONS))))
        elif path.startswith(SESSIONS) and path.endswith("/take"):
            await answer_message(send, await self._taken(await body_of(receive)))
        elif (method, path) == ("POST", "/sessions"):
            await self._openings.open_here(scope, receive, send)
        else:
            await self._app(as_told(scope), receive, send)

    async def _taken(self, body: bytes) -> Taken:
        try:
            order = read(Take, body)
            return Taken(claim=await self._agent.take(order.claim, order.prepare))
        except NotHere as error:
            return Taken(claim=error.claim, reason=error.reason)
        except Misspelled as error:
            return Taken(claim=None, reason=str(error))
