"""What a rendition reports upwards: what was made, and what it cost. The session keeps the record."""

from __future__ import annotations

from typing import Protocol

from hls_sessions import segments


class Reporter(segments.Reporter, Protocol):
    """Hears what becomes of a session's segments and encoders. Any thread may report."""

    def replaced(self, rendition: str, segment: int, cause: str, what: str = "encoder") -> None:
        """Hear that an encoder, or a packager, took the place of one that was lost, and to what."""

    def refused(self) -> None:
        """Hear that a segment did not pass its check."""

    def failed(self) -> None:
        """Hear that an encoder or a packager failed."""

    def computed(self, seconds: float) -> None:
        """Hear how many processor seconds an encoder or a packager took that has ended."""
