"""The ledger alone: what is reserved, and who hears that there is room."""

from __future__ import annotations

import pytest

from hls_sessions.session import Budget, Ledger
from hls_sessions.session.ledger import Lack
from hls_sessions.session.messages import MakeRoom

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


def test_a_lower_budget_is_kept_to_though_the_session_idle_longest_can_spare_nothing(ledger):
    asked = []

    def sparing(name, freed, idle):
        """Open an account with 300 bytes in three segments, of which so many are freed when it is asked."""

        def tell(message):
            if isinstance(message, MakeRoom):
                asked.append((name, message.size))
                for number in range(freed):
                    account.removed(VIDEO, number)
                account.gave(message.size, 100 * freed)

        account = ledger.open(name, tell, lambda _, *, urgent: 0, lambda: idle)
        for number in range(3):
            account.wrote(VIDEO, number, 100)

    sparing("idle", 0, 60.0)
    sparing("later", 1, 30.0)
    sparing("latest", 3, 10.0)

    ledger.follow(Budget(in_all=700))

    assert asked == [("idle", 200), ("later", 200), ("latest", 100)]
    assert ledger.bytes == 500
