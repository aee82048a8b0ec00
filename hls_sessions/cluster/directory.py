"""The directory: which nodes are alive, and which of them owns which session. One for a cluster.

It is a value that is told and asked, one call at a time: neither Ray nor a socket is known here. ``service.py`` puts it
behind HTTP, and ``ray.py`` has Ray keep one such service running. It is never asked on the road of a segment.
"""

from __future__ import annotations

import json
import time
from collections import OrderedDict
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import TYPE_CHECKING, Final, Protocol
from uuid import uuid4

from hls_sessions.cluster.claims import Claim, Claims, Decision, Duplicate, Fenced, Granted
from hls_sessions.cluster.messages import Admission, Answer, Sighting
from hls_sessions.cluster.node import WIRE
from hls_sessions.cluster.pace import Pace
from hls_sessions.errors import NodeRefused
from hls_sessions.supervisor.admission import Admit, Clear, Displace, Queue, Refuse, Rules, Seat, decide

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from hls_sessions.cluster.messages import Beat, Opening, Written
    from hls_sessions.cluster.node import Node

SWEEP_INTERVAL: Final = 0.1
"""Seconds between two looks at the leases."""

LOAD_INTERVAL: Final = 1.0
"""Seconds after which a change of a node's load alone is told to the others; longer where there are many."""

MANY_NODES: Final = 100
"""Nodes from which on their loads are told less often."""

RESERVED_FOR: Final = 15.0
"""Seconds for which the place of a session that is being opened is kept."""

KEPT_AFTER_DEATH: Final = 3600.0
"""Seconds for which a session of a dead node can be gone on with; its own idle time, if that is shorter."""

NODE_KEPT: Final = 86_400.0
"""Seconds for which a dead node is listed."""

CLOCK_SKEW: Final = 5.0
"""Seconds that a node's wall clock may differ from that of the directory before somebody is told."""


class Kept(Protocol):
    """Where claims are written down, so that the next life of the directory knows them."""

    def claims(self) -> Iterable[Claim]:
        """Return those that were kept."""

    def put(self, claim: Claim) -> None:
        """Keep a claim, in the place of an earlier one."""

    def drop(self, session: str) -> None:
        """Keep it no more."""


class Forgetful:
    """Keeps nothing."""

    def claims(self) -> Iterable[Claim]:
        """Return nothing."""
        return ()

    def put(self, claim: Claim) -> None:
        """Do nothing."""

    def drop(self, session: str) -> None:
        """Do nothing."""


@dataclass(slots=True)
class _Seen:
    node: Node
    until: float
    """When its lease is over."""
    owned: Mapping[str, int]
    news: int
    """The version of the nodes in which the others are told of it."""
    told_at: float
    alive: bool = True


class Directory:
    """All nodes and claims of a cluster. Used by one thread at a time."""

    def __init__(
        self,
        cluster: str,
        *,
        now: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        kept: Kept | None = None,
    ) -> None:
        """Begin with the claims that an earlier life has kept.

        Args:
            cluster: the id of the cluster.
            now: a clock in seconds.
            wall: what time it is, in seconds since the epoch.
            kept: where claims are kept; nowhere by default.
        """
        self.cluster = cluster
        self.life = str(uuid4())
        self._now = now
        self._wall = wall
        self._kept = kept or Forgetful()
        self.claims = Claims()
        for claim in self._kept.claims():
            self.claims.register(claim)
        self._nodes: OrderedDict[str, _Seen] = OrderedDict()
        """By name; those of which something is new come last."""
        self._news = 0
        self._swept_at = now()
        self._reserved: dict[str, tuple[float, str | None]] = {}
        """Until when a place is kept for a wish, and for which user."""
        self._queue = Queue(now)
        self._draining: set[str] = set()
        """The nodes that an operator drains."""

    @property
    def news(self) -> int:
        """The version of the nodes."""
        return self._news

    @property
    def _pace(self) -> Pace:
        return Pace.of(len(self._nodes), len(self.claims))

    # ---- asked by nodes

    def beat(self, beat: Beat) -> Answer:
        """Note that a node is alive, and the rows that it has written; return the changes.

        Raises:
            NodeRefused: it is of another cluster or version, or there is another node of its name.
        """
        self.sweep()
        seen = self._seen(beat)
        node = beat.node.name
        granted: dict[str, int] = {}
        lost: dict[str, Claim | None] = {}
        duplicates: dict[str, Claim] = {}
        for session, epoch in beat.ended.items():
            self.release(session, node, epoch)
        for written in beat.rows:
            match self._write(node, written):
                case Granted(claim):
                    granted[claim.session] = claim.epoch
                case Fenced(claim):
                    lost[written.session] = claim
                case Duplicate(other):
                    duplicates[written.session] = other
        lost |= self.claims.lost_by(node, {**seen.owned, **granted})
        is_new = beat.life != self.life
        claims, ended = self.claims.changes(-1 if is_new else beat.version)
        return Answer(
            life=self.life,
            version=self.claims.version,
            news=self._news,
            granted=granted,
            lost=lost,
            duplicates=duplicates,
            claims=tuple(claims),
            ended=tuple(ended),
            nodes=self._sightings(-1 if is_new else beat.news),
            everyone=len(self._nodes),
            sessions=len(self.claims),
        )

    def claim(self, session: str, epoch: int, node: str) -> Decision:
        """Give a session to a node that knows its latest epoch, unless that node is drained."""
        if node in self._draining:
            return Fenced(self.claims.of(session))
        decision = self.claims.claim(session, epoch, node)
        if isinstance(decision, Granted):
            self._kept.put(decision.claim)
        return decision

    def release(self, session: str, node: str, epoch: int) -> Decision:
        """Note that a session has ended, as its owner says."""
        decision = self.claims.release(session, node, epoch)
        if isinstance(decision, Granted):
            self._kept.drop(session)
        return decision

    def of(self, session: str) -> Claim | None:
        """Return how a session stands."""
        return self.claims.of(session)

    def admit(self, wanted: Opening) -> Admission:
        """Decide whether one more session may be opened, and keep a place for it."""
        if wanted.viewing is not None and (existing := self.claims.of_viewing(wanted.viewing)) is not None:
            return Admission(existing=existing)
        limits, now = wanted.limits, self._now()
        self._reserved = {key: place for key, place in self._reserved.items() if place[0] > now and key != wanted.key}
        rules = Rules(limits.max_sessions, limits.max_sessions_per_user, evict=limits.evict)
        ahead = self._queue.ahead_of(wanted.user, wanted.film)
        taken = len(self.claims) + len(self._reserved)
        if limits.max_sessions_per_user is None and taken + len(ahead) < limits.max_sessions:
            decision: Admit | Clear | Displace | Refuse = Admit()  # no session needs to be looked at for that
        else:
            decision = decide(self._seats(limits.unwatched_after), wanted.user, ahead, rules)
        match decision:
            case Admit():
                self._queue.leave(wanted.user, wanted.film)
                self._reserved[wanted.key] = now + RESERVED_FOR, wanted.user
                return Admission()
            case Clear(sessions):
                return Admission(end=sessions)
            case Displace(session):
                return Admission(end=(session,))
            case Refuse(limit, most, place, retry_after):
                self._queue.refused(wanted.user, wanted.film)
                return Admission(refused=(limit, most, place, retry_after))

    def opened(self, key: str) -> None:
        """Note that the session of a wish is registered, or was not opened."""
        self._reserved.pop(key, None)

    # ---- asked by operators

    def nodes(self) -> tuple[Sighting, ...]:
        """Return all nodes, by name."""
        self.sweep()
        return tuple(sorted(self._sightings(-1), key=lambda sighting: sighting.node.name))

    def drain(self, node: str, *, drain: bool = True) -> bool:
        """Have a node give its sessions away and take no others, or take them again; False if there is no such node."""
        seen = self._nodes.get(node)
        if seen is None:
            return False
        (self._draining.add if drain else self._draining.discard)(node)
        self._see(seen, replace(seen.node, draining=drain))
        return True

    # ---- within

    def _write(self, node: str, written: Written) -> Granted | Fenced | Duplicate:
        known = self.claims.of(written.session)
        decision: Granted | Fenced | Duplicate
        if known is not None and (known.node, known.epoch) == (node, written.epoch):
            decision = self.claims.write(written.session, node, written.epoch, written.row, announce=written.announce)
        else:
            decision = self.claims.register(Claim(written.session, node, written.epoch, written.row, written.viewing))
        if isinstance(decision, Granted):
            self._kept.put(decision.claim)
        return decision

    def _seen(self, beat: Beat) -> _Seen:
        """Note a beat.

        Raises:
            NodeRefused: the node does not belong here.
        """
        node, now = beat.node, self._now()
        if beat.wire != WIRE:
            raise NodeRefused(node.name, f"it speaks version {beat.wire}, and this cluster {WIRE}")
        if beat.cluster != self.cluster:
            raise NodeRefused(node.name, "it belongs to another cluster")
        seen = self._nodes.get(node.name)
        # A daemon that was started again listens where the one before it did.
        if seen is not None and seen.node.life != node.life and now < seen.until and seen.node.url != node.url:
            raise NodeRefused(node.name, f"there is a node of this name at {seen.node.url}")
        if node.draining and beat.life != self.life:
            self._draining.add(node.name)  # it was told so by an earlier life
        node = replace(node, draining=node.name in self._draining)
        if seen is None or seen.node.life != node.life:
            seen = self._nodes[node.name] = _Seen(node, 0.0, {}, 0, now)
            self._tell(seen)
        else:
            self._see(seen, node)
        if beat.owned is not None:
            seen.owned = beat.owned
        seen.until = now + self._pace.lease
        return seen

    def _see(self, seen: _Seen, node: Node) -> None:
        before, seen.node = seen.node, node
        interval = LOAD_INTERVAL * max(1.0, len(self._nodes) / MANY_NODES)
        if not seen.alive or _lasting(before) != _lasting(node) or self._now() - seen.told_at >= interval:
            seen.alive = True
            self._tell(seen)

    def _tell(self, seen: _Seen) -> None:
        self._news += 1
        seen.news, seen.told_at = self._news, self._now()
        self._nodes.move_to_end(seen.node.name)

    def _sightings(self, since: int) -> tuple[Sighting, ...]:
        new = takewhile(lambda seen: seen.news > since, reversed(self._nodes.values()))
        return tuple(Sighting(node=seen.node, alive=seen.alive) for seen in new)

    def sweep(self) -> None:
        """Note which leases are over. Called several times within a lease.

        If the directory itself was away, nobody could reach it, and every node gets another lease.
        """
        now = self._now()
        if now - self._swept_at < SWEEP_INTERVAL:
            return
        lease = self._pace.lease
        was_away, self._swept_at = now - self._swept_at > lease / 2, now
        for name, seen in list(self._nodes.items()):
            if was_away:
                seen.until = max(seen.until, now + lease)
            if seen.alive and now >= seen.until:
                seen.alive = False
                self._tell(seen)
            if not seen.alive:
                self._forget_those_of(name, now - seen.until)
                if now - seen.until > NODE_KEPT:
                    del self._nodes[name]

    def _forget_those_of(self, node: str, dead_for: float) -> None:
        """Forget the sessions of a dead node for which nobody has asked until their time was over."""
        for session in self.claims.owned_by(node):
            claim = self.claims.of(session)
            if claim is not None and dead_for > min(KEPT_AFTER_DEATH, idle_timeout_of(claim)):
                self.claims.forget(session)
                self._kept.drop(session)

    def _seats(self, unwatched_after: float) -> list[Seat]:
        wall = self._wall()
        seats = [_seat(claim, wall, unwatched_after) for claim in self.claims]
        reserved = [Seat(key, user, 0.0, RESERVED_FOR, watched=True) for key, (_, user) in self._reserved.items()]
        return seats + reserved


def _lasting(node: Node) -> Node:
    """Return a node without its load, of which the others need not hear at once."""
    return replace(node, encoders=0, sessions=0, waiting=0, clock=0.0)


def _seat(claim: Claim, wall: float, unwatched_after: float) -> Seat:
    row = json.loads(claim.row)
    idle = max(0.0, wall - (row.get("last_activity_at") or row["created_at"]))
    due_in = row["idle_timeout"] - idle
    return Seat(claim.session, row["user"], idle, due_in, watched=idle < unwatched_after and due_in > 0)


def idle_timeout_of(claim: Claim) -> float:
    """Return the seconds after which a session expires without a request."""
    return float(json.loads(claim.row)["idle_timeout"])
