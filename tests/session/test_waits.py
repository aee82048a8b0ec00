"""How long viewers wait: for the first segment, and in vain."""

from __future__ import annotations

import pytest

from hls_sessions.session.waits import Waits


@pytest.fixture
def waits(hls_clock):
    return Waits(hls_clock.monotonic)


def test_the_first_wait_is_from_the_first_request_to_the_first_segment(waits, hls_clock):
    hls_clock.advance(100)
    waits.asked(waiting=0)
    hls_clock.advance(0.5)
    waits.asked(waiting=1)
    hls_clock.advance(0.25)
    waits.made(1)

    assert waits.first == 0.75


def test_later_segments_do_not_change_the_first_wait(waits, hls_clock):
    waits.asked(waiting=0)
    hls_clock.advance(1)
    waits.made(1)
    hls_clock.advance(5)
    waits.asked(waiting=0)
    waits.made(2)

    assert waits.first == 1


def test_there_is_no_first_wait_before_the_first_segment(waits, hls_clock):
    waits.asked(waiting=0)
    hls_clock.advance(1)
    waits.made(0)

    assert waits.first is None


def test_a_viewer_who_waits_and_gets_nothing_waits_in_vain(waits, hls_clock):
    hls_clock.advance(100)
    waits.asked(waiting=0)
    hls_clock.advance(7)

    assert waits.in_vain(waiting=1) == 7


def test_without_a_viewer_who_waits_nobody_waits_in_vain(waits, hls_clock):
    waits.asked(waiting=0)
    hls_clock.advance(7)

    assert waits.in_vain(waiting=0) == 0


def test_a_second_viewer_does_not_hide_how_long_the_first_has_waited(waits, hls_clock):
    waits.asked(waiting=0)
    hls_clock.advance(7)
    waits.asked(waiting=1)
    hls_clock.advance(1)

    assert waits.in_vain(waiting=2) == 8


def test_a_segment_for_one_viewer_begins_the_vain_wait_of_all_anew(waits, hls_clock):
    waits.asked(waiting=0)
    hls_clock.advance(7)
    waits.made(1)
    hls_clock.advance(2)

    assert waits.in_vain(waiting=1) == 2
