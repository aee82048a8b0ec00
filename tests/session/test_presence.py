"""When a session that nobody uses any more expires."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from hls_sessions.otp import ManualClock
from hls_sessions.session.presence import Presence

IDLE, TTL = 1800.0, 90.0


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def presence(clock):
    return Presence(clock, IDLE, TTL)


def now(clock):
    return datetime.fromtimestamp(clock.time(), UTC)


def test_without_subscribers_only_the_idle_time_counts(presence, clock):
    clock.advance(IDLE - 1)
    assert (presence.due_in, presence.overdue) == (1, None)
    clock.advance(1)

    assert presence.overdue == "nothing was asked of it for 1800 seconds"


def test_any_request_begins_the_idle_time_anew(presence, clock):
    clock.advance(1000)
    presence.touch()

    assert presence.due_in == IDLE
    assert presence.last_activity_at == now(clock)


def test_a_session_with_a_subscriber_is_never_overdue(presence, clock):
    presence.subscriber_came()
    clock.advance(10 * IDLE)

    assert presence.overdue is None
    assert presence.due_in == IDLE
    assert (presence.subscribers, presence.last_subscriber_left_at) == (1, None)


def test_when_the_last_subscriber_has_left_a_shorter_time_counts(presence, clock):
    presence.subscriber_came()
    presence.subscriber_came()
    clock.advance(IDLE)
    presence.subscriber_left()
    assert (presence.subscribers, presence.last_subscriber_left_at) == (1, None)
    presence.subscriber_left()

    assert presence.last_subscriber_left_at == now(clock)
    assert presence.due_in == TTL
    clock.advance(TTL)
    assert presence.overdue == "nothing was asked of it for 90 seconds after its last subscriber left"


def test_a_new_subscriber_ends_the_shorter_time(presence, clock):
    presence.subscriber_came()
    presence.subscriber_left()
    clock.advance(TTL - 1)
    presence.subscriber_came()

    assert presence.last_subscriber_left_at is None
    clock.advance(TTL)
    assert presence.overdue is None


def test_a_request_begins_the_shorter_time_anew(presence, clock):
    presence.subscriber_came()
    presence.subscriber_left()
    left = presence.last_subscriber_left_at
    clock.advance(TTL - 1)
    presence.touch()

    assert presence.due_in == TTL
    assert presence.last_subscriber_left_at == left


def test_leaving_never_gives_more_time_than_the_idle_time(clock):
    presence = Presence(clock, idle_timeout=5, subscriber_ttl=90)
    presence.subscriber_came()
    presence.subscriber_left()

    assert presence.due_in == 5
