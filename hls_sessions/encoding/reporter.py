"""The reports of a rendition: its segments, its failures and its costs. The session's record keeps them."""

from __future__ import annotations

from typing import Protocol

from hls_sessions import segments


class Reporter(segments.Reporter, Protocol):
    """Hears of a session's segments and encoders. Any thread may report."""

    def replaced(self, rendition: str, segment: int, cause: str, what: str = "encoder") -> None:
        """Hear that an encoder or a packager replaced one that was lost, and why it was lost."""

    def refused(self) -> None:
        """Hear that a segment did not pass its check."""

    def failed(self) -> None:
        """Hear that an encoder or a packager failed."""

    def computed(self, seconds: float) -> None:
        """Hear how many processor seconds an encoder or a packager has used, when it has ended."""
