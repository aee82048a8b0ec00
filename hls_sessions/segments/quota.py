"""The ledger: which session has how many bytes on disk, and which may write more. Any thread may use it.

An encoder that runs has room reserved for what it makes next, and a session that needs more than there is deletes what
can be spared, first of its own. Where that is not enough, the session that was idle longest is asked to do the same.
Who is refused hears RoomMade when there may be room again. Those whose viewers have waited longest get it first, and
what is only made ahead comes last: it would be deleted for them, and made again in the room they are to have.
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
from hls_sessions.segments.budget import shortage

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable
    from pathlib import Path

    from hls_sessions.segments.budget import Budget


@dataclass(frozen=True, slots=True)
class MakeRoom:
    """Another session needs room on the disk: delete segments of so many bytes, as far as they can be spared."""

    size: int
    urgent: bool = False
    """Whether a viewer waits for the room."""


@dataclass(frozen=True, slots=True)
class RoomMade:
    """There may be room on the disk again."""


Writer: TypeAlias = "tuple[str, Hashable]"
"""A rendition, and what writes of it: a run, one that is to be started, or a packager's task."""


class Spare(Protocol):
    """Makes room in a session."""

    def __call__(self, size: int, *, urgent: bool) -> int:
        """Delete segments of so many bytes, or of fewer, and return how many; ``urgent``: somebody waits for it."""
        ...


class Lack(Enum):
    """What there is too little of."""

    OWN = "own"
    """Of what this session may take: others have room."""
    SHARED = "shared"
    """Of what all may, or of the disk."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What a rendition wants to write for a viewer who waits, and may not."""

    number: int
    """The lower it is, the longer they have waited."""
    size: int
    lack: Lack


class Account:
    """One session's bytes. It is used in the session's thread."""

    def __init__(self, ledger: Ledger, tell: Callable[[Any], object], spare: Spare, idle: Callable[[], float]) -> None:
        self.bytes = 0
        """The size of all its segments on disk."""
        self.reserved: dict[Writer, int] = {}
        """How many bytes each writer may write."""
        self.held: set[Writer] = set()
        """The runs that are held: what is reserved for them is what they have written and not published."""
        self.refused: dict[str, Lack] = {}
        """The renditions that want to write more than they may, and what they lack."""
        self.wishes: dict[str, Wish] = {}
        """Those of them that somebody waits for."""
        self.is_open = True
        """Whether it is one of the ledger's: what an earlier life still says is not counted."""
        self.blocked = False
        """Whether the disk itself had no room when it was last written to."""
        self.spent = self.empty = False
        """Whether it had nothing to spare when it was last asked, and whether it had none for a viewer who waits."""
        self.tell = tell
        self.idle = idle
        self._spare = spare
        self._ledger = ledger

    def __repr__(self) -> str:
        return f"<Account [{self.bytes} bytes, {len(self.reserved)} runs{', refused' if self.refused else ''}]>"

    @property
    def taken(self) -> int:
        """What is on disk or about to be."""
        return self.bytes + sum(self.reserved.values())

    @property
    def stuck(self) -> int:
        """What held runs have written and not published: it cannot be deleted, and is nobody's until they go on."""
        return sum(self.reserved[run] for run in self.held)

    @property
    def lacks(self) -> Lack | None:
        """What there is too little of for what its renditions want to write; None where they may."""
        lacks = tuple(self.refused.values())  # in one step: others look while the session notes
        return Lack.SHARED if Lack.SHARED in lacks else next(iter(lacks), None)

    @property
    def most(self) -> float:
        """How many bytes it can ever take."""
        return self._ledger.budget.strictest

    def reserve(self, rendition: str, run: Hashable, size: int, *, urgent: bool) -> Lack | None:
        """Let a run write so many bytes next, instead of what it was let before; else return what is lacking.

        Args:
            rendition: the run's rendition.
            run: its number, or what else writes.
            size: how many bytes.
            urgent: whether somebody waits for them.
        """
        if self.blocked:
            return Lack.SHARED
        if (lack := self._ledger.owed(self, (rendition, run), size, urgent=urgent)) is not None:
            return lack
        lacking = self._ledger.reserve(self, (rendition, run), size, urgent=urgent)
        if any(lacking) and self._spare(max(lacking), urgent=urgent) > 0:
            lacking = self._ledger.reserve(self, (rendition, run), size, urgent=urgent)
        self._ledger.ask_another(self, lacking[1], urgent=urgent)
        if lacking[1]:
            return Lack.SHARED
        return Lack.OWN if lacking[0] else None

    def note(self, rendition: str, lack: Lack | None, wanted: int = 0) -> None:
        """Note what a rendition lacks of what it wants to write, and how much of that somebody waits for."""
        if lack is None and rendition not in self.refused:
            return  # as nearly always
        if lack is None:
            del self.refused[rendition]
        else:
            self.refused[rendition] = lack
        self._ledger.wish(self, rendition, lack, wanted)

    def settle(self, rendition: str, run: Hashable, size: int) -> None:
        """Note that a run has written so many bytes that are not published, and goes no further for now."""
        self._ledger.settle(self, (rendition, run), size)

    def transfer(self, rendition: str, claim: Hashable, run: Hashable) -> None:
        """Have a run write what was reserved for its start."""
        self._ledger.transfer(self, (rendition, claim), (rendition, run))

    def wrote(self, size: int) -> None:
        """Note that a segment of so many bytes is on disk."""
        self.spent = self.empty = False
        self._ledger.change(self, size)

    def removed(self, size: int) -> None:
        """Note that a segment of so many bytes is on disk no more."""
        self._ledger.change(self, -size)

    def gave(self, asked: int, freed: int, *, urgent: bool = False) -> None:
        """Note what was spared; the next one is asked where it is not enough, and those who were refused try again."""
        self.spent = freed < asked
        self.empty = self.spent and urgent
        self._ledger.press()
        self._ledger.retry()

    def full(self, size: int) -> None:
        """Note that the disk had no room for so many bytes; none may be written until it is looked at again."""
        self.blocked = True
        self._ledger.ask_another(self, size - self._spare(size, urgent=False))

    def look_again(self) -> None:
        """Try anew: there may be room now."""
        self.blocked = self.asked = False
        self._ledger.look_again()


class Ledger:
    """All accounts."""

    def __init__(self, budget: Budget, free: Callable[[], int | None] = lambda: None) -> None:
        """Keep to a budget, and to what is free on the disk."""
        self.budget = budget
        """What is kept to; ``follow`` changes it."""
        self._free = free
        self._accounts: dict[str, Account] = {}
        # The sums of all accounts, because there may be hundreds, and something is written all the time.
        self._stored = self._reserved = 0
        self._lacking_any: set[Account] = set()
        """Those in which something is refused."""
        self._asking: set[Account] = set()
        """Those for which another was asked to make room, and has not answered."""
        self._numbers = count(1)
        self._lock = threading.Lock()

    @shielded
    def open(self, session_id: str, tell: Callable[[Any], object], spare: Spare, idle: Callable[[], float]) -> Account:
        """Open a session's account, empty; an earlier one of the same session is forgotten.

        Args:
            session_id: whose it is.
            tell: takes MakeRoom and RoomMade.
            spare: deletes segments; says how many bytes they had.
            idle: for how many seconds nothing was asked of the session.
        """
        self._forget(session_id)
        account = Account(self, tell, spare, idle)
        with self._lock:
            self._accounts[session_id] = account
        return account

    def follow(self, budget: Budget) -> None:
        """Keep to another budget. Who has too much makes room; then those idle longest, where all have too much."""
        self.budget = budget
        self.look_again()
        over = {} if budget.of_one is None else {account: account.bytes - budget.of_one for account in self._all()}
        asked = [account.tell(MakeRoom(size)) for account, size in over.items() if size > 0]
        if not asked:  # else when they have answered
            self.press()
        self.retry()

    def close(self, session_id: str) -> None:
        """Forget a session whose directory is gone."""
        if self._forget(session_id):
            self.retry()

    @property
    def refused(self) -> int:
        """How many sessions want more than there is; those are not counted that have all that one may."""
        return sum(account.lacks is Lack.SHARED for account in self._all())

    @property
    def bytes(self) -> int:
        """What is on disk in all."""
        return self._stored

    # ---- for accounts

    @shielded
    def reserve(self, account: Account, run: Writer, size: int, *, urgent: bool) -> tuple[int, int]:
        """Let a run write, unless bytes are lacking; return how many are, of the session's own and in all."""
        free = self._free()
        with self._lock:
            lacking = self._lacking(account, run, size, free, urgent=urgent)
            if not any(lacking):
                self._reserve(account, run, size)
                account.held.discard(run)
        return lacking

    @shielded
    def owed(self, account: Account, run: Writer, size: int, *, urgent: bool) -> Lack | None:
        """Return what a run lacks when those get theirs before it who have waited longer; None when there is enough.

        What nobody waits for comes after all that somebody does. A run that is waited for keeps what it was let write.
        """
        if not self._lacking_any:
            return None
        free = self._free()
        with self._lock:
            if urgent and size <= account.reserved.get(run, 0):
                return None
            mine = account.wishes.get(run[0]) if urgent else None
            last = inf if mine is None else mine.number
            accounts = self._accounts.values()
            empty = None if free is None else free + self._stored
            # A held run goes on where another's wish does not fit beside what held runs have written: it never would.
            stuck = {other: other.stuck if run in account.held else 0 for other in accounts}
            in_all = sum(stuck.values())
            first = [
                (other, wish)
                for other in accounts
                for wish in other.wishes.values()
                # Nothing is kept for what would not fit if all were deleted.
                if wish.number < last
                and not any(shortage(self.budget, in_all, stuck[other], empty, wish.size, urgent=True))
            ]
            own = sum(wish.size for other, wish in first if other is account)
            others = sum(wish.size for _, wish in first if wish.lack is Lack.SHARED)
            if not own + others:
                return None
            of_own, shared = self._lacking(account, run, size, free, urgent=urgent, own=own, others=others)
        return Lack.SHARED if shared else Lack.OWN if of_own else None

    @shielded
    def wish(self, account: Account, rendition: str, lack: Lack | None, size: int) -> None:
        """Note what is wanted for a viewer who waits. Who is waited for no more leaves it to others."""
        with self._lock:
            before = account.wishes.pop(rendition, None)
            if lack is not None and size:
                account.wishes[rendition] = Wish(before.number if before else next(self._numbers), size, lack)
            is_over = before is not None and rendition not in account.wishes
            if account.refused and account.is_open:
                self._lacking_any.add(account)
            else:
                self._lacking_any.discard(account)
        if is_over:
            self.retry((account, rendition))

    def _lacking(
        self,
        account: Account,
        run: Writer,
        size: int,
        free: int | None,
        *,
        urgent: bool,
        own: int = 0,
        others: int = 0,
    ) -> tuple[int, int]:
        """Return what is lacking for a run, of the session's own and in all, where so much of each is kept."""
        before = account.reserved.get(run, 0)
        about_to = self._reserved - before + others
        taken = self._stored + about_to
        left = None if free is None else free - about_to
        return shortage(self.budget, taken, account.taken - before + own, left, size, urgent=urgent)

    @shielded
    def settle(self, account: Account, run: Writer, size: int) -> None:
        """Note what a run that does not go on takes."""
        with self._lock:
            less = account.reserved.get(run, 0) > size
            self._reserve(account, run, size)
            account.held.discard(run)
            if size:
                account.held.add(run)
        if less:
            self.retry((account, run[0]))

    @shielded
    def change(self, account: Account, more: int) -> None:
        """Note that there are so many bytes more on disk, or fewer."""
        with self._lock:
            if account.is_open:
                account.bytes += more
                self._stored += more

    @shielded
    def transfer(self, account: Account, before: Writer, after: Writer) -> None:
        """Give what is reserved for one writer to another."""
        with self._lock:
            if before in account.reserved:
                account.reserved[after] = account.reserved.pop(before)

    def _reserve(self, account: Account, run: Writer, size: int) -> None:
        if not account.is_open:
            return
        self._reserved += size - account.reserved.pop(run, 0)
        if size:
            account.reserved[run] = size

    @shielded
    def retry(self, but: tuple[Account, str] | None = None) -> None:
        """Tell those who were refused that there may be room, but for the rendition that has left it."""
        with self._lock:
            lacking = tuple(self._lacking_any)
            self._asking.clear()
        for account in lacking:
            if any((account, rendition) != but for rendition in tuple(account.refused)):
                account.tell(RoomMade())

    def press(self) -> None:
        """Where more is on disk than may be, have the session make room that was idle longest; then the next."""
        if self.budget.in_all is not None:
            self._ask(self.bytes - self.budget.in_all)

    @shielded
    def ask_another(self, account: Account, lacking: int, *, urgent: bool = False) -> None:
        """Have another session make room for one, unless one was asked to and has not answered."""
        if account not in self._asking and self._ask(lacking, but=account, urgent=urgent):
            with self._lock:
                self._asking.add(account)

    def _ask(self, size: int, but: Account | None = None, *, urgent: bool = False) -> bool:
        """Ask the session that was idle longest, of those with something to spare; False when there is none.

        What viewers will soon ask for is spared only where another waits, and where nothing else is left.
        """
        stocked = [account for account in self._all() if account is not but and account.bytes]
        able = [account for account in stocked if not account.spent]
        last = [account for account in stocked if urgent and not account.empty]
        if size <= 0 or not (able or last):
            return False
        asked = max(able or last, key=lambda account: account.idle())
        asked.tell(MakeRoom(size, urgent=not able))
        return True

    def look_again(self) -> None:
        """Forget who had nothing to spare: their viewers may have gone on."""
        for account in self._all():
            account.spent = account.empty = False

    @shielded
    def _all(self) -> list[Account]:
        with self._lock:
            return list(self._accounts.values())

    @shielded
    def _forget(self, session_id: str) -> bool:
        with self._lock:
            account = self._accounts.pop(session_id, None)
            if account is not None:
                self._stored -= account.bytes
                self._reserved -= sum(account.reserved.values())
                self._lacking_any.discard(account)
                self._asking.discard(account)
                account.is_open = False
            return account is not None


def free_bytes(folder: Path) -> int | None:
    """Return how many bytes this user may still write to the disk of a folder; None when it cannot be looked at."""
    try:
        disk = os.statvfs(folder)
    except OSError:
        return None
    return disk.f_bavail * disk.f_frsize
