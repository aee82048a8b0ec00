"""Segments are copied as long as they can be, each for itself."""

from __future__ import annotations

import pytest

from hls_sessions.encoding.copies import ATTEMPTS, Copies


@pytest.fixture
def copies():
    return Copies(has_stand_in=True)


def fail(copies, number, times=ATTEMPTS):
    return [copies.failed(number, "it is damaged") for _ in range(times)]


def test_all_is_copied_at_first(copies):
    assert 0 in copies
    assert None in copies
    assert list(copies.notes) == []


def test_a_segment_is_tried_three_times_and_then_encoded(copies):
    assert fail(copies, 3) == [False, False, True]

    assert [number in copies for number in (2, 3, 4)] == [True, False, True]
    assert list(copies.notes) == ["copy was given up at segment 3: it is damaged."]


def test_the_failures_of_a_segment_that_was_copied_after_all_are_forgotten(copies):
    fail(copies, 3, 2)
    copies.made(3)

    assert fail(copies, 3) == [False, False, True]


def test_when_none_of_three_segments_could_be_copied_none_is_tried_any_more(copies):
    for number in (5, 1, 9):
        assert 4 in copies
        fail(copies, number)

    assert 4 not in copies
    assert copies.until(1) is None


def test_when_any_segment_could_be_copied_the_others_are_tried_however_many_fail(copies):
    copies.made(0)
    for number in range(1, 50):
        fail(copies, number)

    assert 50 in copies
    assert list(copies.notes) == ["copy was given up at segments 1 to 49: it is damaged."]


def test_without_an_init_segment_nothing_is_copied(copies):
    fail(copies, None)

    assert 0 not in copies
    assert list(copies.notes) == ["copy was given up: it is damaged."]


def test_a_run_that_encodes_in_the_place_of_copies_ends_before_the_next_copy(copies):
    copies.made(0)
    for number in (4, 5, 6, 9):
        fail(copies, number)

    assert [copies.until(number) for number in (4, 5, 9)] == [6, 6, 9]


def test_a_rendition_that_cannot_be_encoded_is_copied_whatever_fails(copies):
    alone = Copies(has_stand_in=False)
    for number in (0, 1, 2, 3, None):
        assert fail(alone, number) == [False, False, True]

    assert 0 in alone
    assert alone.given_up is None


def test_the_last_try_is_known_before_it(copies):
    assert [copies.is_last_try(1) or copies.failed(1, "it is damaged") for _ in range(3)] == [False, False, True]


def test_a_segment_that_is_always_encoded_says_nothing_of_the_others():
    copies = Copies({1, 2}, has_stand_in=True)

    assert [number in copies for number in (0, 1, 2, 3)] == [True, False, False, True]
    assert list(copies.notes) == []
    fail(copies, 5)
    assert 3 in copies
