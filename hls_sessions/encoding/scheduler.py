"""The scheduler: which encoders of all sessions run, if there are more than slots. Any thread may use it.

A run that a viewer waits for always goes on. The slots that are left go to the runs that are to be started for a viewer
who waits, the longest wait first, and then to the runs whose viewers are closest to running dry. While any viewer
waits, a run whose viewer has enough for a while gets no slot, so that the processors work for the viewer who waits. A
run that works in the background gets one only while every viewer has enough for a while. A run that has lost its slot
is held by its session, which hears SlotsChanged. Copies need no slot.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from hls_sessions.otp import shielded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from hls_sessions.encoding.policy import Claim, Request

Owner: TypeAlias = tuple[str, str]
"""The id of a session, and that of a rendition."""

Key: TypeAlias = "tuple[str, str, Claim]"
"""The same, and a run of the rendition, or one that is to be started."""

GRACE: Final = 4.0
"""Seconds by which a run must be closer to running dry than one that has a slot, to take the slot. Without them two
runs would take turns at every segment."""

COMFORT: Final = 6.0
"""Seconds a run must be ahead of its viewer to lose its slot while any viewer waits for another run, and all runs must
be ahead for one in the background to have a slot."""


@dataclass(frozen=True, slots=True)
class SlotsChanged:
    """The slots were given out anew: a run of the session has got or lost one."""


def choose(requests: Mapping[Key, Request], granted: Iterable[Key], asked: Mapping[Key, int], slots: int) -> set[Key]:
    """Return the keys of the runs that get a slot.

    Args:
        requests: all runs that want a slot.
        granted: the keys of the runs that have one now.
        asked: the order in which viewers began to wait for the runs, as ascending numbers.
        slots: how many slots there are. Runs that exist and that a viewer waits for go on even if they are more.
    """
    now = frozenset(granted)

    def rank(key: Key) -> tuple[int, float]:
        request = requests[key]
        if request.urgent:
            return (0 if request.exists else 1), asked.get(key, 0)
        return (3, asked.get(key, 0)) if request.background else (2, request.ahead - GRACE * (key in now))

    must = sum(request.exists and request.urgent for request in requests.values())
    any_waits = any(request.urgent for request in requests.values())
    all_have_enough = all(each.background or each.ahead >= COMFORT for each in requests.values())

    def is_needy(request: Request) -> bool:
        if request.background:
            return all_have_enough and not any_waits
        return request.urgent or not any_waits or request.ahead < COMFORT

    needy = [key for key, request in requests.items() if is_needy(request)]
    return set(sorted(needy, key=rank)[: max(slots, must)])


class Scheduler:
    """Gives out the slots."""

    def __init__(self, slots: int) -> None:
        """Let so many encoders run at once."""
        self.slots = slots
        """How many may run. A new number counts from the next request on."""
        self._requests: dict[Key, Request] = {}
        self._granted: set[Key] = set()
        self._asked: dict[Key, int] = {}
        self._tell: dict[str, Callable[[Any], object]] = {}
        self._numbers = count(1)
        self._lock = threading.Lock()

    @shielded
    def open(self, session_id: str, tell: Callable[[Any], object]) -> SessionSlots:
        """Return the slots of a session, which hears SlotsChanged; requests of an earlier actor of it are forgotten."""
        self.close(session_id)
        with self._lock:
            self._tell[session_id] = tell
        return SessionSlots(self, session_id)

    @shielded
    def request(self, owner: Owner, requests: Iterable[Request]) -> set[Claim]:
        """Replace the requests of a rendition by these; return the claims that have a slot."""
        with self._lock:
            self._forget(owner)
            for request in requests:
                key = (*owner, request.claim)
                self._requests[key] = request
                if request.urgent:
                    self._asked.setdefault(key, next(self._numbers))
                else:
                    self._asked.pop(key, None)
            self._asked = {key: number for key, number in self._asked.items() if key in self._requests}
            # Other renditions of the session hear SlotsChanged, too, because only this one gets the returned claims.
            concerned = {session_id for session_id, _ in self._choose() - {owner}}
            granted = {key[2] for key in self._granted if key[:2] == owner}
        self._tell_of_it(concerned)
        return granted

    @shielded
    def close(self, session_id: str) -> None:
        """Forget a session: none of its encoders runs any more."""
        with self._lock:
            self._tell.pop(session_id, None)
            self._requests = {key: request for key, request in self._requests.items() if key[0] != session_id}
            self._asked = {key: number for key, number in self._asked.items() if key in self._requests}
            concerned = {other for other, _ in self._choose()} - {session_id}
        self._tell_of_it(concerned)

    @property
    @shielded
    def at_work(self) -> int:
        """How many runs have a slot."""
        with self._lock:
            return len(self._granted)

    def _forget(self, owner: Owner) -> None:
        for key in [key for key in self._requests if key[:2] == owner]:
            del self._requests[key]

    def _choose(self) -> set[Owner]:
        """Give out the slots anew, and return the renditions whose slots changed."""
        chosen = choose(self._requests, self._granted, self._asked, self.slots)
        changed, self._granted = {key for key in chosen ^ self._granted if key in self._requests}, chosen
        return {key[:2] for key in changed}

    def _tell_of_it(self, sessions: Iterable[str]) -> None:
        for session_id in sessions:
            if (tell := self._tell.get(session_id)) is not None:
                tell(SlotsChanged())


class SessionSlots:
    """The slots of one session's renditions."""

    __slots__ = ("_scheduler", "_session_id")

    def __init__(self, scheduler: Scheduler, session_id: str) -> None:
        self._scheduler = scheduler
        self._session_id = session_id

    def request(self, rendition: str, requests: Sequence[Request]) -> set[Claim]:
        """Replace the requests of a rendition by these; return the claims that have a slot."""
        return self._scheduler.request((self._session_id, rendition), requests)
