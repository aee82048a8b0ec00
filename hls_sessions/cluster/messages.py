"""What a node and the directory say to each other. All values are frozen; ``wire.py`` spells them."""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 - pydantic reads the annotations at run time
from dataclasses import dataclass, field
from typing import TypeAlias

from hls_sessions.cluster.claims import UNKNOWN, Claim
from hls_sessions.cluster.node import WIRE, Node


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """The row of a session, as its owner writes it down."""

    session: str
    epoch: int = UNKNOWN
    row: str
    viewing: str | None = None
    announce: bool = False
    """Whether every node is to hear of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Beat:
    """A sign of life of a node, with all that it has to say. One message for all of its sessions."""

    cluster: str
    """The id of the cluster that the node belongs to."""
    node: Node
    wire: int = WIRE
    life: str | None = None
    """The directory's life that the node has last heard from. Another one has to be told everything."""
    version: int = 0
    """The version of the claims that the node has."""
    news: int = 0
    """The same of the nodes."""
    owned: Mapping[str, int] | None = None
    """The epochs of all sessions that it believes to own; None for the same as in the beat before."""
    rows: tuple[Written, ...] = ()
    ended: Mapping[str, int] = field(default_factory=dict)
    """Sessions of its own that have ended, and their epochs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """A node, and whether the directory has heard from it in time."""

    node: Node
    alive: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The directory's answer to a beat."""

    life: str
    version: int
    news: int
    granted: Mapping[str, int]
    """The epochs of sessions that the node has registered, or got back."""
    lost: Mapping[str, Claim | None]
    """Sessions that the node does not own any more, and how they stand; None for one that has ended."""
    duplicates: Mapping[str, Claim]
    """Sessions that its user watches in another session already."""
    claims: tuple[Claim, ...]
    """All claims that have changed since the version that the node had."""
    ended: tuple[str, ...]
    nodes: tuple[Sighting, ...]
    everyone: int
    """How many nodes there are."""
    sessions: int
    """How many sessions there are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How many sessions a cluster may have, as the asking node's settings say."""

    max_sessions: int
    max_sessions_per_user: int | None
    evict: bool
    unwatched_after: float
    """Seconds without a request after which nobody counts as watching a session."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """The wish to open a session."""

    user: str | None
    film: str
    viewing: str | None
    limits: Limits
    key: str
    """Names this wish; the session that is opened for it takes its place when it is registered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """The directory's answer to a wish: the session that there is, or else what ``supervisor.admission`` decides."""

    existing: Claim | None = None
    end: tuple[str, ...] = ()
    """Sessions that are to be ended first; then the node asks again."""
    refused: tuple[str, int, int, float] | None = None
    """The facts of a CapacityExceeded."""


Place: TypeAlias = tuple[str, int]
"""A rendition, and the number of a segment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Take:
    """The order to a node to take a session over."""

    claim: Claim
    prepare: tuple[Place, ...] = ()
    """Segments that are to be there before it is claimed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """How a session stands, as the asked node says."""

    claim: Claim | None
    reason: str | None = None
    """Why the node does not serve it; None if it does."""
