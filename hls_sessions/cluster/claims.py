"""The table of owners: which node may write down what becomes of a session. Pure; its only state is the table.

Any node may make any segment, because it is the same whoever makes it. Only the row of a session needs an owner. An
owner holds an *epoch*. A node that claims a session names the epoch that it knows, and is granted the next one if that
is still the latest; so of two nodes that claim at the same time, one is granted it and the other is told whose it is.
A write carries the epoch of its writer, and one of an earlier epoch is refused: it is *fenced* (Kleppmann, "How to do
distributed locking", 2016).

While there is no directory, a node takes a session over with the next epoch on its own, and registers it later. The
higher epoch wins then, and of two that are equal the one that came first.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

UNKNOWN: Final = 0
"""The epoch that a node names for a session of its earlier life, of which it does not know the epoch."""

MOST_ENDED: Final = 100_000
"""Ended sessions whose epochs are remembered, so that a node that was away for long brings none of them back."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A session, and the node that owns it."""

    session: str
    node: str
    epoch: int
    row: str
    """What its owner wrote last, in the form of ``rows``. The table does not read it."""
    viewing: str | None = None
    """Its user and film: there is one session of both. None for a session that is shared with nobody."""


@dataclass(frozen=True, slots=True)
class Granted:
    """The node owns the session."""

    claim: Claim


@dataclass(frozen=True, slots=True)
class Fenced:
    """The node does not own the session, at least not any more. Nothing has changed."""

    claim: Claim | None
    """How it stands; None if the session has ended, or was never there."""


@dataclass(frozen=True, slots=True)
class Duplicate:
    """The user watches this film in another session already. Nothing has changed."""

    of: Claim


Decision: TypeAlias = Granted | Fenced


class Claims:
    """All claims, and what changed in them since when. Used by one thread at a time."""

    def __init__(self) -> None:
        """Begin empty."""
        self.version = 0
        """Counts the changes of owners and of states; what an owner writes in between does not count."""
        self._claims: dict[str, Claim] = {}
        self._by_viewing: dict[str, str] = {}
        self._by_node: dict[str, set[str]] = {}
        self._ended: OrderedDict[str, int] = OrderedDict()
        """The latest epochs of sessions that have ended."""
        self._changed: OrderedDict[str, int] = OrderedDict()
        """The version in which each session was last changed, the latest last."""

    def __len__(self) -> int:
        return len(self._claims)

    def __iter__(self) -> Iterator[Claim]:
        return iter(self._claims.values())

    def of(self, session: str) -> Claim | None:
        """Return the claim on a session; None if nobody has one."""
        return self._claims.get(session)

    def of_viewing(self, viewing: str) -> Claim | None:
        """Return the claim on the session in which a user watches a film."""
        session = self._by_viewing.get(viewing)
        return None if session is None else self._claims[session]

    def owned_by(self, node: str) -> frozenset[str]:
        """Return the sessions that a node owns."""
        return frozenset(self._by_node.get(node, ()))

    def register(self, new: Claim) -> Granted | Fenced | Duplicate:
        """Note a session that a node has opened, or has owned since before this table knew.

        A node that names the epoch ``UNKNOWN`` gets its session back if nobody has claimed it meanwhile.
        """
        known = self._claims.get(new.session)
        if known is not None:
            if new.node == known.node and new.epoch in {UNKNOWN, known.epoch}:
                return Granted(self._put(replace(new, epoch=known.epoch)))
            return Granted(self._put(new)) if new.epoch > known.epoch else Fenced(known)
        if self._ended.get(new.session, -1) >= new.epoch:
            return Fenced(None)
        if new.viewing is not None and (other := self.of_viewing(new.viewing)) is not None:
            return Duplicate(other)
        return Granted(self._put(replace(new, epoch=max(new.epoch, UNKNOWN + 1))))

    def claim(self, session: str, epoch: int, node: str) -> Decision:
        """Give a session to a node that knows its latest epoch."""
        known = self._claims.get(session)
        if known is None or known.epoch != epoch:
            return Fenced(known)
        return Granted(self._put(replace(known, node=node, epoch=epoch + 1)))

    def write(self, session: str, node: str, epoch: int, row: str, *, announce: bool = False) -> Decision:
        """Note what the owner of a session has written down.

        Args:
            session: the session.
            node: the writer.
            epoch: the writer's epoch.
            row: the row.
            announce: whether every node is to hear of it, as of a new state.
        """
        known = self._claims.get(session)
        if known is None or (known.node, known.epoch) != (node, epoch):
            return Fenced(known)
        new = replace(known, row=row)
        if announce:
            return Granted(self._put(new))
        self._claims[session] = new
        return Granted(new)

    def release(self, session: str, node: str, epoch: int) -> Decision:
        """Note that a session has ended, as its owner says."""
        known = self._claims.get(session)
        if known is None or (known.node, known.epoch) != (node, epoch):
            return Fenced(known)
        self.forget(session)
        return Granted(known)

    def forget(self, session: str) -> None:
        """Note that a session has ended, whoever owns it."""
        claim = self._claims.pop(session)
        self._leave(claim)
        self._ended[session] = claim.epoch
        self._ended.move_to_end(session)
        self._note_change(session)
        while len(self._ended) > MOST_ENDED:
            forgotten, _ = self._ended.popitem(last=False)
            self._changed.pop(forgotten, None)

    def changes(self, since: int) -> tuple[list[Claim], list[str]]:
        """Return the claims that have changed since a version, and the sessions that have ended since."""
        claims, ended = [], []
        for session, version in reversed(self._changed.items()):
            if version <= since:
                break
            if (claim := self._claims.get(session)) is not None:
                claims.append(claim)
            else:
                ended.append(session)
        return claims, ended

    def lost_by(self, node: str, owned: Mapping[str, int]) -> dict[str, Claim | None]:
        """Return those of the sessions that a node believes to own, with their epochs, that are not its own."""
        lost: dict[str, Claim | None] = {}
        for session, epoch in owned.items():
            known = self._claims.get(session)
            if known is None:
                if self._ended.get(session, -1) >= epoch:
                    lost[session] = None
            elif known.node != node and known.epoch >= epoch:
                lost[session] = known
        return lost

    # ---- within

    def _put(self, claim: Claim) -> Claim:
        if (before := self._claims.get(claim.session)) is not None:
            self._leave(before)
        self._claims[claim.session] = claim
        self._by_node.setdefault(claim.node, set()).add(claim.session)
        if claim.viewing is not None:
            self._by_viewing[claim.viewing] = claim.session
        self._ended.pop(claim.session, None)
        self._note_change(claim.session)
        return claim

    def _leave(self, claim: Claim) -> None:
        owned = self._by_node[claim.node]
        owned.discard(claim.session)
        if not owned:
            del self._by_node[claim.node]
        if claim.viewing is not None and self._by_viewing.get(claim.viewing) == claim.session:
            del self._by_viewing[claim.viewing]

    def _note_change(self, session: str) -> None:
        self.version += 1
        self._changed[session] = self.version
        self._changed.move_to_end(session)
