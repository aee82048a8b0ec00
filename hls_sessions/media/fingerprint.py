"""A digest of a presentation's playlists. By it a later daemon sees whether a player's playlists still hold."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from hls_sessions.media.playlists import master_playlist

if TYPE_CHECKING:
    from hls_sessions.media.renditions import Presentation


def fingerprint(presentation: Presentation) -> str:
    """Return a digest that two presentations share only if every URL means the same in both, to the tick.

    It is computed once.
    """
    kept = presentation.fingerprints
    if not kept:
        kept.append(_digest(presentation))
    return kept[0]


def _digest(presentation: Presentation) -> str:
    digest = hashlib.sha256(f"{presentation.timeline.origin}\n{master_playlist(presentation)}".encode())
    for rendition in presentation.offered:
        cuts = presentation.cuts(rendition)
        filled = f"{cuts.leading} {cuts.trailing} {cuts.held}"
        digest.update(f"{rendition} {filled} {cuts.first} {' '.join(map(str, cuts.times))}\n".encode())
    return digest.hexdigest()
