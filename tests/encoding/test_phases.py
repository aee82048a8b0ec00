"""The phases of a segment that a viewer waits for."""

from __future__ import annotations

import pytest

from hls_sessions.encoding import PHASES, Phases

VIDEO = "video-90p"


class Done(list):
    def __call__(self, rendition, number, stamps):
        self.append((rendition, number, stamps.phases))


@pytest.fixture
def done():
    return Done()


@pytest.fixture
def phases(hls_clock, done):
    return Phases(hls_clock.monotonic, done)


def test_each_phase_lasts_from_the_end_of_the_one_before(phases, done, hls_clock):
    hls_clock.advance(100)
    phases.begin(VIDEO, 4)
    hls_clock.advance(0.5)
    phases.reach(VIDEO, 4, "schedule")
    hls_clock.advance(2)
    phases.reach(VIDEO, 4, "file")
    hls_clock.advance(1)
    phases.end(VIDEO, 4, awaited=True)

    assert done == [(VIDEO, 4, {"schedule": 0.5, "file": 2, "publish": 1})]


def test_a_phase_that_is_gone_through_again_is_the_sum_of_both(phases, done, hls_clock):
    phases.begin(VIDEO, 0)
    for _ in range(2):
        hls_clock.advance(1)
        phases.reach(VIDEO, 0, "fork")
        hls_clock.advance(2)
        phases.reach(VIDEO, 0, "file")
    phases.end(VIDEO, 0, awaited=True)

    assert done == [(VIDEO, 0, {"fork": 2, "file": 4, "publish": 0})]


def test_a_time_noted_by_another_thread_takes_no_phase_back(phases, done, hls_clock):
    phases.begin(VIDEO, 0)
    began = hls_clock.monotonic()
    hls_clock.advance(3)
    phases.reach(VIDEO, 0, "fork")
    phases.reach(VIDEO, 0, "first_packet", began + 1)
    hls_clock.advance(1)
    phases.end(VIDEO, 0, awaited=True)

    assert done == [(VIDEO, 0, {"fork": 3, "first_packet": 0, "publish": 1})]


def test_nothing_is_told_of_a_segment_that_nobody_waits_for(phases, done):
    phases.reach(VIDEO, 0, "file")
    phases.end(VIDEO, 0, awaited=True)
    phases.begin(VIDEO, 1)
    phases.end(VIDEO, 1, awaited=False)
    phases.end(VIDEO, 1, awaited=True)

    assert done == []


def test_a_viewer_who_comes_back_to_a_segment_begins_anew(phases, done, hls_clock):
    phases.begin(VIDEO, 0)
    hls_clock.advance(60)
    phases.begin(VIDEO, 0)
    hls_clock.advance(1)
    phases.end(VIDEO, 0, awaited=True)

    assert done == [(VIDEO, 0, {"publish": 1})]


def test_a_viewer_who_joins_others_waits_with_the_first_of_them(phases, done, hls_clock):
    phases.begin(VIDEO, 0, joins=True)
    hls_clock.advance(2)
    phases.begin(VIDEO, 0, joins=True)
    hls_clock.advance(1)
    phases.end(VIDEO, 0, awaited=True)

    assert done == [(VIDEO, 0, {"publish": 3})]


def test_every_phase_has_a_name_of_its_own():
    assert len(set(PHASES)) == len(PHASES)
