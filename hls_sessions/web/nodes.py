"""The nodes of a cluster: what the app is given of a cluster, and the routes for operators."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final, Protocol

from fastapi import APIRouter, Depends, Request

from hls_sessions.errors import NodeNotFound

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.types import ASGIApp, Scope

KNOWN_SESSION: Final = "hls_sessions.session"
"""The key in a request's scope of a session of another node, of which the playlists are asked for here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeAnswer:
    """One node."""

    name: str
    url: str
    alive: bool
    """Whether it has given a sign of life in time."""
    draining: bool
    version: str
    encoder: str
    """Its encoder's identity: a session goes on at a node of the same one alone."""
    cores: int
    slots: int
    """How many encoders may compute at once."""
    encoders: int
    """How many do."""
    sessions: int
    waiting: int
    """Requests that wait for a segment."""
    notes: tuple[str, ...] = ()
    """What an operator should know, in sentences."""


class Cluster(Protocol):
    """The cluster that a daemon belongs to, as far as its app cares."""

    @property
    def name(self) -> str:
        """The name of this node."""

    @property
    def link_key(self) -> bytes:
        """The key by which all nodes sign viewing links."""

    def trusts(self, scope: Scope) -> bool:
        """Whether a request comes from another node, which has judged it already."""

    def within(self, app: ASGIApp) -> ASGIApp:
        """Return the app that answers for the whole cluster, around the one that answers for this daemon."""

    async def start(self, url: str) -> None:
        """Join the cluster, before the server listens at this address."""

    async def leave(self) -> None:
        """Tell the others that this daemon is about to stop, and have them answer what it cannot."""

    async def stop(self) -> None:
        """Be no member any more; the server does not listen any more."""

    async def nodes(self) -> Sequence[NodeAnswer]:
        """Return all nodes."""

    async def drain(self, node: str, *, drain: bool) -> None:
        """Have a node give its sessions away and take no others, or take them again."""


router = APIRouter()


async def cluster_of(request: Request) -> Any:
    """Return the cluster of an app; None where there is none."""
    return request.app.state.cluster


Clustered = Annotated[Any, Depends(cluster_of)]


@router.get("/nodes")
async def nodes(cluster: Clustered) -> list[NodeAnswer]:
    """Return all nodes of the cluster, by name; none where the daemon runs by itself."""
    return [] if cluster is None else list(await cluster.nodes())


@router.post("/nodes/{name}/drain", status_code=204)
async def drain(name: str, cluster: Clustered) -> None:
    """Have a node give its sessions away, each when its next segment is there, and take no others."""
    if cluster is None:
        raise NodeNotFound(name)
    await cluster.drain(name, drain=True)


@router.delete("/nodes/{name}/drain", status_code=204)
async def undrain(name: str, cluster: Clustered) -> None:
    """Have a drained node take sessions again."""
    if cluster is None:
        raise NodeNotFound(name)
    await cluster.drain(name, drain=False)
