"""The claims on the disk of the directory's machine, so that its next life knows them. Written in a thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hls_sessions.cluster.claims import Claim
from hls_sessions.store import ClaimRow, ClaimStore

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class KeptClaims:
    """Keeps claims in a database. A directory that cannot write goes on: the nodes tell its next life what they own."""

    def __init__(self, file: Path) -> None:
        """Open a database, or begin one."""
        self._store = ClaimStore(file)

    def claims(self) -> Iterator[Claim]:
        """Return those that were kept."""
        for row in self._store.rows():
            yield Claim(row.session, row.node, row.epoch, row.row, row.viewing)

    def put(self, claim: Claim) -> None:
        """Keep a claim, in the place of an earlier one."""
        self._store.put(ClaimRow(claim.session, claim.node, claim.epoch, claim.row, claim.viewing))

    def drop(self, session: str) -> None:
        """Keep it no more."""
        self._store.drop(session)

    def close(self) -> None:
        """Write the rest."""
        self._store.close()
