import time

import pytest

from hls_sessions.otp import ManualClock, SystemClock


def test_the_system_clock_reads_the_machines_time():
    clock = SystemClock()
    before = time.monotonic(), time.time()
    now = clock.monotonic(), clock.time()
    after = time.monotonic(), time.time()
    assert before <= now <= after


def test_a_manual_clock_stands_still():
    clock = ManualClock(monotonic=5, time=1000)
    assert (clock.monotonic(), clock.time()) == (5, 1000)
    assert (clock.monotonic(), clock.time()) == (5, 1000)


def test_both_readings_advance_together():
    clock = ManualClock(monotonic=5, time=1000)
    clock.advance(2.5)
    assert (clock.monotonic(), clock.time()) == (7.5, 1002.5)


def test_setting_the_wall_clock_moves_only_that():
    clock = ManualClock(monotonic=5, time=1000)
    clock.set_time(10)
    clock.advance(1)
    assert (clock.monotonic(), clock.time()) == (6, 11)


def test_time_does_not_go_back():
    with pytest.raises(ValueError, match="does not go back"):
        ManualClock().advance(-1)


def test_a_manual_clock_prints_its_time():
    assert repr(ManualClock(monotonic=2.5)) == "<ManualClock at 2.5 s>"
