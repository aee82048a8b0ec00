"""Admission when there are as many sessions as there may be: the decision, rule by rule, and the queue."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hls_sessions.supervisor.admission import (
    LATEST,
    PATIENCE,
    SOONEST,
    Admit,
    Clear,
    Displace,
    Queue,
    Refuse,
    Rules,
    Seat,
    decide,
)

THREE = Rules(max_sessions=3)
EVICTING = Rules(max_sessions=3, evict=True)
TWO_EACH = Rules(max_sessions=5, max_sessions_per_user=2)


def seat(name, user=None, *, idle=0.0, due_in=1000.0, watched=False):
    return Seat(name, user, idle, due_in, watched)


ALL = "max_sessions"
OWN = "max_sessions_per_user"

RULES = [
    ("there is room", [seat("a"), seat("b")], [], THREE, Admit()),
    ("there is none", [seat("a"), seat("b"), seat("c")], [], THREE, Refuse(ALL, 3, 1, LATEST)),
    (
        "those whose time has run out are cleared away first",
        [seat("a"), seat("b", due_in=0), seat("c", due_in=-5)],
        [],
        EVICTING,
        Clear(("b", "c")),
    ),
    (
        "one that is overdue and watched after all is left alone",
        [seat("a"), seat("b", due_in=0, watched=True), seat("c")],
        [],
        THREE,
        Refuse(ALL, 3, 1, SOONEST),
    ),
    (
        "what is overdue is left to the reaper while there is room",
        [seat("a", due_in=0)],
        [],
        THREE,
        Admit(),
    ),
    (
        "the one idle longest makes room",
        [seat("a", idle=100), seat("b", idle=300), seat("c", idle=200)],
        [],
        EVICTING,
        Displace("b"),
    ),
    (
        "the one idle longest is spared while it is watched",
        [seat("a", idle=100), seat("b", idle=300, watched=True), seat("c", idle=200)],
        [],
        EVICTING,
        Displace("c"),
    ),
    (
        "nobody makes room while all are watched",
        [seat(name, watched=True) for name in "abc"],
        [],
        EVICTING,
        Refuse(ALL, 3, 1, LATEST),
    ),
    ("a free place is kept for who came before", [seat("a"), seat("b")], ["ben"], THREE, Refuse(ALL, 3, 2, LATEST)),
    ("there are more free places than came before", [seat("a")], ["ben"], THREE, Admit()),
    (
        "one that could make room is kept for who came before",
        [seat("a", idle=9), seat("b", watched=True), seat("c", watched=True)],
        ["ben"],
        EVICTING,
        Refuse(ALL, 3, 2, LATEST),
    ),
    (
        "there are more that could make room than came before",
        [seat("a", idle=8), seat("b", idle=9), seat("c", watched=True)],
        ["ben"],
        EVICTING,
        Displace("b"),
    ),
    (
        "who is refused is told when a time may run out",
        [seat("a", due_in=50), seat("b", due_in=5), seat("c", due_in=7)],
        ["ben"],
        THREE,
        Refuse(ALL, 3, 2, 7),
    ),
    (
        "a user has as many as they may",
        [seat("a", "anna"), seat("b", "anna")],
        [],
        TWO_EACH,
        Refuse(OWN, 2, 1, LATEST),
    ),
    ("those of others do not count", [seat("a", "ben"), seat("b", "ben"), seat("c", "anna")], [], TWO_EACH, Admit()),
    (
        "a user's own session makes room for them, not another's",
        [seat("a", "ben", idle=90), seat("b", "anna", idle=8), seat("c", "anna", idle=9)],
        [],
        Rules(5, 2, evict=True),
        Displace("c"),
    ),
    (
        "none of theirs is ended when there is no room in all",
        [seat("a", "ben", watched=True), seat("b", "anna", idle=9)],
        ["cleo"],
        Rules(2, 1, evict=True),
        Refuse(ALL, 2, 2, LATEST),
    ),
    (
        "who has as many as they may keeps no place from anybody",
        [seat("a", "ben"), seat("b", "ben")],
        ["ben"],
        Rules(3, 2),
        Admit(),
    ),
]


@pytest.mark.parametrize(
    ("seats", "ahead", "rules", "then"), [rule[1:] for rule in RULES], ids=[rule[0] for rule in RULES]
)
def test_the_rule_holds(seats, ahead, rules, then):
    assert decide(seats, "anna", ahead, rules) == then


def test_a_caller_without_a_user_is_not_counted():
    assert decide([seat("a"), seat("b")], None, [], TWO_EACH) == Admit()


names = st.sampled_from(["anna", "ben", "cleo", None])
seats = st.lists(
    st.builds(
        seat, st.uuids().map(str), names, idle=st.integers(0, 9), due_in=st.integers(-2, 5), watched=st.booleans()
    ),
    max_size=6,
)
rules = st.builds(Rules, st.integers(1, 6), st.none() | st.integers(1, 3), st.booleans())


@given(seats, names, st.lists(names, max_size=3), rules)
def test_no_caller_is_let_in_beyond_a_limit_and_no_watched_session_is_ended(seats, user, ahead, rules):
    watched = {seat.session_id for seat in seats if seat.watched}
    own = [seat for seat in seats if seat.user == user]

    match decide(seats, user, ahead, rules):
        case Admit():
            assert len(seats) < rules.max_sessions
            assert user is None or rules.max_sessions_per_user is None or len(own) < rules.max_sessions_per_user
        case Clear(sessions):
            assert sessions
            assert not watched & set(sessions)
        case Displace(session):
            assert rules.evict
            assert session not in watched
        case Refuse() as refusal:
            assert refusal.place <= len(ahead) + 1
            assert SOONEST <= refusal.retry_after <= LATEST


@given(seats, names, st.lists(names, max_size=3), rules)
def test_every_caller_is_let_in_or_refused_in_the_end(seats, user, ahead, rules):
    for _ in range(len(seats) + 1):
        match decide(seats, user, ahead, rules):
            case Clear(sessions):
                seats = [seat for seat in seats if seat.session_id not in sessions]
            case Displace(session):
                seats = [seat for seat in seats if seat.session_id != session]
            case _:
                return
    pytest.fail("there is always another to be ended")


# ---- the queue


def test_refused_callers_are_ahead_of_later_ones(hls_clock):
    queue = Queue(hls_clock.monotonic)
    queue.refused("anna", "film")
    queue.refused("ben", "film")

    assert queue.ahead_of("cleo", "film") == ["anna", "ben"]
    assert queue.ahead_of("anna", "another") == ["anna", "ben"]


def test_a_caller_that_asks_again_keeps_its_place(hls_clock):
    queue = Queue(hls_clock.monotonic)
    queue.refused("anna", "film")
    queue.refused("ben", "film")
    queue.refused("anna", "film")

    assert queue.ahead_of("anna", "film") == []
    assert queue.ahead_of("ben", "film") == ["anna"]


def test_a_caller_that_does_not_ask_again_in_time_is_forgotten(hls_clock):
    queue = Queue(hls_clock.monotonic)
    queue.refused("anna", "film")
    queue.refused("ben", "film")
    hls_clock.advance(PATIENCE / 2)
    queue.refused("ben", "film")
    hls_clock.advance(PATIENCE / 2)

    assert queue.ahead_of("cleo", "film") == ["ben"]
    assert len(queue) == 1


def test_a_caller_that_was_let_in_is_in_the_queue_no_more(hls_clock):
    queue = Queue(hls_clock.monotonic)
    queue.refused("anna", "film")

    queue.leave("anna", "film")
    queue.leave("ben", "film")

    assert queue.ahead_of("cleo", "film") == []
