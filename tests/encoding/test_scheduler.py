"""Which encoders run where there are more than may: those whose viewers are closest to running dry."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hls_sessions.encoding.scheduler import COMFORT, GRACE, Pacer, Want, choose

VIDEO, AUDIO = "video-90p", "audio-0"


def key(name):
    return name, "video", 1


def chosen(places, placed=(), asked=(), **wants):
    found = choose(
        {key(name): want for name, want in wants.items()},
        [key(name) for name in placed],
        {key(name): number for number, name in enumerate(asked)},
        places,
    )
    return {name for name, *_ in found}


def ahead(seconds):
    return Want(1, seconds, waited_for=False)


WAITED_FOR = Want(1, 0.0, waited_for=True)
TO_BE_STARTED = Want(-1, 0.0, waited_for=True, exists=False)


# ---- the choice


def test_all_run_where_there_are_places_enough():
    assert chosen(3, a=ahead(20), b=ahead(5), c=ahead(12)) == {"a", "b", "c"}


def test_those_run_whose_viewers_are_closest_to_running_dry():
    assert chosen(2, a=ahead(20), b=ahead(5), c=ahead(12)) == {"b", "c"}


def test_what_is_waited_for_comes_first():
    assert chosen(1, placed=["a"], a=ahead(0), b=TO_BE_STARTED) == {"b"}


def test_while_anybody_waits_those_whose_viewers_have_enough_have_no_place():
    assert chosen(4, placed=["a"], a=ahead(COMFORT), b=ahead(COMFORT - 1), c=TO_BE_STARTED) == {"b", "c"}


def test_of_those_that_are_to_be_started_the_longest_wait_comes_first():
    assert chosen(1, asked=["b", "a"], a=TO_BE_STARTED, b=TO_BE_STARTED) == {"b"}


def test_a_run_that_somebody_waits_for_goes_on_whatever_else_does():
    assert chosen(1, placed=["a"], asked=["a", "b", "c"], a=WAITED_FOR, b=WAITED_FOR, c=TO_BE_STARTED) == {"a", "b"}


def test_a_run_keeps_its_place_until_another_is_clearly_closer_to_running_dry():
    assert chosen(1, placed=["a"], a=ahead(10), b=ahead(10 - GRACE + 1)) == {"a"}
    assert chosen(1, placed=["a"], a=ahead(10), b=ahead(10 - GRACE - 1)) == {"b"}


wants = st.dictionaries(
    st.sampled_from("abcdefgh").map(key),
    st.builds(Want, st.just(1), st.integers(0, 30), st.booleans(), st.booleans()),
)


@given(wants, st.sets(st.sampled_from("abcdefgh").map(key)), st.integers(1, 5))
def test_places_are_kept_to_and_no_run_that_somebody_waits_for_is_without(wants, placed, places):
    found = choose(wants, placed, {}, places)

    must = {key for key, want in wants.items() if want.exists and want.waited_for}
    assert must <= found <= wants.keys()
    waits = any(want.waited_for for want in wants.values())
    needy = [want for want in wants.values() if want.waited_for or not waits or want.lead < COMFORT]
    assert len(found) == min(len(needy), max(places, len(must)))
    assert choose(wants, found, {}, places) == found


# ---- the desk


@pytest.fixture
def desk():
    """A pacer with one place, and what each session was told."""
    told = {"a": [], "b": []}
    pacer = Pacer(1)
    for session, messages in told.items():
        pacer.open(session, messages.append)
    return pacer, told


def test_who_loses_a_place_and_who_gets_one_is_told(desk):
    pacer, told = desk
    assert pacer.ask(("a", VIDEO), [ahead(10)]) == {1}
    assert pacer.ask(("b", VIDEO), [WAITED_FOR]) == {1}
    assert (len(told["a"]), len(told["b"])) == (1, 0)
    assert pacer.ask(("a", VIDEO), [ahead(10)]) == set()

    assert pacer.ask(("b", VIDEO), []) == set()

    assert (len(told["a"]), len(told["b"])) == (2, 0)
    assert pacer.ask(("a", VIDEO), [ahead(10)]) == {1}


def test_a_session_is_told_of_a_place_that_one_of_its_renditions_leaves_to_another(desk):
    pacer, told = desk
    pacer.ask(("a", VIDEO), [WAITED_FOR])
    assert pacer.ask(("a", AUDIO), [TO_BE_STARTED]) == set()

    pacer.ask(("a", VIDEO), [ahead(10)])

    assert (len(told["a"]), len(told["b"])) == (1, 0)
    assert pacer.ask(("a", AUDIO), [TO_BE_STARTED]) == {-1}


def test_nobody_is_told_of_what_stays_as_it_was(desk):
    pacer, told = desk
    for _ in range(3):
        pacer.ask(("a", VIDEO), [ahead(1)])
        pacer.ask(("b", VIDEO), [ahead(20)])

    assert told == {"a": [], "b": []}


def test_a_session_that_has_ended_leaves_its_place(desk):
    pacer, told = desk
    pacer.ask(("a", VIDEO), [ahead(10)])
    pacer.ask(("b", VIDEO), [ahead(10)])

    pacer.close("a")

    assert (len(told["b"]), pacer.at_work) == (1, 1)
