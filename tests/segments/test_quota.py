"""The ledger alone: what is reserved, and who hears that there is room."""

from __future__ import annotations

import pytest

from hls_sessions.segments import Budget, Ledger
from hls_sessions.segments.budget import FLOOR
from hls_sessions.segments.quota import Lack, MakeRoom, RoomMade

VIDEO, AUDIO = "video-90p", "audio-0"


@pytest.fixture
def ledger():
    """A ledger of a thousand bytes."""
    return Ledger(Budget(in_all=1000, of_one=1000))


@pytest.fixture
def told():
    """What each session was told."""
    return {"a": [], "b": []}


@pytest.fixture
def accounts(ledger, told):
    """The accounts of two sessions that have nothing to spare."""
    return [ledger.open(each, messages.append, lambda _, *, urgent: 0, lambda: 0.0) for each, messages in told.items()]


class Meanwhile:
    """Something at which Python lets another thread run, as it may at whatever is compared."""

    def __init__(self, happens):
        self._happens = happens

    def __eq__(self, other):
        self._happens()
        return self is other

    def __hash__(self):
        self._happens()
        return 0


def test_sessions_note_what_they_lack_while_others_ask_how_many_do(ledger, accounts):
    account = accounts[0]
    account.refused[VIDEO] = Meanwhile(lambda: account.note(AUDIO, Lack.SHARED))

    assert ledger.refused == 0
    assert ledger.refused == 1


def test_a_run_that_leaves_its_room_has_the_other_renditions_of_its_session_told(ledger, accounts, told):
    account, other = accounts
    assert account.reserve(VIDEO, 1, 900, urgent=True) is None
    for waiting in (account, other):
        waiting.note(AUDIO, waiting.reserve(AUDIO, 1, 200, urgent=True))

    account.settle(VIDEO, 1, 100)

    assert {session: len(messages) for session, messages in told.items()} == {"a": 1, "b": 1}


def test_a_rendition_is_not_told_of_the_room_that_it_leaves_itself(ledger, accounts, told):
    account = accounts[0]
    account.reserve(VIDEO, 1, 900, urgent=True)
    account.note(VIDEO, account.reserve(VIDEO, 2, 900, urgent=True))

    account.settle(VIDEO, 1, 0)

    assert told["a"] == []


def waits(account, rendition, run, size):
    """Have somebody wait for what a run may not write."""
    lack = account.reserve(rendition, run, size, urgent=True)
    assert lack is Lack.SHARED
    account.note(rendition, lack, size)


@pytest.fixture
def queue(accounts):
    """The accounts of two sessions: a run of the second has the room, and both wait for more, the first for longer."""
    longest, other = accounts
    other.reserve(VIDEO, 1, 900, urgent=True)
    waits(longest, VIDEO, 1, 900)
    waits(other, VIDEO, 2, 900)
    return longest, other


def test_who_has_waited_longest_gets_the_room_first(queue):
    longest, other = queue

    other.settle(VIDEO, 1, 0)

    assert other.reserve(VIDEO, 2, 900, urgent=True) is Lack.SHARED
    assert longest.reserve(VIDEO, 1, 900, urgent=True) is None


def test_who_asks_again_keeps_their_place(queue):
    longest, other = queue
    waits(longest, VIDEO, 1, 900)

    other.settle(VIDEO, 1, 0)

    assert other.reserve(VIDEO, 2, 900, urgent=True) is Lack.SHARED


def test_who_would_be_in_nobodys_way_does_not_wait_for_those_who_have_waited_longer(accounts):
    longest, other = accounts
    other.reserve(VIDEO, 1, 500, urgent=True)
    waits(longest, VIDEO, 1, 800)
    other.settle(VIDEO, 1, 0)

    assert other.reserve(AUDIO, 1, 200, urgent=True) is None


def test_what_is_made_ahead_gets_no_room_that_somebody_waits_for(accounts):
    ahead, other = accounts
    ahead.reserve(VIDEO, 1, 900, urgent=False)
    waits(other, VIDEO, 1, 900)

    ahead.settle(VIDEO, 1, 0)

    assert ahead.reserve(VIDEO, 2, 200, urgent=False) is Lack.SHARED
    assert other.reserve(VIDEO, 1, 900, urgent=True) is None


def test_a_run_that_somebody_waits_for_goes_on_whoever_waits_for_others(accounts):
    account, other = accounts
    account.reserve(VIDEO, 1, 600, urgent=True)
    waits(other, VIDEO, 1, 600)

    assert account.reserve(VIDEO, 1, 500, urgent=True) is None
    assert account.reserve(VIDEO, 1, 500, urgent=False) is Lack.SHARED


@pytest.mark.parametrize("urgent", [True, False])
def test_a_held_run_goes_on_where_who_has_waited_longer_does_not_fit_beside_what_it_has_written(accounts, urgent):
    longest, other = accounts
    other.reserve(VIDEO, 1, 900, urgent=False)
    other.settle(VIDEO, 1, 300)
    waits(longest, VIDEO, 1, 800)

    assert other.reserve(AUDIO, 1, 100, urgent=urgent) is Lack.SHARED
    assert other.reserve(VIDEO, 1, 500, urgent=urgent) is None


def test_a_held_run_stays_so_for_who_has_waited_longer_and_fits_beside_it(accounts):
    longest, other = accounts
    other.reserve(VIDEO, 1, 900, urgent=True)
    waits(longest, VIDEO, 1, 800)
    other.settle(VIDEO, 1, 100)

    assert other.reserve(VIDEO, 1, 500, urgent=True) is Lack.SHARED
    assert longest.reserve(VIDEO, 1, 800, urgent=True) is None


def test_who_waits_no_more_leaves_their_place_to_those_who_do(queue, told):
    longest, other = queue
    other.settle(VIDEO, 1, 0)
    told["b"].clear()

    longest.note(VIDEO, None)

    assert told["b"] == [RoomMade()]
    assert other.reserve(VIDEO, 2, 900, urgent=True) is None


@pytest.mark.parametrize("budget", [Budget(in_all=10 * FLOOR, of_one=10 * FLOOR), Budget()], ids=["set", "a share"])
def test_no_room_is_kept_for_what_the_disk_cannot_hold_whatever_is_deleted(budget):
    ledger = Ledger(budget, lambda: FLOOR + 500)
    larger, other = (ledger.open(each, lambda _: None, lambda _, *, urgent: 0, lambda: 0.0) for each in "ab")
    waits(larger, VIDEO, 1, 600)

    assert other.reserve(VIDEO, 1, 400, urgent=True) is None


def test_a_lower_budget_is_kept_to_though_the_session_idle_longest_can_spare_nothing(ledger):
    asked = []

    def sparing(name, freed, idle):
        """Open an account with 300 bytes in three segments, of which so many are freed when it is asked."""

        def tell(message):
            if isinstance(message, MakeRoom):
                asked.append((name, message.size))
                for _ in range(freed):
                    account.removed(100)
                account.gave(message.size, 100 * freed)

        account = ledger.open(name, tell, lambda _, *, urgent: 0, lambda: idle)
        for _ in range(3):
            account.wrote(100)

    sparing("idle", 0, 60.0)
    sparing("later", 1, 30.0)
    sparing("latest", 3, 10.0)

    ledger.follow(Budget(in_all=700))

    assert asked == [("idle", 200), ("later", 200), ("latest", 100)]
    assert ledger.bytes == 500


def test_what_viewers_will_soon_ask_for_is_asked_for_last_and_for_another_who_waits_alone(ledger):
    asked = []

    def opened(name, idle):
        """Open an account that has a segment it can spare for a viewer who waits, and for nobody else."""

        def tell(message):
            asked.append((name, message.urgent))
            if message.urgent:
                account.removed(300)
            account.gave(message.size, 300 if message.urgent else 0, urgent=message.urgent)

        account = ledger.open(name, tell, lambda _, *, urgent: 0, lambda: idle)
        account.wrote(300)

    opened("idle", 60.0)
    opened("later", 30.0)
    account = ledger.open("waits", lambda _: None, lambda _, *, urgent: 0, lambda: 0.0)

    for urgent in (False, False, False, True, True):
        account.reserve(VIDEO, 1, 900, urgent=urgent)
        ledger.retry()

    assert asked == [("idle", False), ("later", False), ("idle", True), ("later", True)]
    assert account.reserve(VIDEO, 1, 900, urgent=True) is None
