"""The quota alone: reservations, and the sessions that hear that there is room."""

from __future__ import annotations

import pytest

from hls_sessions.segments import Budget, Quota
from hls_sessions.segments.budget import FLOOR
from hls_sessions.segments.quota import MakeRoom, RoomMade, Shortage

VIDEO, AUDIO = "video-90p", "audio-0"


@pytest.fixture
def quota():
    """A quota of a thousand bytes."""
    return Quota(Budget(in_all=1000, of_one=1000))


@pytest.fixture
def told():
    """The messages that each session was told."""
    return {"a": [], "b": []}


@pytest.fixture
def sessions(quota, told):
    """The quotas of two sessions that have nothing to evict."""
    return [quota.open(each, messages.append, lambda _, *, urgent: 0, lambda: 0.0) for each, messages in told.items()]


class Meanwhile:
    """A value whose comparison lets another thread run, as any comparison in Python may."""

    def __init__(self, happens):
        self._happens = happens

    def __eq__(self, other):
        self._happens()
        return self is other

    def __hash__(self):
        self._happens()
        return 0


def test_sessions_note_what_they_lack_while_others_ask_how_many_do(quota, sessions):
    session = sessions[0]
    session.refused[VIDEO] = Meanwhile(lambda: session.note(AUDIO, Shortage.SHARED))

    assert quota.refused == 0
    assert quota.refused == 1


def test_a_run_that_leaves_its_room_has_the_other_renditions_of_its_session_told(quota, sessions, told):
    session, other = sessions
    assert session.reserve(VIDEO, 1, 900, urgent=True) is None
    for waiting in (session, other):
        waiting.note(AUDIO, waiting.reserve(AUDIO, 1, 200, urgent=True))

    session.settle(VIDEO, 1, 100)

    assert {session: len(messages) for session, messages in told.items()} == {"a": 1, "b": 1}


def test_a_rendition_is_not_told_of_the_room_that_it_leaves_itself(quota, sessions, told):
    session = sessions[0]
    session.reserve(VIDEO, 1, 900, urgent=True)
    session.note(VIDEO, session.reserve(VIDEO, 2, 900, urgent=True))

    session.settle(VIDEO, 1, 0)

    assert told["a"] == []


def waits(session, rendition, run, size):
    """Have a viewer wait for a segment that a run may not write."""
    lack = session.reserve(rendition, run, size, urgent=True)
    assert lack is Shortage.SHARED
    session.note(rendition, lack, size)


@pytest.fixture
def queue(sessions):
    """The quotas of two sessions: a run of the second has the room, and both wait for more, the first for longer."""
    longest, other = sessions
    other.reserve(VIDEO, 1, 900, urgent=True)
    waits(longest, VIDEO, 1, 900)
    waits(other, VIDEO, 2, 900)
    return longest, other


def test_the_longest_wait_gets_the_room_first(queue):
    longest, other = queue

    other.settle(VIDEO, 1, 0)

    assert other.reserve(VIDEO, 2, 900, urgent=True) is Shortage.SHARED
    assert longest.reserve(VIDEO, 1, 900, urgent=True) is None


def test_a_rendition_that_asks_again_keeps_its_place_in_the_queue(queue):
    longest, other = queue
    waits(longest, VIDEO, 1, 900)

    other.settle(VIDEO, 1, 0)

    assert other.reserve(VIDEO, 2, 900, urgent=True) is Shortage.SHARED


def test_a_run_that_is_in_nobodys_way_does_not_wait_for_longer_waits(sessions):
    longest, other = sessions
    other.reserve(VIDEO, 1, 500, urgent=True)
    waits(longest, VIDEO, 1, 800)
    other.settle(VIDEO, 1, 0)

    assert other.reserve(AUDIO, 1, 200, urgent=True) is None


def test_a_run_that_works_ahead_gets_no_room_that_a_viewer_waits_for(sessions):
    ahead, other = sessions
    ahead.reserve(VIDEO, 1, 900, urgent=False)
    waits(other, VIDEO, 1, 900)

    ahead.settle(VIDEO, 1, 0)

    assert ahead.reserve(VIDEO, 2, 200, urgent=False) is Shortage.SHARED
    assert other.reserve(VIDEO, 1, 900, urgent=True) is None


def test_a_run_that_a_viewer_waits_for_keeps_its_reservation_whoever_waits_for_others(sessions):
    session, other = sessions
    session.reserve(VIDEO, 1, 600, urgent=True)
    waits(other, VIDEO, 1, 600)

    assert session.reserve(VIDEO, 1, 500, urgent=True) is None
    assert session.reserve(VIDEO, 1, 500, urgent=False) is Shortage.SHARED


@pytest.mark.parametrize("urgent", [True, False])
def test_a_held_run_goes_on_if_a_longer_wait_does_not_fit_beside_the_bytes_it_has_written(sessions, urgent):
    longest, other = sessions
    other.reserve(VIDEO, 1, 900, urgent=False)
    other.settle(VIDEO, 1, 300)
    waits(longest, VIDEO, 1, 800)

    assert other.reserve(AUDIO, 1, 100, urgent=urgent) is Shortage.SHARED
    assert other.reserve(VIDEO, 1, 500, urgent=urgent) is None


def test_a_held_run_stays_held_for_a_longer_wait_that_fits_beside_it(sessions):
    longest, other = sessions
    other.reserve(VIDEO, 1, 900, urgent=True)
    waits(longest, VIDEO, 1, 800)
    other.settle(VIDEO, 1, 100)

    assert other.reserve(VIDEO, 1, 500, urgent=True) is Shortage.SHARED
    assert longest.reserve(VIDEO, 1, 800, urgent=True) is None


def test_a_wait_that_is_over_leaves_the_room_to_the_others(queue, told):
    longest, other = queue
    other.settle(VIDEO, 1, 0)
    told["b"].clear()

    longest.note(VIDEO, None)

    assert told["b"] == [RoomMade()]
    assert other.reserve(VIDEO, 2, 900, urgent=True) is None


@pytest.mark.parametrize("budget", [Budget(in_all=10 * FLOOR, of_one=10 * FLOOR), Budget()], ids=["set", "a share"])
def test_no_room_is_kept_for_a_wait_that_the_disk_can_never_hold(budget):
    quota = Quota(budget, lambda: FLOOR + 500)
    larger, other = (quota.open(each, lambda _: None, lambda _, *, urgent: 0, lambda: 0.0) for each in "ab")
    waits(larger, VIDEO, 1, 600)

    assert other.reserve(VIDEO, 1, 400, urgent=True) is None


def test_a_lower_budget_is_kept_to_though_the_session_idle_longest_has_nothing_to_evict(quota):
    asked = []

    def sparing(name, freed, idle):
        """Open a quota with 300 bytes in three segments, of which ``freed`` are evicted when it is asked."""

        def tell(message):
            if isinstance(message, MakeRoom):
                asked.append((name, message.size))
                for _ in range(freed):
                    session.removed(100)
                session.gave(message.size, 100 * freed)

        session = quota.open(name, tell, lambda _, *, urgent: 0, lambda: idle)
        for _ in range(3):
            session.wrote(100)

    sparing("idle", 0, 60.0)
    sparing("later", 1, 30.0)
    sparing("latest", 3, 10.0)

    quota.reconfigure(Budget(in_all=700))

    assert asked == [("idle", 200), ("later", 200), ("latest", 100)]
    assert quota.bytes == 500


def test_segments_that_viewers_will_soon_ask_for_are_evicted_last_and_only_for_another_who_waits(quota):
    asked = []

    def opened(name, idle):
        """Open a quota with a segment that can be evicted for a viewer who waits, and for nobody else."""

        def tell(message):
            asked.append((name, message.urgent))
            if message.urgent:
                session.removed(300)
            session.gave(message.size, 300 if message.urgent else 0, urgent=message.urgent)

        session = quota.open(name, tell, lambda _, *, urgent: 0, lambda: idle)
        session.wrote(300)

    opened("idle", 60.0)
    opened("later", 30.0)
    session = quota.open("waits", lambda _: None, lambda _, *, urgent: 0, lambda: 0.0)

    for urgent in (False, False, False, True, True):
        session.reserve(VIDEO, 1, 900, urgent=urgent)
        quota.retry()

    assert asked == [("idle", False), ("later", False), ("idle", True), ("later", True)]
    assert session.reserve(VIDEO, 1, 900, urgent=True) is None
