"""A text that is kept as most clients want it: compressed."""

from __future__ import annotations

import gzip
from typing import Final

LEVEL: Final = 6
"""zlib's level: a higher one makes playlists hardly smaller."""


class CompressedText:
    """A text, as gzip writes it."""

    __slots__ = ("compressed",)

    def __init__(self, text: str) -> None:
        # Without the time at which it was made, because equal texts are to be equal bytes.
        self.compressed = gzip.compress(text.encode(), LEVEL, mtime=0)

    def __repr__(self) -> str:
        return f"<CompressedText of {len(self.compressed):,} bytes>"

    def __str__(self) -> str:
        return gzip.decompress(self.compressed).decode()

    @property
    def etag(self) -> str:
        """Its entity tag: gzip's own checksum and length. It is weak, because it holds in every encoding."""
        return f'W/"{self.compressed[-8:].hex()}"'
