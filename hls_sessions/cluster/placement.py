"""Where a session goes: a pure function of the nodes and of the film.

A node that has the film and takes sessions is a candidate; for a session that goes on, only one with the encoder
identity of before, because its player has the init segments already. Nodes with a free slot come first, then those for
which fewer viewers wait. Among equals the film decides, by rendezvous hashing (Thaler and Ravishankar, 1998): all
ingresses choose the same node for a film without talking to each other, its second viewer finds what was read and made
for the first, and a node that comes or goes moves only the films that are its own.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from hls_sessions.cluster.node import Node


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be placed."""

    film: str
    """Its path."""
    encoder: str | None = None
    """The encoder identity that it needs; None for a new session, which any will do for."""


def candidates(nodes: Iterable[Node], wanted: Wanted, without: Collection[str] = ()) -> list[Node]:
    """Return the nodes to which a session can go, the best first.

    Args:
        nodes: those that are alive.
        wanted: the session.
        without: names of nodes that have been tried.
    """
    able = [node for node in nodes if node.name not in without and not why_not(node, wanted)]
    return sorted(able, key=lambda node: (not has_free_slot(node), node.waiting, -weight(node.name, wanted.film)))


def why_not(node: Node, wanted: Wanted) -> str | None:
    """Return why a session cannot go to a node, as a clause; None if it can."""
    if node.draining:
        return "it is being drained"
    if node.leaving:
        return "it is about to stop"
    if node.disk_full:
        return "its disk is full"
    if not node.may_have(wanted.film):
        return "it does not have the film"
    if wanted.encoder is not None and node.encoder != wanted.encoder:
        return f"it encodes with {node.encoder or 'nothing'}, and the session was begun with {wanted.encoder}"
    return None


def has_free_slot(node: Node) -> bool:
    """Whether one more encoder may compute."""
    return node.encoders < node.slots


def weight(node: str, film: str) -> int:
    """Return how much a node is preferred for a film: the same number everywhere, evenly spread."""
    return int.from_bytes(hashlib.blake2b(f"{node}\0{film}".encode(errors="surrogateescape"), digest_size=8).digest())
