"""A node's copy of the table of owners, and the sessions that it owns itself.

The copy is what requests go by, so that they need no directory. It may be some tenths of a second old: a node that is
asked for a session of another says so, and whose it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hls_sessions.cluster.claims import UNKNOWN, Claim
from hls_sessions.cluster.placement import Wanted, candidates

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from hls_sessions.cluster.messages import Answer, Sighting
    from hls_sessions.cluster.node import Node


@dataclass(frozen=True, slots=True)
class Attempt:
    """The node that a request is passed to next."""

    node: str
    take: bool
    """Whether that node is to take the session over first, because its owner does not answer."""


class Replica:
    """What one node knows of all. Used by one thread."""

    def __init__(self, name: str) -> None:
        """Begin with nothing; ``name`` is the node's own."""
        self.name = name
        self.owned: dict[str, int] = {}
        """The sessions that this node owns, and their epochs; ``UNKNOWN`` until they are registered."""
        self.over: dict[str, int] = {}
        """Sessions of this node that have ended, and their epochs, until the directory has heard of it."""
        self.life: str | None = None
        """The life of the directory that it has last heard from."""
        self.version = -1
        self.news = -1
        self._claims: dict[str, Claim] = {}
        self._nodes: dict[str, Sighting] = {}

    def claim_of(self, session: str) -> Claim | None:
        """Return how a session stands, as far as is known here."""
        return self._claims.get(session)

    def claims(self) -> Collection[Claim]:
        """Return all claims that are known here."""
        return self._claims.values()

    @property
    def nodes(self) -> Mapping[str, Sighting]:
        """All nodes that are known here, by name."""
        return self._nodes

    def alive(self, but: Collection[str] = ()) -> list[Node]:
        """Return the nodes that the directory takes for alive."""
        return [seen.node for seen in self._nodes.values() if seen.alive and seen.node.name not in but]

    def next_attempt(self, session: str, wanted: Wanted, failed: Collection[str]) -> Attempt | None:
        """Return where a request for a session goes next.

        Args:
            session: the session.
            wanted: what a node that takes it over must have.
            failed: the nodes that were tried for this request, or are known to be silent.

        Returns:
            its owner, unless that was tried or is dead; else the best of the others, which takes it over; None if no
            node is left.
        """
        claim = self._claims.get(session)
        if claim is not None and claim.node not in failed and self._may_answer(claim.node):
            return Attempt(claim.node, take=False)
        best = next(iter(candidates(self.alive(), wanted, failed)), None)
        return None if best is None else Attempt(best.name, take=True)

    # ---- what happens

    def opened(self, session: str) -> None:
        """Note a session that was opened here, or that goes on here after a restart."""
        self.owned.setdefault(session, UNKNOWN)

    def ended(self, session: str) -> None:
        """Note that a session of this node has ended."""
        self._claims.pop(session, None)
        if (epoch := self.owned.pop(session, None)) is not None:
            self.over[session] = epoch

    def took(self, claim: Claim) -> None:
        """Note that this node has taken a session over."""
        self.owned[claim.session] = claim.epoch
        self._claims[claim.session] = claim

    def learned(self, claim: Claim) -> None:
        """Note how a session stands, as another node says."""
        known = self._claims.get(claim.session)
        if known is None or claim.epoch > known.epoch:
            self._claims[claim.session] = claim

    def forget(self, session: str) -> None:
        """Note that a session has ended, as the directory says."""
        self._claims.pop(session, None)

    def heard(self, answer: Answer, ended: Mapping[str, int]) -> dict[str, Claim | None]:
        """Note the directory's answer to a beat.

        Args:
            answer: the answer.
            ended: the sessions that had ended by the beat, and their epochs.

        Returns:
            the sessions that this node does not own any more, and how they stand.
        """
        self.life, self.version, self.news = answer.life, answer.version, answer.news
        for session in ended:
            self.over.pop(session, None)
        self._update(answer)
        gone = {session: claim for session, claim in answer.lost.items() if self._has_lost(session, claim)}
        for session, claim in gone.items():
            del self.owned[session]
            if claim is None:
                self._claims.pop(session, None)
            else:
                self.learned(claim)
        return gone

    # ---- within

    def _update(self, answer: Answer) -> None:
        for session in answer.ended:
            if session not in self.owned:
                self._claims.pop(session, None)
        for claim in answer.claims:
            known = self._claims.get(claim.session)
            if known is None or claim.epoch >= known.epoch:
                self._claims[claim.session] = claim
        for session, epoch in answer.granted.items():
            if session in self.owned:
                self.owned[session] = max(epoch, self.owned[session])
        for seen in answer.nodes:
            self._nodes[seen.node.name] = seen

    def _has_lost(self, session: str, claim: Claim | None) -> bool:
        epoch = self.owned.get(session)
        return epoch is not None and (claim is None or (claim.node != self.name and claim.epoch >= epoch))

    def _may_answer(self, node: str) -> bool:
        seen = self._nodes.get(node)
        return node == self.name or (seen is not None and seen.alive)
