"""Admission when there are as many sessions as there may be: a pure function of the sessions, the queue and the caller.

Sessions whose time has run out are cleared away first. Then, where the rules say so, the session that was idle longest
is displaced. A caller that gets no session is told its place in the queue. A free place is kept for the callers that
were refused earlier, as long as they ask again in time.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from hls_sessions.errors import CapacityExceeded

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

SOONEST: Final = 2.0
"""Seconds after which a refused caller is told to ask again, at the earliest."""

LATEST: Final = 10.0
"""Seconds after which a refused caller is told to ask again, at the latest."""

PATIENCE: Final = 1.5 * LATEST
"""Seconds for which a caller that does not ask again keeps its place in the queue."""


@dataclass(frozen=True, slots=True)
class Seat:
    """One session that exists."""

    session_id: str
    user: str | None
    idle: float
    """Seconds since anything was asked of it."""
    due_in: float
    """Seconds until its time runs out; zero or less when it has."""
    watched: bool
    """Whether somebody watches it; then it is not ended."""


@dataclass(frozen=True, slots=True)
class Rules:
    """How many sessions there may be, and whether one is displaced when there are as many."""

    max_sessions: int
    max_sessions_per_user: int | None = None
    evict: bool = False
    """Whether an idle session is displaced."""


@dataclass(frozen=True, slots=True)
class Admit:
    """There is room."""


@dataclass(frozen=True, slots=True)
class Clear:
    """End these sessions first, because their time has run out; then ask again."""

    sessions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Displace:
    """End this session first, because it was idle longest; then ask again."""

    session: str


@dataclass(frozen=True, slots=True)
class Refuse:
    """There is no room, and none can be made."""

    limit: str
    """The setting that is exhausted."""
    most: int
    place: int
    """In the queue, from one."""
    retry_after: float
    """Seconds after which asking again is worth while."""

    def error(self) -> CapacityExceeded:
        """Return the error for the caller."""
        return CapacityExceeded(self.limit, self.most, self.place, self.retry_after)


Decision: TypeAlias = Admit | Clear | Displace | Refuse


def decide(seats: Sequence[Seat], user: str | None, ahead: Sequence[str | None], rules: Rules) -> Decision:
    """Decide about a caller that asks for a new session.

    Args:
        seats: the sessions that exist.
        user: the caller's user; None for a caller without one.
        ahead: the users of the callers that are before it in the queue.
        rules: how many there may be.
    """
    most = rules.max_sessions_per_user
    taken = Counter(seat.user for seat in seats)
    # A user that has as many sessions as it may have keeps no place from anybody.
    rivals = [other for other in ahead if other is None or most is None or taken[other] < most]
    in_all = _within("max_sessions", rules.max_sessions, seats, len(rivals), rules)
    if user is None or most is None or isinstance(in_all, Refuse):
        return in_all
    own = [seat for seat in seats if seat.user == user]
    of_the_user = _within("max_sessions_per_user", most, own, ahead.count(user), rules)
    # A session of the user's own that makes room makes room in all.
    return in_all if isinstance(of_the_user, Admit) else of_the_user


def _within(limit: str, most: int, seats: Sequence[Seat], ahead: int, rules: Rules) -> Decision:
    """Judge by one limit; callers that are ahead come first, both for free places and for those that can be freed."""
    free = most - len(seats)
    if free > ahead:
        return Admit()
    if overdue := tuple(seat.session_id for seat in seats if seat.due_in <= 0 and not seat.watched):
        return Clear(overdue)
    idle = [seat for seat in seats if rules.evict and not seat.watched]
    if max(free, 0) + len(idle) > ahead and idle:
        return Admit() if free > 0 else Displace(max(idle, key=lambda seat: seat.idle).session_id)
    return Refuse(limit, most, ahead + 1, _retry_after(seats, ahead))


def _retry_after(seats: Sequence[Seat], ahead: int) -> float:
    """Return in how many seconds a caller with so many ahead may get a place, if no session is used until then."""
    due = sorted(seat.due_in for seat in seats)
    return min(max(due[ahead], SOONEST), LATEST) if ahead < len(due) else LATEST


class Queue:
    """The refused callers in their order, each for as long as it asks again. Used by one thread at a time.

    A caller without a user is known by its file alone: such callers of the same file share a place.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        """Begin empty; ``now`` is the clock, in seconds."""
        self._now = now
        self._asked: OrderedDict[tuple[str | None, Hashable], float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._asked)

    def ahead_of(self, user: str | None, media: Hashable) -> list[str | None]:
        """Return the users of the callers that were refused before this one, the longest wait first."""
        self._forget_the_gone()
        ahead = []
        for key in self._asked:
            if key == (user, media):
                break
            ahead.append(key[0])
        return ahead

    def refused(self, user: str | None, media: Hashable) -> None:
        """Note that a caller was refused; one that was refused before keeps its place."""
        self._asked[user, media] = self._now()

    def leave(self, user: str | None, media: Hashable) -> None:
        """Note that a caller waits no more."""
        self._asked.pop((user, media), None)

    def _forget_the_gone(self) -> None:
        now = self._now()
        for key in [key for key, asked in self._asked.items() if now - asked >= PATIENCE]:
            del self._asked[key]
