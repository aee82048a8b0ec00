import pytest
from hypothesis import given
from hypothesis import strategies as st

from hls_sessions.otp import Backoff, ChildSpec, Crash, Intensity, Restart, Shutdown
from hls_sessions.otp.reasons import KILLED, NO_PROCESS, NORMAL, SHUTDOWN

ENDINGS = [NORMAL, SHUTDOWN, Shutdown("idle"), KILLED, NO_PROCESS, Crash(ValueError())]


def never():
    raise AssertionError


@pytest.mark.parametrize(
    ("restart", "followed"),
    [
        (Restart.PERMANENT, [True, True, True, True, True, True]),
        (Restart.TRANSIENT, [False, False, False, True, True, True]),
        (Restart.TEMPORARY, [False, False, False, False, False, False]),
    ],
)
def test_whether_a_restart_follows_an_end(restart, followed):
    assert [restart.applies_to(reason) for reason in ENDINGS] == followed


# ---- intensity


def test_as_many_restarts_as_the_intensity_says_are_admitted():
    intensity, past = Intensity(restarts=2, seconds=5), ()
    past = intensity.admit(past, now=1)
    past = intensity.admit(past, now=2)
    assert past == (1, 2)
    assert intensity.admit(past, now=3) is None


def test_restarts_before_the_period_do_not_count():
    intensity = Intensity(restarts=2, seconds=5)
    assert intensity.admit((1, 2), now=6.5) == (2, 6.5)


def test_a_restart_at_the_very_beginning_of_the_period_counts():
    assert Intensity(restarts=1, seconds=5).admit((1,), now=6) is None


def test_an_intensity_of_zero_admits_nothing():
    assert Intensity(restarts=0).admit((), now=1) is None


@given(st.integers(0, 5), st.floats(0.1, 10), st.lists(st.floats(0, 5), max_size=40))
def test_no_period_ever_holds_more_restarts_than_were_allowed(restarts, seconds, pauses):
    intensity, past, now, admitted = Intensity(restarts, seconds), (), 0.0, []
    for pause in pauses:
        now += pause
        decision = intensity.admit(past, now)
        if decision is not None:
            past = decision
            admitted.append(now)
    for end in admitted:
        assert sum(end - seconds <= then <= end for then in admitted) <= restarts


@pytest.mark.parametrize(("restarts", "seconds"), [(-1, 5), (3, 0), (3, -1)])
def test_an_intensity_that_makes_no_sense_is_refused(restarts, seconds):
    with pytest.raises(ValueError, match=r"negative|longer"):
        Intensity(restarts, seconds)


# ---- backoff


def test_delays_grow_by_the_factor_up_to_the_limit():
    backoff = Backoff(first=0.5, factor=2, limit=3)
    assert [backoff.delay(attempt) for attempt in range(1, 6)] == [0.5, 1, 2, 3, 3]


def test_without_a_first_delay_there_is_none():
    assert Backoff().delay(7) == 0


def test_no_number_of_attempts_is_too_many():
    assert Backoff(first=1, factor=10).delay(10**9) == 5


@pytest.mark.parametrize("wrong", [{"first": -1}, {"factor": 0.5}, {"limit": -1}])
def test_a_backoff_that_makes_no_sense_is_refused(wrong):
    with pytest.raises(ValueError, match=r"negative|shrink"):
        Backoff(**wrong)


# ---- specs


def test_a_spec_has_the_defaults_of_otp():
    spec = ChildSpec("id", never)
    assert spec.restart is Restart.PERMANENT
    assert spec.shutdown == 5
    assert spec.intensity is None
    assert spec.backoff is None


def test_a_spec_with_a_negative_shutdown_is_refused():
    with pytest.raises(ValueError, match="the shutdown of child 'id' cannot be negative: -1 s"):
        ChildSpec("id", never, shutdown=-1)


def test_a_spec_whose_start_cannot_be_called_is_refused():
    with pytest.raises(TypeError, match="the start of child 'id' cannot be called: 42"):
        ChildSpec("id", 42)
