"""Makes a daemon a node of a cluster, as its settings say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hls_sessions.cluster.locator import RayLocator
from hls_sessions.cluster.member import Member
from hls_sessions.cluster.secret import Secret
from hls_sessions.errors import NodeRefused

if TYPE_CHECKING:
    from hls_sessions.supervisor import Supervisor


def membership(supervisor: Supervisor) -> Member:
    """Return the membership of a daemon whose settings name a cluster.

    Raises:
        NodeRefused: a setting that it needs is missing.
    """
    settings = supervisor.settings
    name = settings.own_node
    if settings.cluster is None or name is None:
        raise NodeRefused("", "the setting cluster names none")
    if settings.cluster_secret is None:
        raise NodeRefused(name, "the setting cluster_secret is missing")
    if settings.state_dir is None:
        raise NodeRefused(name, "it has no state folder (state_dir)")
    secret = settings.cluster_secret.get_secret_value()
    folder = settings.state_dir.expanduser().absolute() / "cluster"
    locator = RayLocator(settings.cluster, secret, name=name, folder=folder, port=settings.ray_port)
    return Member(supervisor, locator, Secret(secret), name=name, url=settings.node_url)
