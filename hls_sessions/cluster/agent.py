"""A daemon's part in its cluster: it says that it is alive, takes sessions over, and lets go of those it has lost."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import time
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Final
from uuid import uuid4
from weakref import WeakValueDictionary

from hls_sessions.cluster import rows
from hls_sessions.cluster.claims import UNKNOWN, Claim, Granted
from hls_sessions.cluster.messages import Beat, Place, Take, Taken, Written
from hls_sessions.cluster.node import Node
from hls_sessions.cluster.pace import Pace
from hls_sessions.cluster.peers import Silent
from hls_sessions.cluster.placement import Wanted, candidates
from hls_sessions.cluster.replica import Replica
from hls_sessions.cluster.service import DirectoryGone
from hls_sessions.cluster.wire import Misspelled, read, spell
from hls_sessions.errors import NodeRefused, SessionError, Unavailable

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping
    from typing import Any

    from hls_sessions.cluster.messages import Sighting
    from hls_sessions.cluster.peers import Peers
    from hls_sessions.cluster.service import DirectoryLink
    from hls_sessions.session import Session
    from hls_sessions.store import SessionRow
    from hls_sessions.supervisor import Supervisor

logger = logging.getLogger(__name__)

REFUSED_AGAIN: Final = 5.0
"""Seconds after which a node that was refused asks again."""

LONGEST_PREPARATION: Final = 10.0
"""Seconds that a session may take to have its next segment made before it moves without it."""

CLAIM_TRIES: Final = 2

SESSIONS: Final = "/cluster/sessions/"
"""Where nodes ask each other about sessions."""


class NotHere(Exception):
    """A session is not served by this node; carries how it stands, as far as is known, and why."""

    def __init__(self, claim: Claim | None, reason: str) -> None:
        self.claim = claim
        self.reason = reason
        super().__init__(reason)


class Agent:
    """Keeps one daemon in a cluster. Lives in the event loop of the daemon's server."""

    def __init__(
        self,
        supervisor: Supervisor,
        directory: DirectoryLink,
        peers: Peers,
        *,
        name: str,
        url: str,
        cluster: str,
        version: str,
    ) -> None:
        """Prepare.

        Args:
            supervisor: has started.
            directory: how the directory is reached.
            peers: how the other nodes are.
            name: the node's own name.
            url: where the other nodes reach this one.
            cluster: the id of the cluster.
            version: of this package.
        """
        self._supervisor = supervisor
        self.directory = directory
        self.replica = Replica(name)
        self.url = url
        self.cluster = cluster
        self._version = version
        self.name = name
        self._life = str(uuid4())
        self._pace = Pace()
        self._written: dict[str, SessionRow] = {}
        """The rows that the directory has."""
        self._rows_at = 0.0
        self._leaving: set[str] = set()
        """Sessions that this node lets go of just now."""
        self._peers = peers
        self.asked: dict[str, dict[str, int]] = {}
        """The segments of this node's sessions that viewers asked for last, by rendition."""
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._speaking = asyncio.Lock()
        self._refusal: str | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.is_leaving = False
        """Whether the daemon is about to stop. Requests that it does not answer any more go to other nodes."""
        self._draining: asyncio.Task[None] | None = None
        self.encoder = f"{supervisor.binary.version} {supervisor.encoder.name}"

    def start(self) -> None:
        """Begin to beat."""
        self._spawn(self._beat_forever())

    async def stop(self) -> None:
        """Beat no more. The sessions stay this node's: it goes on with them when it is started again."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def is_draining(self) -> bool:
        """Whether this node gives its sessions away."""
        own = self.replica.nodes.get(self.name)
        return own is not None and own.node.draining

    async def nodes(self) -> tuple[Sighting, ...]:
        """Return all nodes, as the directory sees them; while it does not answer, as this node knew them last."""
        try:
            return await self.directory.nodes()
        except (DirectoryGone, NodeRefused):
            return tuple(seen for _, seen in sorted(self.replica.nodes.items()))

    async def drain_node(self, node: str, *, drain: bool) -> None:
        """Have a node give its sessions away and take no others, or take them again.

        Raises:
            NodeNotFound: there is no such node.
            Unavailable: the directory does not answer.
        """
        try:
            await self.directory.drain(node, drain=drain)
        except DirectoryGone as error:
            raise Unavailable("The directory of the cluster does not answer.") from error

    def in_background(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something for which nobody waits."""
        self._spawn(work)

    # ---- beats

    async def register(self) -> Mapping[str, Claim]:
        """Tell the directory of all sessions now; return those whose user watches their film in another already."""
        async with self._speaking:
            return await self._beat()

    async def _beat_forever(self) -> None:
        while True:
            pause = self._pace.beat
            try:
                async with self._speaking:
                    await self._beat()
            except DirectoryGone as error:
                logger.debug("the directory does not answer: %s", error)
            except NodeRefused as error:
                if error.reason != self._refusal:
                    logger.error("%s", error)  # noqa: TRY400 - the sentence says it all
                self._refusal, pause = error.reason, REFUSED_AGAIN
            except Unavailable:
                return  # the supervisor has stopped
            except Exception:
                logger.exception("a beat failed")
            await asyncio.sleep(pause)

    async def _beat(self) -> Mapping[str, Claim]:
        replica = self.replica
        before = set(replica.owned)
        migration = self._supervisor.migration
        now = {row.id: row for row in await asyncio.to_thread(migration.rows)}
        for session in now.keys() - self._leaving:
            replica.opened(session)
            if replica.claim_of(session) is None:
                row = now[session]
                replica.learned(Claim(session, self.name, UNKNOWN, rows.written(row), rows.viewing_of(row)))
        for session in before - now.keys() - self._leaving:
            replica.ended(session)
        told = self._to_tell(now)
        ended = dict(replica.over)
        life = replica.life
        beat = Beat(
            cluster=self.cluster,
            node=await asyncio.to_thread(self._as_now),
            life=life,
            version=replica.version,
            news=replica.news,
            owned=dict(replica.owned),
            rows=tuple(told.values()),
            ended=ended,
        )
        answer = await self.directory.beat(beat)
        self._refusal = None
        self._pace = Pace.of(answer.everyone, answer.sessions)
        if answer.life != life:
            self._written.clear()  # and so the next beat tells all
        self._written |= {session: now[session] for session in told}
        for session in self._written.keys() - replica.owned.keys():
            del self._written[session]
            self.asked.pop(session, None)
        for session, claim in replica.heard(answer, ended).items():
            self._spawn(self._give_up(session, "it has ended" if claim is None else f"it goes on at node {claim.node}"))
        for session, other in answer.duplicates.items():
            replica.owned.pop(session, None)
            replica.learned(other)
            await self._give_up(session, f"its user watches the film in session {other.session}")
        if self.is_draining and replica.owned:
            self._drain_once()
        return answer.duplicates

    def _to_tell(self, now: Mapping[str, SessionRow]) -> dict[str, Written]:
        """Return the rows that the directory does not have: of new sessions and states at once, the rest in a while."""
        moment = time.monotonic()
        is_due = moment - self._rows_at >= self._pace.rows
        if is_due:
            self._rows_at = moment
        told = {}
        for session, row in now.items():
            before = self._written.get(session)
            announce = before is None or _lasting(before) != _lasting(row)
            if session in self.replica.owned and (announce or (is_due and row != before)):
                told[session] = Written(
                    session=session,
                    epoch=self.replica.owned[session],
                    row=rows.written(row),
                    viewing=rows.viewing_of(row),
                    announce=announce,
                )
        return told

    def _as_now(self) -> Node:
        supervisor = self._supervisor
        load = supervisor.migration.load()
        return Node(
            name=self.name,
            url=self.url,
            life=self._life,
            version=self._version,
            encoder=self.encoder,
            roots=tuple(map(str, supervisor.media_roots.roots)),
            cores=os.cpu_count() or 1,
            slots=load.slots,
            encoders=load.encoders,
            sessions=len(self.replica.owned),
            waiting=load.waiting,
            draining=self.is_draining,
            leaving=self.is_leaving,
            disk_full=load.disk_full,
            unreachable=tuple(map(str, supervisor.media_roots.unreachable)),
            clock=time.time(),
        )

    # ---- sessions that come and go

    async def take(self, claim: Claim, prepare: tuple[Place, ...] = ()) -> Claim:
        """Take a session over whose owner does not answer, or gives it away; return the claim that this node has now.

        Args:
            claim: how it stands, as far as the asking node knows.
            prepare: segments that are to be there before it is claimed.

        Raises:
            NotHere: another node has it, or it cannot go on here.
        """
        session = claim.session
        turn = self._turns.setdefault(session, asyncio.Lock())
        async with turn:
            return await self._take(claim, prepare)

    async def _take(self, claim: Claim, prepare: tuple[Place, ...]) -> Claim:
        session, replica = claim.session, self.replica
        known = replica.claim_of(session)
        if session in replica.owned:
            return known or claim
        if session in replica.over:
            raise NotHere(None, "it has ended")
        if known is not None and known.epoch > claim.epoch:
            claim = known
        if self.is_draining or self.is_leaving:
            raise NotHere(claim, "this node gives its sessions away")
        migration = self._supervisor.migration
        try:
            row = rows.read(claim.row)
            if row.encoder != (own := self._supervisor.binary.version):
                raise NotHere(claim, f"it was begun with ffmpeg {row.encoder}, and here is {own}")
            await asyncio.to_thread(migration.look_at, row)
            if prepare:
                await self._prepare(await asyncio.to_thread(migration.take_over, row), prepare)
            claim, row = await self._claimed(claim, row)
            await asyncio.to_thread(migration.take_over, row)
        except NotHere:
            if prepare:
                await asyncio.to_thread(migration.give_up, session, "it goes on elsewhere")
            raise
        except (SessionError, rows.RowUnusable) as error:
            raise NotHere(claim, str(error)) from error
        replica.took(claim)
        logger.info("session %s goes on here, in epoch %d", session, claim.epoch)
        return claim

    async def _claimed(self, claim: Claim, row: SessionRow) -> tuple[Claim, SessionRow]:
        """Claim a session, and return how it stands now.

        Raises:
            NotHere: another node was quicker.
        """
        for _ in range(CLAIM_TRIES):
            try:
                decision = await self.directory.claim(claim.session, claim.epoch, self.name)
            except DirectoryGone:
                # Without a directory the next epoch is taken alone, and registered later.
                return replace(claim, node=self.name, epoch=claim.epoch + 1), row
            if isinstance(decision, Granted):
                return decision.claim, rows.read(decision.claim.row)
            if decision.claim is None:
                self.replica.forget(claim.session)
                raise NotHere(None, "it has ended")
            self.replica.learned(decision.claim)
            if decision.claim.node != self.name:
                raise NotHere(decision.claim, f"node {decision.claim.node} has it")
            claim = decision.claim  # this node's own, of an earlier life
        raise NotHere(claim, "it is claimed by others all the time")

    @staticmethod
    async def _prepare(session: Session, places: tuple[Place, ...]) -> None:
        with suppress(TimeoutError, SessionError):
            async with asyncio.timeout(LONGEST_PREPARATION):
                await asyncio.gather(*(_there(session, *place) for place in places))

    async def _give_up(self, session: str, why: str) -> None:
        self._leaving.add(session)
        try:
            logger.info("session %s is let go of: %s", session, why)
            await asyncio.to_thread(self._supervisor.migration.give_up, session, why)
        except SessionError as error:
            logger.warning("session %s could not be let go of: %s", session, error)
        finally:
            self._leaving.discard(session)

    async def _drain(self) -> None:
        """Give all sessions away, one after the other, each when the segments that its viewer wants next are there."""
        for session in list(self.replica.owned):
            if self.is_draining and (claim := self.replica.claim_of(session)) is not None:
                await self._give_away(claim)

    async def _give_away(self, claim: Claim) -> None:
        wanted = Wanted(json.loads(claim.row)["media"], self.encoder)
        prepare = tuple((rendition, number + 1) for rendition, number in self.asked.get(claim.session, {}).items())
        for node in candidates(self.replica.alive(), wanted, {self.name}):
            try:
                taken = await self.have_taken(node, claim, prepare)
            except (NotHere, Silent) as error:
                logger.info("session %s cannot go to node %s: %s", claim.session, node.name, error)
                continue
            self.replica.owned.pop(claim.session, None)
            self.replica.learned(taken)
            await self._give_up(claim.session, f"it goes on at node {node.name}")
            return

    async def have_taken(self, node: Node, claim: Claim, prepare: tuple[Place, ...] = ()) -> Claim:
        """Have another node take a session over, and return the claim that it has then.

        Raises:
            NotHere: it does not; says why, and how the session stands.
            Silent: it does not answer.
        """
        order = spell(Take(claim=claim, prepare=prepare))
        async with self._peers.request(node.url, "POST", f"{SESSIONS}{claim.session}/take", body=order) as reply:
            try:
                taken = read(Taken, reply.body or b"")
            except Misspelled as error:
                raise NotHere(None, f"node {node.name} answers {reply.status}") from error
        if taken.reason is not None or taken.claim is None:
            raise NotHere(taken.claim, taken.reason or "it has ended")
        return taken.claim

    # ---- tasks

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _drain_once(self) -> None:
        if self._draining is None or self._draining.done():
            self._draining = asyncio.create_task(self._drain())
            self._tasks.add(self._draining)
            self._draining.add_done_callback(self._tasks.discard)


async def _there(session: Session, rendition: str, number: int) -> None:
    await session.ask_segment(rendition, number)


def _lasting(row: SessionRow) -> tuple[object, ...]:
    """Return what every node is to hear of at once when it changes."""
    return row.state, row.snapshot, row.own_idle_timeout, row.subscriber_ttl
