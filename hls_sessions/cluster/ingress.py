"""The ingress of a node: any node answers any URL. ASGI middleware within the daemon's own app.

A request for a session of this node goes on into the app, after one look into a dictionary. One for a session of
another node is passed to that by plain HTTP, and to the next one at once if that node does not answer: it takes the
session over, and makes the same segment. Playlists are written here whoever owns the session, because they depend on
the film alone.

A request is judged where it arrives (``web.access``); what a node passes on is trusted for its secret.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote
from uuid import uuid4

from hls_sessions.cluster import rows
from hls_sessions.cluster.agent import SESSIONS, NotHere
from hls_sessions.cluster.asgi import Captured, again, answer, body_of, left
from hls_sessions.cluster.locator import WELCOME
from hls_sessions.cluster.messages import Limits, Opening, Take, Taken
from hls_sessions.cluster.peers import ALIVE, Silent
from hls_sessions.cluster.placement import Wanted, candidates
from hls_sessions.cluster.service import DirectoryGone
from hls_sessions.cluster.wire import Misspelled, read, spell
from hls_sessions.errors import CapacityExceeded, NodeRefused, SessionError, Unavailable
from hls_sessions.web import KNOWN_SESSION, VIEWER, Problem, problem_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from hls_sessions.cluster.agent import Agent
    from hls_sessions.cluster.asgi import App, Message, Receive, Scope, Send
    from hls_sessions.cluster.claims import Claim
    from hls_sessions.cluster.node import Node
    from hls_sessions.cluster.peers import Peers, Reply
    from hls_sessions.cluster.replica import Attempt
    from hls_sessions.cluster.secret import Secret
    from hls_sessions.supervisor import Supervisor

logger = logging.getLogger(__name__)

OF_A_SESSION: Final = re.compile(r"/(?:sessions|watch)/([^/]+)(?:/(.*))?")
NOT_A_SESSION: Final = frozenset({"find", "stop", "pause"})
"""What stands in the place of an id in paths of the API for many sessions."""

SEGMENT: Final = re.compile(r"([^/]+)/(\d{1,18})\.(?:m4s|vtt)")
PLAYLIST: Final = re.compile(r"(?:[^/]+/index|master)\.m3u8")

MERGED: Final = frozenset(
    {
        ("GET", "/sessions"),
        ("PATCH", "/sessions"),
        ("POST", "/sessions/find"),
        ("POST", "/sessions/stop"),
        ("POST", "/sessions/pause"),
        ("GET", "/recordings"),
    }
)
"""Calls of the API whose answer is a list, to which every node adds its own."""

EVENTS: Final = "/events"

VIEWER_HEADER: Final = b"hls-viewer"
"""Says that a request that is passed on comes from a viewer, who is told less."""

EPOCH_HEADER: Final = b"hls-epoch"

NOT_MINE: Final = 421
"""Misdirected Request (RFC 9110, 15.5.20): a node does not own the session; the body says whose it is."""

PATIENCE: Final = 10.0
"""Seconds for which a request is passed from node to node before its client is told that none can answer it."""

AGAIN_AFTER: Final = 0.1

SOON: Final = 0.1
"""Seconds to wait before also listening whether the client has left."""

OPEN_TRIES: Final = 3

LIST_PATIENCE: Final = 2.0
"""Seconds that other nodes have for their part of a list."""


class _Moved(Exception):
    """The session went to another node while this one was to answer."""


class _Left(Exception):
    """The client has left."""


class Ingress:
    """Answers every request, here or by another node."""

    def __init__(
        self, app: App, supervisor: Supervisor, agent: Agent, peers: Peers, secret: Secret, welcome: object
    ) -> None:
        """Answer with an app what this node can answer."""
        self._app = app
        self._supervisor = supervisor
        self._agent = agent
        self._replica = agent.replica
        self._peers = peers
        self._secret = secret
        self._welcome = welcome

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path: str = scope["path"]
        match = OF_A_SESSION.fullmatch(path)
        if match is not None and match[1] not in NOT_A_SESSION:
            session = match[1]
            if self._secret.is_in(scope["headers"]):
                await self._for_a_node(scope, receive, send, session)
            elif session in self._replica.owned:
                await self._here_or_elsewhere(scope, receive, send, session, match[2] or "")
            else:
                await self._elsewhere(scope, receive, send, session, match[2] or "", b"")
            return
        is_trusted = self._secret.is_in(scope["headers"])
        if path.startswith("/cluster/"):
            await self._ask(scope, receive, send, is_trusted=is_trusted)
        elif (scope["method"], path) == ("POST", "/sessions"):
            await (self._open_here if is_trusted else self._open)(scope, receive, send)
        elif is_trusted:
            await self._app(_as_told(scope), receive, send)
        elif (scope["method"], path) in MERGED:
            await self._merged(scope, receive, send)
        elif path == EVENTS:
            await self._all_events(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    # ---- requests for one session

    async def _here_or_elsewhere(self, scope: Scope, receive: Receive, send: Send, session: str, rest: str) -> None:
        """Answer for a session of this node, unless it goes to another node while the request waits."""
        body = b"" if scope["method"] in {"GET", "HEAD"} else await body_of(receive)
        try:
            await self._here(scope, again(body, receive) if body else receive, send, session, rest)
        except _Moved:
            await self._elsewhere(scope, receive, send, session, rest, body)

    async def _here(self, scope: Scope, receive: Receive, send: Send, session: str, rest: str) -> None:
        """Answer for a session of this node.

        Raises:
            _Moved: it is not this node's any more, and nothing was sent.
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
            raise _Moved
        if scope["method"] == "DELETE" and not rest:
            with suppress(DirectoryGone, NodeRefused, Unavailable):
                await self._agent.register()

    def _has_moved(self, session: str) -> bool:
        if self._agent.is_leaving:
            return bool(self._others())
        claim = self._replica.claim_of(session)
        return session not in self._replica.owned and claim is not None and claim.node != self._agent.name

    async def _elsewhere(
        self, scope: Scope, receive: Receive, send: Send, session: str, rest: str, body: bytes
    ) -> None:
        """Answer for a session that is not this node's."""
        claim = await self._claim_of(session)
        if claim is None or session in self._replica.over:
            await self._app(scope, again(body, receive) if body else receive, send)
            return
        if PLAYLIST.fullmatch(rest) and (known := await self._look_at(claim)) is not None:
            self._note_activity(claim)
            await self._app({**scope, KNOWN_SESSION: known}, receive, send)
            return
        if not body and scope["method"] not in {"GET", "HEAD"}:
            body = await body_of(receive)
        try:
            await self._pass_on(scope, receive, send, claim, rest, body)
        except _Left:
            return
        except SessionError as error:
            await problem_of(error, scope)(scope, receive, send)

    async def _claim_of(self, session: str) -> Claim | None:
        """Return how a session stands. One that is not known here may have been opened just now at another node."""
        claim = self._replica.claim_of(session)
        if claim is not None or session in self._replica.over:
            return claim
        try:
            claim = await self._agent.directory.of(session)
        except (DirectoryGone, NodeRefused):
            said = await asyncio.gather(*(self._said_by(node, session) for node in self._others()))
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

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send, claim: Claim, rest: str, body: bytes) -> None:
        """Have a node answer: the owner, else the best of those that are left, which takes the session over.

        Raises:
            Unavailable: no node can.
            _Left: the client has left.
        """
        session, until = claim.session, time.monotonic() + PATIENCE
        wanted = Wanted(_film(claim), self._encoder_of(claim))
        failed = self._avoided()
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
                    await self._app(scope, again(body, receive) if body else receive, send)
                    return
                reasons[attempt.node] = not_here.reason
                if not_here.claim is None or not self._is_news(not_here.claim):
                    failed.add(attempt.node)
            except (Silent, _Moved) as error:
                reasons[attempt.node] = str(error)
                failed.add(attempt.node)
            else:
                return

    async def _by(
        self, attempt: Attempt, scope: Scope, receive: Receive, send: Send, claim: Claim, rest: str, body: bytes
    ) -> None:
        """Have a node answer, which takes the session over first if it is to.

        Raises:
            NotHere: the node does not own the session.
            Silent: the node does not answer, and nothing was sent to the client.
            _Moved: the session went to another node meanwhile.
            _Left: the client has left.
        """
        if attempt.node == self._agent.name:
            await self._agent.take(claim)
            await self._here(scope, again(body, receive) if body else receive, send, claim.session, rest)
            return
        node = self._replica.nodes[attempt.node].node
        if attempt.take:
            logger.info("session %s is to go on at node %s", claim.session, node.name)
            claim = await self._agent.have_taken(node, claim)
            self._replica.learned(claim)
        headers = [*_headers_of(scope), (EPOCH_HEADER, str(claim.epoch).encode())]
        async with (
            _UnlessLeft(receive),
            self._peers.request(node.url, scope["method"], _target(scope), headers, body) as reply,
        ):
            if reply.status == NOT_MINE:
                with suppress(Misspelled):
                    taken = read(Taken, reply.body or b"")
                    raise NotHere(taken.claim, taken.reason or "it has another node")
            await _send_reply(send, reply)

    def _is_news(self, claim: Claim) -> bool:
        """Note how a session stands; whether another node has it than was thought."""
        before = self._replica.claim_of(claim.session)
        self._replica.learned(claim)
        return before is None or (claim.epoch > before.epoch and claim.node != before.node)

    def _avoided(self) -> set[str]:
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

    async def _for_a_node(self, scope: Scope, receive: Receive, send: Send, session: str) -> None:
        """Answer a request that another node has passed on, if the session is this node's."""
        scope, rest = _as_told(scope), OF_A_SESSION.fullmatch(scope["path"])[2] or ""  # type: ignore[index] # it matched
        claim = self._replica.claim_of(session)
        try:
            if session not in self._replica.owned and session not in self._replica.over:
                claim = claim or await self._claim_of(session)
                if claim is not None and claim.node == self._agent.name:
                    await self._agent.take(claim)  # it was this node's before it was started again
                elif claim is not None:
                    raise NotHere(claim, f"node {claim.node} has it")
            await self._here(scope, receive, send, session, rest)
        except NotHere as error:
            await _not_mine(send, error.claim, error.reason)
        except _Moved:
            moved = self._replica.claim_of(session)
            await _not_mine(send, moved, "it has moved")

    async def _ask(self, scope: Scope, receive: Receive, send: Send, *, is_trusted: bool) -> None:
        """Answer what nodes ask each other."""
        path: str = scope["path"]
        if not is_trusted:
            await Problem(
                403, "cluster-secret-required", "This is for the other nodes of a cluster, and needs its secret."
            )(scope, receive, send)
        elif path == ALIVE:
            await answer(send, 204, [], b"")
        elif path == WELCOME:
            await _answer_message(send, self._welcome)
        elif path.startswith(SESSIONS) and scope["method"] == "GET":
            await _answer_message(send, Taken(claim=self._replica.claim_of(path.removeprefix(SESSIONS))))
        elif path.startswith(SESSIONS) and path.endswith("/take"):
            try:
                order = read(Take, await body_of(receive))
                taken = Taken(claim=await self._agent.take(order.claim, order.prepare))
            except NotHere as error:
                taken = Taken(claim=error.claim, reason=error.reason)
            except Misspelled as error:
                taken = Taken(claim=None, reason=str(error))
            await _answer_message(send, taken)
        else:
            await self._app(scope, receive, send)

    # ---- opening

    async def _open(self, scope: Scope, receive: Receive, send: Send) -> None:
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
        claim = await self._claim_of(session)
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
            await self._open_here(scope, again(body, receive), send)
            return
        with suppress(_Left):
            await self._pass_on(scope, receive, send, existing, "", body)

    async def _open_at_the_best(self, scope: Scope, receive: Receive, send: Send, film: str, body: bytes) -> None:
        first: Captured | None = None
        nodes = candidates(self._replica.alive(self._avoided()), Wanted(film))
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
        async with self._peers.request(node.url, "POST", _target(scope), _headers_of(scope), body) as reply:
            headers = [(name, value) for name, value in reply.headers if not name.startswith(ADDED_HERE)]
            return Captured(reply.status, headers, reply.body or b"")

    async def _open_here(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Open a session at this node, as another node asks."""
        body = await body_of(receive)
        await (await self._opened_here(_as_told(scope), receive, body)).pass_on(send)

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

    # ---- of all nodes

    def _others(self) -> list[Node]:
        return self._replica.alive({self._agent.name})

    async def _merged(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with the lists of all nodes as one."""
        body = await body_of(receive)
        got = Captured()
        _, *others = await asyncio.gather(
            self._app(scope, again(body, receive), got.send),
            *(self._list_of(node, scope, body) for node in self._others()),
        )
        if got.status == 200:  # noqa: PLR2004 - a list
            merged = [*json.loads(got.body), *(one for part in others for one in part)]
            merged.sort(key=lambda one: str(one.get("created_at", "")))
            got.body = json.dumps(merged, ensure_ascii=False).encode(errors="backslashreplace")
            got.headers = [(name, value) for name, value in got.headers if name.lower() != b"content-length"]
        await got.pass_on(send)

    async def _list_of(self, node: Node, scope: Scope, body: bytes) -> list[dict[str, Any]]:
        headers = [(name, value) for name, value in _headers_of(scope) if name != b"accept-encoding"]
        with suppress(Silent, ValueError, TimeoutError):
            async with (
                asyncio.timeout(LIST_PATIENCE),
                self._peers.request(node.url, scope["method"], _target(scope), headers, body) as reply,
            ):
                listed = json.loads(reply.body or b"[]")
                if isinstance(listed, list):
                    return listed
        return []

    async def _all_events(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the events of all nodes as one stream."""
        turn = asyncio.Lock()
        following: dict[str, asyncio.Task[None]] = {}

        async def follow(node: Node) -> None:
            with suppress(Silent):
                async with self._peers.request(node.url, "GET", _target(scope), _headers_of(scope)) as reply:
                    async for event in _events_in(reply):
                        async with turn:
                            await send({"type": "http.response.body", "body": event, "more_body": True})

        async def follow_all() -> None:
            while True:
                for node in self._others():
                    if node.url not in following or following[node.url].done():
                        following[node.url] = asyncio.create_task(follow(node))
                await asyncio.sleep(1.0)

        begun: asyncio.Task[None] | None = None

        async def send_in_turn(message: Message) -> None:
            nonlocal begun
            async with turn:
                await send(message)
            if message["type"] == "http.response.start" and message["status"] == 200 and begun is None:  # noqa: PLR2004 - a stream
                begun = asyncio.create_task(follow_all())

        try:
            await self._app(scope, receive, send_in_turn)
        finally:
            tasks = [*following.values(), *([] if begun is None else [begun])]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


ENDED: Final = "it has ended"

OPENED: Final = frozenset({200, 201})

TRY_ANOTHER: Final = frozenset({403, 404, 503, 507})
"""Statuses with which a node says that it cannot open a film, which another perhaps can."""


class _UnlessLeft:
    """Leaves its block with ``_Left`` when the client has left."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._has_left = False

    async def __aenter__(self) -> None:
        loop, self._waiter = asyncio.get_running_loop(), asyncio.current_task()
        self._listening: asyncio.Task[None] | None = None
        self._soon = loop.call_later(SOON, self._listen)

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._soon.cancel()
        if self._listening is not None:
            self._listening.cancel()
        if kind is asyncio.CancelledError and self._has_left and self._waiter is not None:
            self._waiter.uncancel()
            raise _Left

    def _listen(self) -> None:
        self._listening = asyncio.create_task(self._leave())

    async def _leave(self) -> None:
        await left(self._receive)
        self._has_left = True
        if self._waiter is not None:
            self._waiter.cancel()


def _as_told(scope: Scope) -> Scope:
    """Return the scope of a request that another node passes on, with what that node knows of the caller."""
    if any(name == VIEWER_HEADER for name, _ in scope["headers"]):
        return {**scope, VIEWER: True}
    return scope


def _headers_of(scope: Scope) -> list[tuple[bytes, bytes]]:
    """Return the headers with which a request is passed on."""
    kept = [(name, value) for name, value in scope["headers"] if name not in NOT_PASSED_ON]
    return [*kept, (VIEWER_HEADER, b"1")] if VIEWER in scope else kept


NOT_PASSED_ON: Final = frozenset(
    {b"connection", b"keep-alive", b"te", b"trailer", b"transfer-encoding", b"upgrade", b"content-length"}
)


ADDED_HERE: Final = (b"access-control-", b"x-request-id", b"server", b"date")
"""The beginnings of the names of headers that this node gives every answer itself."""


def _target(scope: Scope) -> str:
    """Return the path and query of a request, as they are sent. A viewing link in it has become the session's id."""
    path, query = quote(scope["path"], safe="/:@!$&'()*+,;=~-._"), scope.get("query_string", b"").decode("latin-1")
    return f"{path}?{query}" if query else path


def _film(claim: Claim) -> str:
    return str(json.loads(claim.row)["media"])


def _opening(body: bytes) -> dict[str, Any] | None:
    """Return the request to open a film; None for one of a recording, or one that is malformed."""
    try:
        wanted = json.loads(body)
    except ValueError:
        return None
    if not isinstance(wanted, dict) or not isinstance(wanted.get("media"), str):
        return None
    return wanted if isinstance(wanted.get("user"), str | None) else None


def _why_nobody(reasons: dict[str, str]) -> str:
    told = "; ".join(f"{node}: {reason}" for node, reason in sorted(reasons.items()))
    return f"No node can go on with this session ({told or 'none is known'})."


async def _not_mine(send: Send, claim: Claim | None, reason: str) -> None:
    await _answer_message(send, Taken(claim=claim, reason=reason), NOT_MINE)


async def _answer_message(send: Send, message: Any, status: int = 200) -> None:
    await answer(send, status, [(b"content-type", b"application/json")], spell(message))


async def _send_reply(send: Send, reply: Reply) -> None:
    headers = [(name, value) for name, value in reply.headers if not name.startswith(ADDED_HERE)]
    if reply.body is not None or reply.pieces is None:
        await answer(send, reply.status, headers, reply.body or b"")
        return
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    with suppress(Silent):  # the client asks again for what is missing
        async for piece in reply.pieces:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def _events_in(reply: Reply) -> AsyncIterator[bytes]:
    """Yield whole events of a stream."""
    kept = b""
    if reply.pieces is None:
        return
    async for piece in reply.pieces:
        *whole, kept = (kept + piece).split(b"\n\n")
        for event in whole:
            yield event + b"\n\n"
