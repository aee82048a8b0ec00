"""The reports of a rendition: its segments, its failures and its costs. The session's record keeps them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from hls_sessions import segments

if TYPE_CHECKING:
    from hls_sessions.ffmpeg import Exit


class Reporter(segments.Reporter, Protocol):
    """Hears of a session's segments and encoders. Any thread may report."""

    def replaced(self, rendition: str, segment: int, cause: str, what: str = "encoder") -> None:
        """Hear that an encoder or a packager replaced one that was lost, and why it was lost."""

    def refused(self) -> None:
        """Hear that a segment did not pass its check."""

    def failed(self) -> None:
        """Hear that an encoder or a packager failed."""

    def ended(self, process: str, exit_: Exit) -> None:
        """Hear that an encoder or a packager has ended: which, how, what it said last, what it has used."""
