"""If there are more encoders than slots, those run whose viewers are closest to running dry."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hls_sessions.encoding.policy import Request, Start
from hls_sessions.encoding.scheduler import COMFORT, GRACE, Scheduler, choose

VIDEO, AUDIO = "video-90p", "audio-0"


def key(name):
    return name, "video", 1


def chosen(slots, granted=(), asked=(), **requests):
    found = choose(
        {key(name): each for name, each in requests.items()},
        [key(name) for name in granted],
        {key(name): number for number, name in enumerate(asked)},
        slots,
    )
    return {name for name, *_ in found}


def ahead(seconds):
    return Request(1, 4, seconds, urgent=False)


WAITED_FOR = Request(1, 4, 0.0, urgent=True)
TO_BE_STARTED = Request(Start(4), 4, 0.0, urgent=True)


# ---- the choice


def test_all_run_where_there_are_slots_enough():
    assert chosen(3, a=ahead(20), b=ahead(5), c=ahead(12)) == {"a", "b", "c"}


def test_those_run_whose_viewers_are_closest_to_running_dry():
    assert chosen(2, a=ahead(20), b=ahead(5), c=ahead(12)) == {"b", "c"}


def test_runs_that_viewers_wait_for_come_first():
    assert chosen(1, granted=["a"], a=ahead(0), b=TO_BE_STARTED) == {"b"}


def test_while_a_viewer_waits_runs_whose_viewers_have_enough_have_no_slot():
    assert chosen(4, granted=["a"], a=ahead(COMFORT), b=ahead(COMFORT - 1), c=TO_BE_STARTED) == {"b", "c"}


def test_of_the_runs_that_are_to_be_started_the_longest_wait_comes_first():
    assert chosen(1, asked=["b", "a"], a=TO_BE_STARTED, b=TO_BE_STARTED) == {"b"}


def test_a_run_that_a_viewer_waits_for_goes_on_even_without_a_free_slot():
    assert chosen(1, granted=["a"], asked=["a", "b", "c"], a=WAITED_FOR, b=WAITED_FOR, c=TO_BE_STARTED) == {"a", "b"}


def test_a_run_keeps_its_slot_until_another_is_clearly_closer_to_running_dry():
    assert chosen(1, granted=["a"], a=ahead(10), b=ahead(10 - GRACE + 1)) == {"a"}
    assert chosen(1, granted=["a"], a=ahead(10), b=ahead(10 - GRACE - 1)) == {"b"}


IN_THE_BACKGROUND = Request(1, 4, 0.0, urgent=False, background=True)


def test_a_run_in_the_background_has_a_slot_while_every_viewer_has_enough():
    assert chosen(4, a=ahead(COMFORT), b=IN_THE_BACKGROUND) == {"a", "b"}
    assert chosen(4, granted=["b"], a=ahead(COMFORT - 1), b=IN_THE_BACKGROUND) == {"a"}
    assert chosen(4, granted=["b"], a=WAITED_FOR, b=IN_THE_BACKGROUND) == {"a"}


def test_a_run_in_the_background_comes_last():
    assert chosen(1, granted=["b"], a=ahead(COMFORT + 20), b=IN_THE_BACKGROUND) == {"a"}


requests = st.dictionaries(
    st.sampled_from("abcdefgh").map(key),
    st.one_of(
        st.builds(Request, st.sampled_from([1, Start(4)]), st.just(4), st.integers(0, 30), st.booleans()),
        st.just(IN_THE_BACKGROUND),
    ),
)


@given(requests, st.sets(st.sampled_from("abcdefgh").map(key)), st.integers(1, 5))
def test_no_more_runs_than_slots_go_but_every_run_that_a_viewer_waits_for_has_one(requests, granted, slots):
    found = choose(requests, granted, {}, slots)

    must = {key for key, each in requests.items() if each.exists and each.urgent}
    assert must <= found <= requests.keys()
    waits = any(each.urgent for each in requests.values())
    watched = [each for each in requests.values() if not each.background]
    needy = [each for each in watched if each.urgent or not waits or each.ahead < COMFORT]
    if not waits and all(each.ahead >= COMFORT for each in watched):
        needy += [each for each in requests.values() if each.background]
    assert len(found) == min(len(needy), max(slots, len(must)))
    assert choose(requests, found, {}, slots) == found


# ---- the slots


@pytest.fixture
def told():
    """The messages that each session was told."""
    return {"a": [], "b": []}


@pytest.fixture
def scheduler(told):
    """A scheduler with one slot, which two sessions share."""
    scheduler = Scheduler(1)
    for session, messages in told.items():
        scheduler.open(session, messages.append)
    return scheduler


def test_a_session_that_loses_a_slot_or_gets_one_is_told(scheduler, told):
    assert scheduler.request(("a", VIDEO), [ahead(10)]) == {1}
    assert scheduler.request(("b", VIDEO), [WAITED_FOR]) == {1}
    assert (len(told["a"]), len(told["b"])) == (1, 0)
    assert scheduler.request(("a", VIDEO), [ahead(10)]) == set()

    assert scheduler.request(("b", VIDEO), []) == set()

    assert (len(told["a"]), len(told["b"])) == (2, 0)
    assert scheduler.request(("a", VIDEO), [ahead(10)]) == {1}


def test_a_session_is_told_of_a_slot_that_one_of_its_renditions_leaves_to_another(scheduler, told):
    scheduler.request(("a", VIDEO), [WAITED_FOR])
    assert scheduler.request(("a", AUDIO), [TO_BE_STARTED]) == set()

    scheduler.request(("a", VIDEO), [ahead(10)])

    assert (len(told["a"]), len(told["b"])) == (1, 0)
    assert scheduler.request(("a", AUDIO), [TO_BE_STARTED]) == {Start(4)}


def test_no_session_is_told_when_its_slots_stay_as_they_were(scheduler, told):
    for _ in range(3):
        scheduler.request(("a", VIDEO), [ahead(1)])
        scheduler.request(("b", VIDEO), [ahead(20)])

    assert told == {"a": [], "b": []}


def test_a_session_that_has_ended_leaves_its_slot(scheduler, told):
    scheduler.request(("a", VIDEO), [ahead(10)])
    scheduler.request(("b", VIDEO), [ahead(10)])

    scheduler.close("a")

    assert (len(told["b"]), scheduler.at_work) == (1, 1)
