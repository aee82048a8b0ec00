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
