"""The quota: which session has how many bytes on disk, and which may write more. Any thread may use it.

An encoder that runs has a reservation for its next segment. A session that needs more bytes than there are evicts
segments of its own. If that is not enough, the session that was idle longest is asked to evict some. A refused session
gets RoomMade when there may be room again. Viewers who have waited longest get it first. Segments that are only made
ahead come last, because they would be evicted for those viewers and made again in the same room.
"""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from enum import Enum
from itertools import count
from math import inf
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from hls_sessions.otp import shielded
from hls_sessions.segments.budget import bytes_lacking, most_kept

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable
    from pathlib import Path

    from hls_sessions.segments.budget import Budget


@dataclass(frozen=True, slots=True)
class MakeRoom:
    """Another session needs room on the disk: evict segments of ``size`` bytes in all, or as many as can be."""

    size: int
    urgent: bool = False
    """Whether a viewer waits for the room."""


@dataclass(frozen=True, slots=True)
class RoomMade:
    """There may be room on the disk again."""


Writer: TypeAlias = "tuple[str, Hashable]"
"""A rendition, and a writer of its segments: a run, one that is to be started, or a packager's task."""


class Spare(Protocol):
    """Makes room in a session."""

    def __call__(self, size: int, *, urgent: bool) -> int:
        """Evict segments of ``size`` bytes, or fewer; return how many bytes. ``urgent``: a viewer waits for them."""
        ...


class Shortage(Enum):
    """The limit that a reservation would exceed."""

    OWN = "its session may take no more of the disk"
    """That of this session. Others have room."""
    SHARED = "the disk, or the share of it for all sessions, is full"
    """That of all sessions, or the disk."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A refused reservation of a rendition, for a viewer who waits."""

    number: int
    """The lower it is, the longer the viewer has waited."""
    size: int
    lack: Shortage


class SessionQuota:
    """The quota of one session. It is used in the session's thread."""

    __slots__ = (
        "_quota",
        "_spare",
        "asked",
        "blocked",
        "bytes",
        "counted",
        "empty",
        "held_runs",
        "idle",
        "is_open",
        "refused",
        "reserved",
        "spent",
        "tell",
        "waits",
    )

    def __init__(self, quota: Quota, tell: Callable[[Any], object], spare: Spare, idle: Callable[[], float]) -> None:
        self.bytes = 0
        """The bytes of all its segments on disk."""
        self.counted = 0
        """Those of them that are not shared, which are counted for it alone."""
        self.reserved: dict[Writer, int] = {}
        """How many bytes are reserved for each writer."""
        self.held_runs: set[Writer] = set()
        """The runs that are held. Their reservations are the bytes that they have written and not published."""
        self.refused: dict[str, Shortage] = {}
        """The renditions whose last reservation was refused, and the limit that it would exceed."""
        self.waits: dict[str, Waiting] = {}
        """Those of them that a viewer waits for."""
        self.is_open = True
        """Whether it is open. A closed one counts nothing, because an earlier actor of the session may still use it."""
        self.blocked = False
        """Whether the disk itself had no room when it was last written to."""
        self.spent = self.empty = False
        """``spent``: it had too little to evict when it was last asked. ``empty``: even for a viewer who waits."""
        self.tell = tell
        self.idle = idle
        self._spare = spare
        self._quota = quota

    def __repr__(self) -> str:
        return f"<SessionQuota [{self.bytes} bytes, {len(self.reserved)} runs{', refused' if self.refused else ''}]>"

    @property
    def taken(self) -> int:
        """The bytes on disk and the reserved ones."""
        return self.bytes + sum(self.reserved.values())

    @property
    def stuck(self) -> int:
        """The bytes that held runs have written and not published. They cannot be evicted until the runs go on."""
        return sum(self.reserved[run] for run in self.held_runs)

    @property
    def lacks(self) -> Shortage | None:
        """The limit that its renditions would exceed; None if nothing is refused."""
        lacks = tuple(self.refused.values())  # in one step, because other threads read it while the session writes
        return Shortage.SHARED if Shortage.SHARED in lacks else next(iter(lacks), None)

    @property
    def most(self) -> float:
        """How many bytes it can ever take."""
        return self._quota.budget.strictest

    def reserve(self, rendition: str, run: Hashable, size: int, *, urgent: bool) -> Shortage | None:
        """Reserve bytes for a run, in place of its last reservation, or return the limit that this would exceed.

        Args:
            rendition: the run's rendition.
            run: its number, or another writer.
            size: how many bytes.
            urgent: whether a viewer waits for them.
        """
        if self.blocked:
            return Shortage.SHARED
        if (lack := self._quota.owed(self, (rendition, run), size, urgent=urgent)) is not None:
            return lack
        lacking = self._quota.reserve(self, (rendition, run), size, urgent=urgent)
        if self._quota.free_kept(lacking[1]):
            lacking = self._quota.reserve(self, (rendition, run), size, urgent=urgent)
        if any(lacking) and self._spare(max(lacking), urgent=urgent) > 0:
            self._quota.free_kept(lacking[1])
            lacking = self._quota.reserve(self, (rendition, run), size, urgent=urgent)
        self._quota.ask_another(self, lacking[1], urgent=urgent)
        if lacking[1]:
            return Shortage.SHARED
        return Shortage.OWN if lacking[0] else None

    def note(self, rendition: str, lack: Shortage | None, wanted: int = 0) -> None:
        """Note whether a rendition was refused, and ``wanted``, the bytes of that which a viewer waits for."""
        if lack is None and rendition not in self.refused:
            return  # as nearly always
        if lack is None:
            del self.refused[rendition]
        else:
            self.refused[rendition] = lack
        self._quota.wait(self, rendition, lack, wanted)

    def settle(self, rendition: str, run: Hashable, size: int) -> None:
        """Set a run's reservation to the bytes it has written and not published. It goes no further for now."""
        self._quota.settle(self, (rendition, run), size)

    def transfer(self, rendition: str, claim: Hashable, run: Hashable) -> None:
        """Give a run the reservation that was made for its start."""
        self._quota.transfer(self, (rendition, claim), (rendition, run))

    def wrote(self, size: int, *, is_shared: bool = False) -> None:
        """Note that a segment of so many bytes is on disk. One that is shared is counted by ``Quota.shared``."""
        self.spent = self.empty = False
        self._quota.change(self, size, counted=0 if is_shared else size)

    def removed(self, size: int, *, is_shared: bool = False) -> None:
        """Note that a segment of so many bytes is no longer on disk, or that the session has it no longer."""
        self._quota.change(self, -size, counted=0 if is_shared else -size)

    def took(self, size: int) -> None:
        """Note that a segment of so many bytes was taken over from another session.

        Nothing was reserved for it, because it takes no room. Where it exceeds the session's limit, others are evicted.
        """
        self.wrote(size, is_shared=True)
        limit = self._quota.budget.of_one
        if limit is not None and self.bytes > limit:
            self._spare(self.bytes - limit, urgent=False)

    def gave(self, asked: int, freed: int, *, urgent: bool = False) -> None:
        """Note how many bytes were evicted. If too few, the next session is asked. Refused sessions try again."""
        self.spent = freed < asked
        self.empty = self.spent and urgent
        self._quota.enforce()
        self._quota.retry()

    def full(self, size: int) -> None:
        """Note that the disk had no room for so many bytes. Nothing may be written until ``look_again``."""
        self.blocked = True
        missing = size - self._quota.free_kept(size)
        if missing > 0:
            missing -= self._spare(missing, urgent=False)
            self._quota.free_kept(size)
        self._quota.ask_another(self, missing)

    def look_again(self) -> None:
        """Try anew: there may be room now."""
        self.blocked = self.asked = False
        self._quota.look_again()


class Quota:
    """The quotas of all sessions."""

    def __init__(self, budget: Budget, free: Callable[[], int | None] = lambda: None) -> None:
        """Keep to a budget, and to what is free on the disk."""
        self.budget = budget
        """The budget in force; ``reconfigure`` changes it."""
        self.free = free
        """Returns how many bytes may still be written to the disk; None if that is unknown."""
        self.free_kept: Callable[[int], int] = lambda _: 0
        """Deletes segments that no session has, of so many bytes or fewer; returns how many bytes."""
        self._sessions: dict[str, SessionQuota] = {}
        # The sums of all sessions are kept, because there may be hundreds, and something is written all the time.
        self._stored = self._reserved = 0
        self._lacking_any: set[SessionQuota] = set()
        """The sessions in which something is refused."""
        self._asking: set[SessionQuota] = set()
        """The sessions for which another was asked to make room and has not answered."""
        self._numbers = count(1)
        self._lock = threading.Lock()

    @shielded
    def open(
        self, session_id: str, tell: Callable[[Any], object], spare: Spare, idle: Callable[[], float]
    ) -> SessionQuota:
        """Open a session's quota, empty; an earlier one of the same session is forgotten.

        Args:
            session_id: the session's id.
            tell: takes MakeRoom and RoomMade.
            spare: evicts segments, and returns how many bytes they had.
            idle: returns the seconds since something was last asked of the session.
        """
        self._forget(session_id)
        session = SessionQuota(self, tell, spare, idle)
        with self._lock:
            self._sessions[session_id] = session
        return session

    def reconfigure(self, budget: Budget) -> None:
        """Keep to another budget. Each session above its limit makes room; then, if needed, the ones idle longest."""
        self.budget = budget
        self.look_again()
        over = {} if budget.of_one is None else {session: session.bytes - budget.of_one for session in self._all()}
        asked = [session.tell(MakeRoom(size)) for session, size in over.items() if size > 0]
        if not asked:  # else it is enforced when they have answered
            self.enforce()
        self.retry()

    def close(self, session_id: str) -> None:
        """Forget a session whose directory is gone."""
        if self._forget(session_id):
            self.retry()

    @property
    def refused(self) -> int:
        """How many sessions are refused by the shared budget or the disk. Those at their own limit do not count."""
        return sum(session.lacks is Shortage.SHARED for session in self._all())

    @property
    def bytes(self) -> int:
        """The bytes on disk, of all sessions, and those that are kept for the next. What is shared counts once."""
        return self._stored

    @property
    def excess(self) -> int:
        """How many bytes there are above the shared budget."""
        return 0 if self.budget.in_all is None else max(0, self._stored - self.budget.in_all)

    @property
    def most_kept(self) -> int:
        """The most bytes that segments which no session has may take."""
        return most_kept(self.budget, self._stored, self.free())

    # ---- for sessions

    @shielded
    def reserve(self, session: SessionQuota, run: Writer, size: int, *, urgent: bool) -> tuple[int, int]:
        """Reserve bytes for a run unless some are lacking; return how many are, in its session's budget and in all."""
        free = self.free()
        with self._lock:
            lacking = self._lacking(session, run, size, free, urgent=urgent)
            if not any(lacking):
                self._reserve(session, run, size)
                session.held_runs.discard(run)
        return lacking

    @shielded
    def owed(self, session: SessionQuota, run: Writer, size: int, *, urgent: bool) -> Shortage | None:
        """Return the limit a run would exceed once viewers who have waited longer are served; None if there is room.

        Runs that no viewer waits for come last. A run that a viewer waits for keeps its reservation.
        """
        if not self._lacking_any:
            return None
        free = self.free()
        with self._lock:
            if urgent and size <= session.reserved.get(run, 0):
                return None
            mine = session.waits.get(run[0]) if urgent else None
            last = inf if mine is None else mine.number
            sessions = self._sessions.values()
            empty = None if free is None else free + self._stored
            # A held run does not give way to a wait that can never fit beside the bytes that held runs have written.
            stuck = {other: other.stuck if run in session.held_runs else 0 for other in sessions}
            in_all = sum(stuck.values())
            first = [
                (other, wait)
                for other in sessions
                for wait in other.waits.values()
                # Nothing is kept for a wait that would not fit if all segments were evicted.
                if wait.number < last
                and not any(bytes_lacking(self.budget, in_all, stuck[other], empty, wait.size, urgent=True))
            ]
            own = sum(wait.size for other, wait in first if other is session)
            others = sum(wait.size for _, wait in first if wait.lack is Shortage.SHARED)
            if not own + others:
                return None
            of_own, shared = self._lacking(session, run, size, free, urgent=urgent, own=own, others=others)
        return Shortage.SHARED if shared else Shortage.OWN if of_own else None

    @shielded
    def wait(self, session: SessionQuota, rendition: str, lack: Shortage | None, size: int) -> None:
        """Note a refused reservation for a viewer who waits. If that wait is over, others may have the room."""
        with self._lock:
            before = session.waits.pop(rendition, None)
            if lack is not None and size:
                session.waits[rendition] = Waiting(before.number if before else next(self._numbers), size, lack)
            is_over = before is not None and rendition not in session.waits
            if session.refused and session.is_open:
                self._lacking_any.add(session)
            else:
                self._lacking_any.discard(session)
        if is_over:
            self.retry((session, rendition))

    def _lacking(
        self,
        session: SessionQuota,
        run: Writer,
        size: int,
        free: int | None,
        *,
        urgent: bool,
        own: int = 0,
        others: int = 0,
    ) -> tuple[int, int]:
        """Return the bytes lacking for a run, in its session's budget and in all, with ``own`` and ``others`` kept."""
        before = session.reserved.get(run, 0)
        about_to = self._reserved - before + others
        taken = self._stored + about_to
        left = None if free is None else free - about_to
        return bytes_lacking(self.budget, taken, session.taken - before + own, left, size, urgent=urgent)

    @shielded
    def settle(self, session: SessionQuota, run: Writer, size: int) -> None:
        """Set the reservation of a run that does not go on to ``size`` bytes."""
        with self._lock:
            less = session.reserved.get(run, 0) > size
            self._reserve(session, run, size)
            session.held_runs.discard(run)
            if size:
                session.held_runs.add(run)
        if less:
            self.retry((session, run[0]))

    @shielded
    def change(self, session: SessionQuota, more: int, counted: int) -> None:
        """Note that a session has so many bytes more on disk, or fewer, and how many of them are not shared."""
        with self._lock:
            if session.is_open:
                session.bytes += more
                session.counted += counted
                self._stored += counted

    @shielded
    def shared(self, more: int) -> None:
        """Note that there are so many bytes more on disk that sessions share, or fewer."""
        with self._lock:
            self._stored += more

    @shielded
    def transfer(self, session: SessionQuota, before: Writer, after: Writer) -> None:
        """Give the reservation of one writer to another."""
        with self._lock:
            if before in session.reserved:
                session.reserved[after] = session.reserved.pop(before)

    def _reserve(self, session: SessionQuota, run: Writer, size: int) -> None:
        if not session.is_open:
            return
        self._reserved += size - session.reserved.pop(run, 0)
        if size:
            session.reserved[run] = size

    @shielded
    def retry(self, but: tuple[SessionQuota, str] | None = None) -> None:
        """Tell refused sessions that there may be room, unless only the rendition is refused that has left the room."""
        with self._lock:
            lacking = tuple(self._lacking_any)
            self._asking.clear()
        for session in lacking:
            if any((session, rendition) != but for rendition in tuple(session.refused)):
                session.tell(RoomMade())

    def enforce(self) -> None:
        """If the segments exceed the shared budget, ask the session idle longest to make room, and then the next."""
        self.free_kept(self.excess)
        self._ask(self.excess)

    @shielded
    def ask_another(self, session: SessionQuota, lacking: int, *, urgent: bool = False) -> None:
        """Ask another session to make room for this one, unless one was asked to and has not answered."""
        if session not in self._asking and self._ask(lacking, but=session, urgent=urgent):
            with self._lock:
                self._asking.add(session)

    def _ask(self, size: int, but: SessionQuota | None = None, *, urgent: bool = False) -> bool:
        """Ask the session that was idle longest, of those with something to evict; False if there is none.

        Segments that viewers will soon ask for are evicted only if another viewer waits and nothing else is left.
        """
        stocked = [session for session in self._all() if session is not but and session.bytes]
        able = [session for session in stocked if not session.spent]
        last = [session for session in stocked if urgent and not session.empty]
        if size <= 0 or not (able or last):
            return False
        asked = max(able or last, key=lambda session: session.idle())
        asked.tell(MakeRoom(size, urgent=not able))
        return True

    def look_again(self) -> None:
        """Forget which sessions had nothing to evict, because their viewers may have gone on."""
        for session in self._all():
            session.spent = session.empty = False

    @shielded
    def _all(self) -> list[SessionQuota]:
        with self._lock:
            return list(self._sessions.values())

    @shielded
    def _forget(self, session_id: str) -> bool:
        with self._lock:
            session = self._sessions.pop(session_id, None)
            if session is not None:
                self._stored -= session.counted
                self._reserved -= sum(session.reserved.values())
                self._lacking_any.discard(session)
                self._asking.discard(session)
                session.is_open = False
            return session is not None


def free_bytes(folder: Path) -> int | None:
    """Return how many bytes this user may still write to the disk of a folder; None if that is not known."""
    try:
        disk = os.statvfs(folder)
    except OSError:
        return None
    return disk.f_bavail * disk.f_frsize
