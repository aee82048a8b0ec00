"""The secret by which the nodes of a cluster know each other."""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

HEADER: Final = "Hls-Cluster-Secret"
"""The header that a node sends to another. It is derived from the secret, so that neither a log of the traffic nor
Ray's token reveals what was set."""


class Secret:
    """A secret, and what is derived from it for each purpose."""

    def __init__(self, secret: str) -> None:
        """Derive them."""
        self._key = secret.encode()
        self.header = self._derived("http")
        self.ray_token = self._derived("ray")
        self.link_key = self._derived("links").encode()

    def is_in(self, headers: Iterable[tuple[bytes, bytes]]) -> bool:
        """Whether a request brings it, by the headers of an ASGI scope."""
        name = HEADER.lower().encode()
        return any(key == name and hmac.compare_digest(value, self.header.encode()) for key, value in headers)

    def is_right(self, given: str | None) -> bool:
        """Whether this is the value of the header."""
        return given is not None and hmac.compare_digest(given.encode(), self.header.encode())

    def _derived(self, purpose: str) -> str:
        return hmac.digest(self._key, f"hls_sessions {purpose}".encode(), hashlib.sha256).hex()
