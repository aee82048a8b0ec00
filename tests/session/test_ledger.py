"""The ledger alone: what is reserved, and who hears that there is room."""

from __future__ import annotations

import pytest

from hls_sessions.session import Budget, Ledger
from hls_sessions.session.ledger import Lack

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
