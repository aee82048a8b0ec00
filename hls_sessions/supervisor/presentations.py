"""The presentations of files, each computed once for a version of its file. Any thread may use them."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from cachetools import LRUCache

from hls_sessions.media import Presentation

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hls_sessions.ffmpeg import Prober
    from hls_sessions.media import Media

KEPT: Final = 256 * 1024 * 1024
"""Bytes of memory that presentations may take, the files' facts included; the least recently used go first."""


class Presentations:
    """The presentations of the files that a prober has probed."""

    def __init__(self, prober: Prober, kept: int = KEPT) -> None:
        """Begin with none; keep up to so many bytes."""
        self._prober = prober
        # Keyed by identity: the prober hands out the same facts as long as the file stays the same. They are kept
        # beside their presentation, which has a copy of them, so that no other facts can have their id.
        self._known: LRUCache[tuple[int, float, bool], tuple[Media, Presentation]] = LRUCache(
            kept, lambda known: known[1].size_in_memory
        )
        self._lock = threading.Lock()

    def of(
        self, path: Path, segment_length: float, *, copy: bool, on_probed: Callable[[], object] = lambda: None
    ) -> Presentation:
        """Return the presentation of a file.

        Args:
            path: the file.
            segment_length: the wanted length of a segment, in seconds.
            copy: whether video and audio may be offered as they are.
            on_probed: is called when the file is probed and the rest begins.

        Raises:
            MediaNotFound, NotPlayable: the file cannot be opened.
        """
        facts = self._prober.probe(path)
        on_probed()
        return self._computed(facts, segment_length, copy=copy)

    def of_index(self, path: Path, segment_length: float, *, copy: bool) -> Presentation:
        """Return the presentation that ``of`` gave before all of the file was read."""
        return self._computed(self._prober.probe_index(path), segment_length, copy=copy)

    def _computed(self, facts: Media, segment_length: float, *, copy: bool) -> Presentation:
        key = id(facts), segment_length, copy
        with self._lock:
            known = self._known.get(key)
        if known is None:
            known = facts, Presentation.of(facts, segment_length, copy=copy)
            with self._lock, suppress(ValueError):  # it is larger than all of them may be
                self._known[key] = known
        return known[1]
