"""The rows that wait to be written: in order, bounded, and only the latest row of each thing."""

from __future__ import annotations

import pytest

from hls_sessions.store.journal import Journal


@pytest.fixture
def journal():
    return Journal(limit=3)


def rows(journal):
    return list(journal.take().values())


def test_rows_come_in_the_order_in_which_they_were_added(journal):
    for row in "abc":
        journal.add(row)

    assert rows(journal) == ["a", "b", "c"]
    assert rows(journal) == []


def test_a_row_takes_the_place_of_the_one_it_replaces(journal):
    journal.add("a", "key")
    journal.add("b")
    journal.add("c", "key")

    assert rows(journal) == ["c", "b"]


def test_a_full_journal_takes_only_rows_that_replace_others(journal):
    journal.add("a", "key")
    journal.add("b")
    journal.add("c")

    assert not journal.add("d")
    assert journal.add("e", "key")
    assert rows(journal) == ["e", "b", "c"]


def test_rows_that_may_be_given_back_take_room(journal):
    journal.add("a")
    journal.add("b")

    assert journal.add("c", in_hand=0)
    assert len(journal.take()) == 3
    assert not journal.add("d", in_hand=3)
    assert journal.add("d", in_hand=2)


def test_rows_that_are_given_back_come_first_unless_they_were_replaced_meanwhile(journal):
    journal.add("a", "key")
    journal.add("b")
    batch = journal.take()
    journal.add("c")
    journal.add("d", "key")

    journal.give_back(batch)

    assert rows(journal) == ["d", "b", "c"]
