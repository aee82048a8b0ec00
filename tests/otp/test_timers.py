import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hls_sessions.otp import ManualClock, Timers, TimerServer

PATIENCE = 10.0


class NotesMessages:
    """Stands in for the ref of a server."""

    def __init__(self, clock):
        self.clock = clock
        self.notes = []

    def send(self, message):
        self.notes.append((self.clock.monotonic(), message))

    def is_alive(self):
        return True


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def timers(clock):
    return Timers(clock)


def test_a_message_arrives_when_its_time_has_come(mailbox, clock, timers):
    timers.send_after(mailbox.ref, "wake up", 10)
    clock.advance(9.9)
    assert mailbox.is_empty()
    clock.advance(0.1)
    assert mailbox.next() == "wake up"


def test_a_message_arrives_once(mailbox, clock, timers):
    timers.send_after(mailbox.ref, "wake up", 1)
    clock.advance(10)
    mailbox.next()
    clock.advance(10)
    assert mailbox.is_empty()


def test_each_timer_sees_the_clock_at_its_own_deadline(clock, timers):
    ref = NotesMessages(clock)
    timers.send_after(ref, "second", 2)
    timers.send_after(ref, "first", 1)
    clock.advance(10)
    assert ref.notes == [(1, "first"), (2, "second")]
    assert clock.monotonic() == 10


def test_timers_of_one_deadline_fire_in_the_order_they_were_set(clock, timers):
    ref = NotesMessages(clock)
    for number in range(5):
        timers.send_after(ref, number, 1)
    clock.advance(1)
    assert [message for _, message in ref.notes] == [0, 1, 2, 3, 4]


def test_two_sets_of_timers_share_a_clock_in_the_order_of_time(clock, timers):
    ref, others = NotesMessages(clock), Timers(clock)
    timers.send_after(ref, "first", 1)
    others.send_after(ref, "second", 2)
    timers.send_after(ref, "third", 3)
    clock.advance(3)
    assert [message for _, message in ref.notes] == ["first", "second", "third"]


def test_a_cancelled_timer_never_fires(mailbox, clock, timers):
    timer = timers.send_after(mailbox.ref, "wake up", 1)
    assert timers.cancel(timer)
    clock.advance(2)
    assert mailbox.is_empty()


def test_a_timer_that_fired_cannot_be_cancelled(mailbox, clock, timers):
    timer = timers.send_after(mailbox.ref, "wake up", 1)
    clock.advance(1)
    assert not timers.cancel(timer)
    assert mailbox.next() == "wake up"


def test_a_timer_can_be_cancelled_once(mailbox, timers):
    timer = timers.send_after(mailbox.ref, "wake up", 1)
    assert timers.cancel(timer)
    assert not timers.cancel(timer)


@pytest.mark.parametrize("seconds", [0, -1])
def test_zero_seconds_or_less_is_as_soon_as_timers_fire(mailbox, clock, timers, seconds):
    timers.send_after(mailbox.ref, "now", seconds)
    clock.advance(0)
    assert mailbox.next() == "now"


def test_a_timer_to_a_dead_server_is_harmless(mailbox, clock, timers):
    timers.send_after(mailbox.ref, "wake up", 1)
    mailbox.ref.stop()
    clock.advance(1)


def test_cancelled_timers_do_not_pile_up(mailbox, timers):
    for _ in range(10_000):
        timers.cancel(timers.send_after(mailbox.ref, "idle", 1800))
    assert len(timers) < 100


def test_timers_to_dead_servers_do_not_pile_up(mailbox, timers):
    mailbox.ref.stop()
    for _ in range(10_000):
        timers.send_after(mailbox.ref, "idle", 1800)
    assert len(timers) < 100


def test_a_timer_prints_its_server_its_time_and_its_state(mailbox, timers):
    timer = timers.send_after(mailbox.ref, "wake up", 1)
    assert repr(timer) == f"<Timer to {mailbox.ref} at 1 s [pending]>"
    timers.cancel(timer)
    assert repr(timer).endswith("[over]>")


@given(
    st.lists(st.tuples(st.integers(0, 20), st.booleans())),
    st.lists(st.integers(0, 10), max_size=6),
)
def test_timers_that_are_due_and_not_cancelled_fire_in_order_however_time_passes(plan, steps):
    clock = ManualClock()
    timers, ref = Timers(clock), NotesMessages(clock)
    set_timers = [(timers.send_after(ref, number, after), cut) for number, (after, cut) in enumerate(plan)]
    for timer, is_cancelled in set_timers:
        if is_cancelled:
            timers.cancel(timer)
    for step in steps:
        clock.advance(step)
    expected = [(after, number) for number, (after, is_cancelled) in enumerate(plan) if not is_cancelled]
    assert ref.notes == sorted(entry for entry in expected if entry[0] <= sum(steps) and steps)


# ---- on the system clock


def test_a_timer_server_fires_timers_as_time_passes(start, mailbox):
    timers = Timers()
    start(TimerServer, timers)
    timers.send_after(mailbox.ref, "first", 0.01)
    timers.send_after(mailbox.ref, "second", 0.02)
    assert [mailbox.next(), mailbox.next()] == ["first", "second"]


def test_a_near_timer_is_not_held_up_by_a_far_one(start, mailbox):
    timers = Timers()
    start(TimerServer, timers)
    timers.send_after(mailbox.ref, "far", 3600)
    timers.send_after(mailbox.ref, "near", 0.01)
    assert mailbox.next() == "near"


def test_all_timers_share_one_thread(start, mailbox):
    timers = Timers()
    start(TimerServer, timers)
    before = threading.active_count()
    for _ in range(100):
        timers.send_after(mailbox.ref, "later", 3600)
    assert threading.active_count() == before


def test_timers_wait_for_the_next_server_when_theirs_has_crashed(start, mailbox):
    timers = Timers()
    start(TimerServer, timers).kill()
    timers.send_after(mailbox.ref, "late", 0)
    assert mailbox.is_empty()
    start(TimerServer, timers)
    assert mailbox.next() == "late"


def test_a_timer_server_leaves_a_manual_clock_alone(start, mailbox, clock, timers):
    start(TimerServer, timers)
    timers.send_after(mailbox.ref, "wake up", 0)
    assert mailbox.is_empty()
    clock.advance(0)
    assert mailbox.next() == "wake up"


def test_a_timer_that_is_never_due_keeps_nobody_from_waiting(start, mailbox):
    timers = Timers()
    start(TimerServer, timers)
    timers.send_after(mailbox.ref, "never", float("inf"))
    timers.send_after(mailbox.ref, "soon", 0.01)
    assert mailbox.next() == "soon"
