"""The rule by which ended sessions are kept: failed ones an hour, completed ones six, anything a day."""

from __future__ import annotations

import pytest

from hls_sessions.store import Retention

HOUR = 3600
NOW = 1_700_000_000.0


@pytest.mark.parametrize(("state", "hours"), [("failed", 1), ("completed", 6), ("expired", 24)])
def test_a_session_is_kept_for_so_many_hours_after_its_end(state, hours):
    rule = Retention()

    assert not rule.is_over(state, NOW - hours * HOUR + 1, NOW)
    assert rule.is_over(state, NOW - hours * HOUR, NOW)


@pytest.mark.parametrize("state", ["pending", "active", "paused"])
def test_a_session_that_lives_is_always_kept(state):
    assert not Retention().is_over(state, None, NOW + 1e9)


def test_the_bound_of_all_bounds_each():
    rule = Retention(failed=10, completed=20, anything=5)

    assert [rule.of(state) for state in ("failed", "completed", "expired")] == [5, 5, 5]
