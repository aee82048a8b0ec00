"""A node, as it describes itself to the others: what it can make, and how busy it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

WIRE: Final = 1
"""The version of what nodes say to each other. Fields may be added without a new one; a reader ignores those that it
does not know. A node of another version is refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One node. Its name is unique in its cluster."""

    name: str
    url: str
    """Where the other nodes reach its server."""
    life: str
    """Another one after each start of its daemon."""
    version: str = ""
    """Of this package."""
    encoder: str = ""
    """Its encoder's identity. What two nodes of one identity make goes together within one rendition."""
    roots: tuple[str, ...] = ()
    """The folders that films may be opened from."""
    cores: int = 1
    slots: int = 1
    """How many encoders may compute at once."""
    encoders: int = 0
    """How many run."""
    sessions: int = 0
    waiting: int = 0
    """Viewers that wait for a segment that is being made."""
    draining: bool = False
    """Whether it gives its sessions away, and takes no others."""
    leaving: bool = False
    """Whether its daemon is about to stop."""
    disk_full: bool = False
    """Whether no segment can be written."""
    unreachable: tuple[str, ...] = ()
    """Its folders of films that do not answer."""
    clock: float = 0.0
    """Its wall clock, in seconds since the epoch."""

    def may_have(self, film: str) -> bool:
        """Whether a film is in one of its folders, and these answer; a relative path may be in any of them."""
        roots = [root for root in self.roots if root not in self.unreachable]
        return bool(roots) if not film.startswith("/") else any(is_within(film, root) for root in roots)


def is_within(path: str, folder: str) -> bool:
    """Whether an absolute path is in a folder, or below it."""
    return path == folder or path.startswith(folder.rstrip("/") + "/")
