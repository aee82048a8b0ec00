"""What is offered of files, computed once for each version of one. Any thread may use it."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING

from hls_sessions.media import Presentation

if TYPE_CHECKING:
    from pathlib import Path

    from hls_sessions.ffmpeg import Prober
    from hls_sessions.media import Media

KEPT = 512
"""Files whose timeline is kept."""


class Presentations:
    """The presentations of what a prober finds in files."""

    def __init__(self, prober: Prober) -> None:
        """Begin with none."""
        self._prober = prober
        self._known: OrderedDict[tuple[int, float, bool], Presentation] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, path: Path, segment_length: float, *, copy: bool) -> Presentation:
        """Return what is offered of a file.

        Args:
            path: the file.
            segment_length: the wanted length of a segment, in seconds.
            copy: whether pictures and sounds may be offered as they are.

        Raises:
            MediaNotFound, NotPlayable: the file cannot be opened.
        """
        return self._computed(self._prober.probe(path), segment_length, copy=copy)

    def of_index(self, path: Path, segment_length: float, *, copy: bool) -> Presentation:
        """Return what ``of`` did before anything was known from reading all of the file."""
        return self._computed(self._prober.probe_index(path), segment_length, copy=copy)

    def _computed(self, facts: Media, segment_length: float, *, copy: bool) -> Presentation:
        key = id(facts), segment_length, copy
        with self._lock:
            known = self._known.get(key)
        if known is not None:
            return known
        presentation = Presentation.of(facts, segment_length, copy=copy)
        with self._lock:
            # Keyed by identity: the prober hands out the same facts as long as the file stays the same, and
            # the presentation keeps them alive, so no other facts can have their id.
            self._known[key] = presentation
            while len(self._known) > KEPT:
                self._known.popitem(last=False)
        return presentation
