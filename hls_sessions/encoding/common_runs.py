"""The runs of sessions that make the same segments, so that two wait for one encoder. Any thread may use it.

A session says which runs of its own go, by the content key of what they make, and sees those of other sessions. It
starts no run for a segment that another session's run makes soon. While its viewer waits, it hears OthersChanged when
another session has made a segment, and when a run that it may rely on is held or gone: then it decides anew. No run is
made to go on for the viewer of another session, because that session starts one of its own.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from hls_sessions.encoding.policy import REACH, RunState
from hls_sessions.otp import shielded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

NO_NUMBER: Final = -1
"""The number of a run of another session, because numbers are a session's own."""


@dataclass(frozen=True, slots=True)
class OthersChanged:
    """Another session has made a segment that a viewer of this one may wait for, or will not make it."""

    rendition: str


@dataclass(frozen=True, slots=True)
class LookForStalls:
    """A viewer of another session waits for a run of this one: see whether it works."""

    rendition: str


@dataclass(slots=True, eq=False)
class _Member:
    """One session's rendition."""

    rendition: str
    tell: Callable[[Any], object]
    runs: tuple[RunState, ...] = ()
    waits: bool = False
    """Whether a viewer of it waits."""
    starting: int | None = None
    """The segment at which it is starting a run at this moment."""

    @property
    def going(self) -> list[RunState]:
        """Its runs that go, and the one that is being started."""
        going = [run for run in self.runs if not run.held]
        if self.starting is not None:
            going.append(RunState(NO_NUMBER, self.starting, self.starting + REACH))
        return going


class CommonRuns:
    """The runs of all sessions, by content key."""

    def __init__(self) -> None:
        """Begin without any."""
        self._members: dict[str, dict[str, _Member]] = {}
        """By content key and the id of the session."""
        self._lock = threading.Lock()

    @shielded
    def join(self, key: str, session_id: str, rendition: str, tell: Callable[[Any], object]) -> SessionRuns:
        """Return the runs of one session's rendition, none yet, in place of those of an earlier actor."""
        member = _Member(rendition, tell)
        with self._lock:
            self._members.setdefault(key, {})[session_id] = member
        return SessionRuns(self, key, session_id)

    @shielded
    def close(self, session_id: str) -> None:
        """Forget a session whose runs have ended."""
        with self._lock:
            keys = [key for key, members in self._members.items() if session_id in members]
            concerned = [member for key in keys for member in self._waiting(key, session_id)]
            for key in keys:
                del self._members[key][session_id]
                if not self._members[key]:
                    del self._members[key]
        _tell(concerned)

    # ---- for one session's rendition

    @shielded
    def note(self, key: str, session_id: str, *, waits: bool) -> None:
        """Note whether a viewer of a session waits, so that the session hears OthersChanged."""
        with self._lock:
            if (member := self._member(key, session_id)) is not None:
                member.waits = waits

    @shielded
    def others(self, key: str, session_id: str) -> tuple[RunState, ...]:
        """Return the runs of other sessions that go."""
        with self._lock:
            return tuple(replace(run, run=NO_NUMBER) for other in self._others(key, session_id) for run in other.going)

    @shielded
    def may_start(self, key: str, session_id: str, segment: int) -> bool:
        """Return whether no run of another session makes a segment soon. If so, this one is starting a run for it."""
        with self._lock:
            for other in self._others(key, session_id):
                if any(run.makes_soon(segment) for run in other.going):
                    return False
            if (member := self._member(key, session_id)) is not None:
                member.starting = segment
            return True

    @shielded
    def announce(self, key: str, session_id: str, runs: Sequence[RunState]) -> None:
        """Note a session's runs; tell others that wait if a run was held, is gone, or could not be started."""
        with self._lock:
            if (member := self._member(key, session_id)) is None:
                return
            before, failed = {run.run for run in member.runs if not run.held}, member.starting
            member.runs, member.starting = tuple(runs), None
            after = member.going
            has_failed = failed is not None and not any(run.makes_soon(failed) for run in after)
            is_less = has_failed or not before <= {run.run for run in after}
            concerned = self._waiting(key, session_id) if is_less else []
        _tell(concerned)

    @shielded
    def made(self, key: str, session_id: str) -> None:
        """Note that a session has made a segment; tell others that wait."""
        with self._lock:
            concerned = self._waiting(key, session_id)
        _tell(concerned)

    @shielded
    def look_for_stalls(self, key: str, session_id: str) -> None:
        """Have other sessions see whether their runs work."""
        with self._lock:
            others = [other for other in self._others(key, session_id) if other.runs]
        for other in others:
            other.tell(LookForStalls(other.rendition))

    # ---- within

    def _member(self, key: str, session_id: str) -> _Member | None:
        return self._members.get(key, {}).get(session_id)

    def _others(self, key: str, session_id: str) -> Iterable[_Member]:
        return (member for id_, member in self._members.get(key, {}).items() if id_ != session_id)

    def _waiting(self, key: str, session_id: str) -> list[_Member]:
        return [other for other in self._others(key, session_id) if other.waits]


class SessionRuns:
    """The runs of one session's rendition among those of all. It is used in the session's thread."""

    __slots__ = ("_all", "_key", "_session_id")

    def __init__(self, all_: CommonRuns, key: str, session_id: str) -> None:
        self._all = all_
        self._key = key
        self._session_id = session_id

    def note(self, *, waits: bool) -> None:
        """Note whether a viewer of this session waits.

        It must be noted before the session looks whether another has made the segment, or it would miss one that is
        made at that moment.
        """
        self._all.note(self._key, self._session_id, waits=waits)

    def others(self) -> tuple[RunState, ...]:
        """Return the runs of other sessions that go."""
        return self._all.others(self._key, self._session_id)

    def may_start(self, segment: int) -> bool:
        """Whether a run is to be started for a segment. If so, no other session starts one until ``announce``."""
        return self._all.may_start(self._key, self._session_id, segment)

    def announce(self, runs: Sequence[RunState]) -> None:
        """Note the runs of this session."""
        self._all.announce(self._key, self._session_id, runs)

    def made(self) -> None:
        """Note that a segment was made."""
        self._all.made(self._key, self._session_id)

    def look_for_stalls(self) -> None:
        """Have other sessions see whether their runs work, because a viewer waits for them."""
        self._all.look_for_stalls(self._key, self._session_id)


def _tell(members: Sequence[_Member]) -> None:
    for member in members:
        member.tell(OthersChanged(member.rendition))
