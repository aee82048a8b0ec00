"""The pacer: which encoders of all sessions run, where there are more than may. Any thread may use it.

A run that somebody waits for always goes on. The places that are left go to those who wait for a run to be started, the
longest wait first, and then to the runs whose viewers are closest to running dry; while anybody waits, those whose
viewers have enough for a while get none, so that who waits has the processors. A run that has lost its place is held by
its session, which hears PaceChanged; copies take no place.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from hls_sessions.otp import shielded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

LaneKey: TypeAlias = tuple[str, str]
"""A session's id and a rendition's."""

Key: TypeAlias = tuple[str, str, int]
"""The same, and a run of it, or one that is to be started."""

GRACE: Final = 4.0
"""Seconds by which a run must be closer to running dry than one that has a place, to take it: else two would take turns
at every segment."""


COMFORT: Final = 6.0
"""Seconds a run must be ahead of its viewer to have no place while anybody waits for another."""


@dataclass(frozen=True, slots=True)
class PaceChanged:
    """Other encoders may run now than did."""


@dataclass(frozen=True, slots=True)
class Want:
    """One run that is to make something now."""

    key: int
    """Its number; a negative one for a run that is to be started."""
    lead: float
    """Seconds it is ahead of its viewer."""
    waited_for: bool
    """Whether somebody waits for what it makes."""
    exists: bool = True
    """Whether there is such a run already."""


def choose(wants: Mapping[Key, Want], placed: Iterable[Key], asked: Mapping[Key, int], places: int) -> set[Key]:
    """Return those that run.

    Args:
        wants: all who want to.
        placed: those who do now.
        asked: the order in which somebody began to wait for each, by number.
        places: how many may; runs that exist and are waited for go on even where they are more.
    """
    now = frozenset(placed)

    def rank(key: Key) -> tuple[int, float]:
        want = wants[key]
        if want.waited_for:
            return (0 if want.exists else 1), asked.get(key, 0)
        return 2, want.lead - GRACE * (key in now)

    must = sum(want.exists and want.waited_for for want in wants.values())
    waits = any(want.waited_for for want in wants.values())
    needy = [key for key, want in wants.items() if want.waited_for or not waits or want.lead < COMFORT]
    return set(sorted(needy, key=rank)[: max(places, must)])


class Pacer:
    """Gives out the places."""

    def __init__(self, places: int) -> None:
        """Let so many encoders run at once."""
        self.places = places
        """How many may run; those who ask again go by a new number."""
        self._wants: dict[Key, Want] = {}
        self._placed: set[Key] = set()
        self._asked: dict[Key, int] = {}
        self._tell: dict[str, Callable[[Any], object]] = {}
        self._numbers = count(1)
        self._lock = threading.Lock()

    @shielded
    def open(self, session_id: str, tell: Callable[[Any], object]) -> None:
        """Note who is to hear PaceChanged for a session; what an earlier life of it wanted is forgotten."""
        self.close(session_id)
        with self._lock:
            self._tell[session_id] = tell

    @shielded
    def ask(self, lane: LaneKey, wants: Iterable[Want]) -> set[int]:
        """Say which runs of a rendition are to make something now, and no others; return the keys of those that may."""
        with self._lock:
            self._forget(lane)
            for want in wants:
                key = (*lane, want.key)
                self._wants[key] = want
                if want.waited_for:
                    self._asked.setdefault(key, next(self._numbers))
                else:
                    self._asked.pop(key, None)
            self._asked = {key: number for key, number in self._asked.items() if key in self._wants}
            # Another rendition of the same session is another's, too: only this one hears by what is returned.
            concerned = {session_id for session_id, _ in self._choose() - {lane}}
            granted = {key[2] for key in self._placed if key[:2] == lane}
        self._tell_of_it(concerned)
        return granted

    @shielded
    def close(self, session_id: str) -> None:
        """Forget a session: none of its encoders runs any more."""
        with self._lock:
            self._tell.pop(session_id, None)
            self._wants = {key: want for key, want in self._wants.items() if key[0] != session_id}
            self._asked = {key: number for key, number in self._asked.items() if key in self._wants}
            concerned = {other for other, _ in self._choose()} - {session_id}
        self._tell_of_it(concerned)

    @property
    @shielded
    def at_work(self) -> int:
        """How many have a place."""
        with self._lock:
            return len(self._placed)

    def _forget(self, lane: LaneKey) -> None:
        for key in [key for key in self._wants if key[:2] == lane]:
            del self._wants[key]

    def _choose(self) -> set[LaneKey]:
        """Give out the places anew, and return the renditions for which that changed something."""
        chosen = choose(self._wants, self._placed, self._asked, self.places)
        changed, self._placed = {key for key in chosen ^ self._placed if key in self._wants}, chosen
        return {key[:2] for key in changed}

    def _tell_of_it(self, sessions: Iterable[str]) -> None:
        for session_id in sessions:
            if (tell := self._tell.get(session_id)) is not None:
                tell(PaceChanged())
