"""How many bytes are lacking, and which segments can be evicted: rule by rule, and properties that always hold.

Segments are two seconds long here. Encoders work thirty seconds ahead, which is fifteen segments.
"""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hls_sessions.media import Cuts
from hls_sessions.segments.budget import FLOOR, Budget, bytes_lacking, dispensable

SEGMENTS = 60
CUTS = Cuts(tuple(Fraction(2 * n) for n in range(SEGMENTS + 1)), Fraction(0), Fraction(1, 50), counts=None)
AHEAD = 30.0
BUDGET = Budget(in_all=1000, of_one=400)


def in_order(stored, viewers, waiting=()):
    """Return the segments that can be evicted, the one least likely to be asked for first."""
    return [number for _, number in sorted(dispensable(CUTS, stored, dict.fromkeys(viewers, 0.0), waiting, AHEAD))]


# ---- eviction


def test_first_come_those_behind_all_viewers_the_farthest_first():
    assert in_order(range(20), [10]) == list(range(10))


def test_then_come_those_far_ahead_the_farthest_first():
    assert in_order(range(8, 40), [10]) == [8, 9, *range(39, 25, -1)]


def test_a_segment_between_two_viewers_is_ahead_of_the_first():
    assert set(in_order(range(60), [10, 40])) == {*range(10), *range(26, 40), *range(56, 60)}


def test_without_a_viewer_everything_can_be_evicted_from_the_beginning_on():
    assert in_order([5, 3, 4], []) == [3, 4, 5]


def test_a_rendition_that_nobody_watches_comes_before_one_that_somebody_does():
    unwatched = max(dispensable(CUTS, range(60), {}, [], AHEAD))
    watched = min(dispensable(CUTS, range(60), {59: 0.0}, [], AHEAD))

    assert unwatched < watched


def test_for_another_who_waits_the_look_ahead_of_the_oldest_position_is_evicted_the_farthest_first():
    stored = [*range(10, 13), *range(40, 43)]
    spared = sorted(dispensable(CUTS, stored, {40: 2.0, 10: 1.0, 55: 3.0}, [55, 41], AHEAD, urgent=True))

    assert [number for _, number in spared] == [12, 11, 10, 42, 40]


numbers = st.integers(0, SEGMENTS - 1)


@given(st.sets(numbers), st.lists(numbers, max_size=3), st.lists(numbers, max_size=3))
def test_a_segment_that_a_viewer_waits_for_or_will_soon_ask_for_is_never_evicted(stored, viewers, waiting):
    spared = set(in_order(stored, viewers, waiting))

    assert spared <= stored
    assert not spared & set(waiting)
    for at in viewers:
        assert not spared & set(range(at, min(at + 16, SEGMENTS)))


@given(st.sets(numbers), st.lists(numbers, max_size=3))
def test_no_more_is_kept_than_the_look_ahead_of_each_viewer(stored, viewers):
    assert len(stored) - len(in_order(stored, viewers)) <= 17 * len(viewers)


# ---- lacking bytes


@pytest.mark.parametrize(
    ("taken", "own", "free", "wanted", "urgent", "lacking"),
    [
        (0, 0, None, 400, True, (0, 0)),
        (0, 0, None, 401, True, (1, 0)),
        (900, 0, None, 100, True, (0, 0)),
        (900, 0, None, 150, True, (0, 50)),
        (900, 350, None, 150, True, (100, 50)),
        (0, 0, None, 361, False, (1, 0)),
        (890, 0, None, 30, False, (0, 20)),
        (0, 0, FLOOR + 20, 30, True, (0, 10)),
        (0, 0, FLOOR + 30, 30, True, (0, 0)),
        (0, 0, 0, 30, True, (0, FLOOR + 30)),
    ],
)
def test_so_much_is_lacking(taken, own, free, wanted, urgent, lacking):
    assert bytes_lacking(BUDGET, taken, own, free, wanted, urgent=urgent) == lacking


MANY = 10**9


@pytest.mark.parametrize(
    ("budget", "taken", "own", "free", "wanted", "lacking"),
    [
        (Budget(), 0, 0, MANY, MANY * 8 // 10 * 9 // 10, (MANY * 8 // 10 * 9 // 10 * 3 // 4, 0)),
        (
            Budget(),
            MANY,
            0,
            MANY,
            MANY,
            (MANY - MANY * 2 * 8 // 10 * 9 // 10 // 4, MANY * 2 - MANY * 2 * 8 // 10 * 9 // 10),
        ),
        (Budget(in_all=1000), 0, 0, MANY, 225, (0, 0)),
        (Budget(in_all=1000), 0, 0, MANY, 226, (1, 0)),
        (Budget(of_one=100), 0, 0, MANY, 90, (0, 0)),
        (Budget(of_one=100), 0, 0, MANY, 91, (1, 0)),
    ],
)
def test_a_limit_that_is_not_set_is_a_share_of_the_space_that_others_leave(budget, taken, own, free, wanted, lacking):
    assert bytes_lacking(budget, taken, own, free, wanted, urgent=False) == lacking


def test_a_share_of_one_session_that_nobody_has_set_keeps_no_viewer_waiting():
    assert bytes_lacking(Budget(in_all=1000), 0, 300, None, 500, urgent=True) == (0, 0)
    assert bytes_lacking(Budget(in_all=1000, of_one=250), 0, 300, None, 500, urgent=True) == (550, 0)
