"""``hls-sessions nodes``, ``drain`` and ``undrain``: the nodes of a cluster."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

import typer

from hls_sessions.cli.client import AsJson, Daemon, Token, Url
from hls_sessions.cli.screen import print_json, print_rows

Node = Annotated[str, typer.Argument(metavar="NODE", help="The node's name.")]


def nodes(url: Url = None, token: Token = None, as_json: AsJson = False) -> None:
    """List the nodes of the cluster that the daemon belongs to."""
    found = Daemon(url, token).get("/nodes")
    if as_json:
        print_json(found)
        return
    print_rows(
        (
            "NODE",
            "STATE",
            "CORES",
            "SLOTS",
            "ENCODERS",
            "SESSIONS",
            "WAITING",
            "VERSION",
            "ENCODER",
            "ADDRESS",
            "NOTES",
        ),
        (
            (
                each["name"],
                "gone" if not each["alive"] else "draining" if each["draining"] else "alive",
                each["cores"],
                each["slots"],
                each["encoders"],
                each["sessions"],
                each["waiting"],
                each["version"],
                each["encoder"],
                each["url"],
                " ".join(each["notes"]),
            )
            for each in found
        ),
    )


def drain(node: Node, url: Url = None, token: Token = None) -> None:
    """Have a node give its sessions to others, and take no more; each goes when its next segment is there."""
    Daemon(url, token).post(f"/nodes/{quote(node, safe='')}/drain")


def undrain(node: Node, url: Url = None, token: Token = None) -> None:
    """Have a drained node take sessions again."""
    Daemon(url, token).delete(f"/nodes/{quote(node, safe='')}/drain")
