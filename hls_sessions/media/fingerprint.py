"""A digest of what a player was told of a presentation, by which a later daemon knows whether it still holds."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from hls_sessions.media.playlists import master_playlist

if TYPE_CHECKING:
    from hls_sessions.media.renditions import Presentation


def fingerprint(presentation: Presentation) -> str:
    """Return the same for two presentations only if every URL means the same in both, to the tick."""
    digest = hashlib.sha256(f"{presentation.timeline.origin}\n{master_playlist(presentation)}".encode())
    for rendition in presentation.offered:
        cuts = presentation.cuts(rendition)
        digest.update(f"{rendition} {cuts.leading} {cuts.first} {' '.join(map(str, cuts.times))}\n".encode())
    return digest.hexdigest()
