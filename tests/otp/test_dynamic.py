import threading
from queue import Queue

import pytest

from hls_sessions.otp import (
    AlreadyStarted,
    Backoff,
    ChildSpec,
    Crash,
    DynamicSupervisor,
    GenServer,
    Intensity,
    ManualClock,
    NoChild,
    Restart,
    Shutdown,
    StartError,
    Supervisor,
    Timers,
    start_child,
    terminate_child,
    which_children,
)
from hls_sessions.otp.child import BRUTAL_KILL
from hls_sessions.otp.errors import MaxChildren, NotSupported
from hls_sessions.otp.reasons import KILLED, NORMAL, SHUTDOWN
from hls_sessions.otp.supervision import ChildCount, ChildInfo, TerminateChild, count_children, delete_child

PATIENCE = 10.0
OFTEN = Intensity(restarts=100_000)
CRASH = Crash(ValueError("broken"))


class Lives(GenServer):
    pass


class LeavesInItsOwnWay(GenServer):
    """Ends with a reason of its own choice."""

    def init(self, reason):
        self.reason = reason

    def terminate(self, reason):
        raise self.reason


class LeavesWhenReleased(GenServer):
    def init(self, leaving, release):
        self.leaving, self.release = leaving, release

    def terminate(self, reason):
        self.leaving.put(self.ref)
        self.release.wait(PATIENCE)


def child(name, **options):
    return ChildSpec(name, Lives.start_link, **options)


def fails(name, *, after=1, then_works_again=False, error=None, **options):
    attempts = []

    def start():
        attempts.append(name)
        if len(attempts) <= after or (then_works_again and len(attempts) > after + 1):
            return Lives.start_link()
        raise error or ValueError("cannot start")

    return ChildSpec(name, start, **options)


def end(ref, reason):
    ref.exit(reason)
    ref.wait(PATIENCE)


# ---- starting


def test_it_can_be_supervised(start):
    spec = ChildSpec("sessions", DynamicSupervisor.start_link, shutdown=None)
    [info] = which_children(start(Supervisor, [spec]))
    assert which_children(info.ref) == []


def test_children_are_started_when_asked_for(start):
    supervisor = start(DynamicSupervisor)
    first = start_child(supervisor, child(1))
    second = start_child(supervisor, child(2))
    assert which_children(supervisor) == [
        ChildInfo(1, first, restarting=False),
        ChildInfo(2, second, restarting=False),
    ]


@pytest.mark.parametrize("error", [ValueError("no"), StartError("x", NORMAL)])
def test_a_child_that_does_not_start_is_not_kept(start, error):
    supervisor = start(DynamicSupervisor)
    with pytest.raises(StartError):
        start_child(supervisor, fails(1, after=0, error=error))
    assert count_children(supervisor) == ChildCount(specs=0, active=0, restarting=0)


def test_starting_a_child_that_is_there_tells_which_it_is(start):
    supervisor = start(DynamicSupervisor)
    ref = start_child(supervisor, child(1))
    with pytest.raises(AlreadyStarted) as failure:
        start_child(supervisor, child(1))
    assert failure.value.ref is ref


def test_more_children_than_the_maximum_are_refused(start):
    supervisor = start(DynamicSupervisor, max_children=1)
    start_child(supervisor, child(1))
    with pytest.raises(MaxChildren, match="1 children and may have no more"):
        start_child(supervisor, child(2))


def test_a_maximum_of_zero_allows_none(start):
    with pytest.raises(MaxChildren):
        start_child(start(DynamicSupervisor, max_children=0), child(1))


def test_a_negative_maximum_is_refused():
    with pytest.raises(StartError, match="max_children cannot be negative: -1"):
        DynamicSupervisor.start(max_children=-1)


def test_an_ended_child_makes_room_for_another(start):
    supervisor = start(DynamicSupervisor, max_children=1)
    end(start_child(supervisor, child(1, restart=Restart.TEMPORARY)), CRASH)
    start_child(supervisor, child(2))


def test_a_child_that_was_restarted_still_counts(start):
    supervisor = start(DynamicSupervisor, max_children=1)
    end(start_child(supervisor, child(1)), CRASH)
    with pytest.raises(MaxChildren):
        start_child(supervisor, child(2))


def test_a_child_that_waits_to_be_restarted_counts_too(start):
    clock = ManualClock()
    supervisor = start(DynamicSupervisor, max_children=1, clock=clock, timers=Timers(clock))
    end(start_child(supervisor, child(1, backoff=Backoff(first=1))), CRASH)
    assert count_children(supervisor) == ChildCount(specs=1, active=0, restarting=1)
    with pytest.raises(MaxChildren):
        start_child(supervisor, child(2))


def test_children_that_die_at_once_leave_nothing_behind(start):
    def start_and_kill():
        ref = Lives.start_link()
        ref.kill()
        return ref

    supervisor = start(DynamicSupervisor)
    for number in range(10):
        start_child(supervisor, ChildSpec(number, start_and_kill, restart=Restart.TEMPORARY))
    assert count_children(supervisor).specs == 0
    assert not supervisor.process._watches
    assert not supervisor.process._links


# ---- restarting


@pytest.mark.parametrize("reason", [SHUTDOWN, CRASH, KILLED])
def test_a_temporary_child_is_never_restarted(start, reason):
    supervisor = start(DynamicSupervisor)
    end(start_child(supervisor, child(1, restart=Restart.TEMPORARY)), reason)
    assert count_children(supervisor) == ChildCount(specs=0, active=0, restarting=0)


@pytest.mark.parametrize("reason", [NORMAL, SHUTDOWN, Shutdown("idle")])
def test_a_transient_child_that_ended_in_order_is_forgotten(start, reason):
    supervisor = start(DynamicSupervisor)
    start_child(supervisor, child(1, restart=Restart.TRANSIENT)).stop(reason)
    assert count_children(supervisor) == ChildCount(specs=0, active=0, restarting=0)


def test_a_transient_child_that_crashed_is_restarted(start):
    supervisor = start(DynamicSupervisor)
    end(start_child(supervisor, child(1, restart=Restart.TRANSIENT)), CRASH)
    assert count_children(supervisor) == ChildCount(specs=1, active=1, restarting=0)


@pytest.mark.parametrize("reason", [SHUTDOWN, Shutdown("idle"), CRASH])
def test_a_permanent_child_is_restarted_whatever_the_reason(start, reason):
    supervisor = start(DynamicSupervisor)
    ref = start_child(supervisor, child(1))
    end(ref, reason)
    [info] = which_children(supervisor)
    assert info.ref not in (None, ref)


def test_siblings_are_not_restarted(start):
    supervisor = start(DynamicSupervisor)
    crashes, stays = start_child(supervisor, child(1)), start_child(supervisor, child(2))
    end(crashes, CRASH)
    assert which_children(supervisor)[1].ref is stays


def test_a_supervisor_keeps_its_children_whatever_befalls_them(start):
    supervisor = start(DynamicSupervisor, intensity=OFTEN)
    for number in range(5):
        start_child(supervisor, child(number))
    for blow in (lambda ref: ref.kill(), lambda ref: ref.exit(CRASH), lambda ref: ref.ask("an unknown request")) * 2:
        for info in which_children(supervisor):
            blow(info.ref)
            info.ref.wait(PATIENCE)
    assert count_children(supervisor) == ChildCount(specs=5, active=5, restarting=0)


def test_a_restart_that_fails_is_tried_again(start):
    supervisor = start(DynamicSupervisor, intensity=Intensity(2, 5))
    end(start_child(supervisor, fails(1, then_works_again=True)), CRASH)
    while count_children(supervisor).restarting:
        pass
    assert count_children(supervisor) == ChildCount(specs=1, active=1, restarting=0)


def test_too_many_restarts_end_the_supervisor_with_shutdown(start):
    supervisor = start(DynamicSupervisor, intensity=Intensity(1, 5), clock=ManualClock())
    sibling = start_child(supervisor, child(2))
    end(start_child(supervisor, child(1)), CRASH)
    end(which_children(supervisor)[1].ref, CRASH)
    assert supervisor.wait(PATIENCE) == SHUTDOWN
    assert sibling.wait(0) == SHUTDOWN


def test_a_child_that_always_fails_to_restart_ends_the_supervisor(start):
    supervisor = start(DynamicSupervisor, intensity=Intensity(10, 5))
    end(start_child(supervisor, fails(1)), SHUTDOWN)
    assert supervisor.wait(PATIENCE) == SHUTDOWN


def test_a_backoff_delays_every_restart_longer(start):
    clock = ManualClock()
    supervisor = start(DynamicSupervisor, intensity=OFTEN, clock=clock, timers=Timers(clock))
    spec = child(1, backoff=Backoff(first=1, factor=2))
    ref = start_child(supervisor, spec)
    for delay in (1, 2):
        end(ref, CRASH)
        assert count_children(supervisor).restarting == 1
        clock.advance(delay - 0.1)
        assert count_children(supervisor).restarting == 1
        clock.advance(0.1)
        [info] = which_children(supervisor)
        ref = info.ref
        assert ref.is_alive()


# ---- limits of one's own


def test_a_child_that_exceeds_its_own_limit_is_given_up_and_the_others_live_on(start):
    given_up = Queue()
    supervisor = start(
        DynamicSupervisor,
        intensity=Intensity(0, 5),
        clock=ManualClock(),
        on_give_up=lambda *news: given_up.put(news),
    )
    spec = child("bad", intensity=Intensity(2, 60))
    start_child(supervisor, spec)
    good = start_child(supervisor, child("good"))
    for _ in range(3):
        end(which_children(supervisor)[0].ref, CRASH)
    assert which_children(supervisor) == [ChildInfo("good", good, restarting=False)]
    assert given_up.get_nowait() == (spec, CRASH)


def test_a_child_that_cannot_be_restarted_is_given_up_with_that_reason(start):
    given_up = Queue()
    supervisor = start(DynamicSupervisor, on_give_up=lambda *news: given_up.put(news))
    end(start_child(supervisor, fails(1, intensity=Intensity(3, 60))), CRASH)
    _, reason = given_up.get(timeout=PATIENCE)
    assert isinstance(reason.error, StartError)
    assert count_children(supervisor).specs == 0


def test_a_listener_for_children_given_up_cannot_crash_the_supervisor(start, caplog):
    def breaks(*_):
        raise ValueError("in the listener")

    supervisor = start(DynamicSupervisor, on_give_up=breaks)
    end(start_child(supervisor, child(1, intensity=Intensity(0, 60))), CRASH)
    assert count_children(supervisor).specs == 0
    assert "in the listener" in caplog.text


# ---- terminating a child


@pytest.mark.parametrize(("shutdown", "reason"), [(BRUTAL_KILL, KILLED), (5.0, SHUTDOWN), (None, SHUTDOWN)])
def test_a_terminated_child_is_gone_and_forgotten(start, shutdown, reason):
    supervisor = start(DynamicSupervisor)
    ref = start_child(supervisor, child(1, shutdown=shutdown))
    terminate_child(supervisor, 1)
    assert ref.wait(0) == reason
    assert count_children(supervisor) == ChildCount(specs=0, active=0, restarting=0)
    with pytest.raises(NoChild):
        terminate_child(supervisor, 1)


def test_a_child_that_waits_to_be_restarted_can_be_terminated(start):
    clock = ManualClock()
    supervisor = start(DynamicSupervisor, clock=clock, timers=Timers(clock))
    end(start_child(supervisor, child(1, backoff=Backoff(first=1))), CRASH)
    terminate_child(supervisor, 1)
    clock.advance(10)
    assert count_children(supervisor) == ChildCount(specs=0, active=0, restarting=0)


def test_a_child_that_takes_its_time_to_end_holds_nobody_else_up(start):
    leaving, release = Queue(), threading.Event()
    supervisor = start(DynamicSupervisor)
    ref = start_child(supervisor, ChildSpec(1, lambda: LeavesWhenReleased.start_link(leaving, release)))
    replies = [supervisor.ask(TerminateChild(1)), supervisor.ask(TerminateChild(1))]
    leaving.get(timeout=PATIENCE)
    start_child(supervisor, child(2))
    with pytest.raises(AlreadyStarted):
        start_child(supervisor, child(1))
    assert not replies[0].done()
    release.set()
    assert [reply.get(PATIENCE) for reply in replies] == [None, None]
    assert ref.wait(0) == SHUTDOWN
    assert [each.id for each in which_children(supervisor)] == [2]


def test_a_terminated_child_that_takes_too_long_is_killed(start, caplog):
    leaving, release = Queue(), threading.Event()
    supervisor = start(DynamicSupervisor)
    spec = ChildSpec(1, lambda: LeavesWhenReleased.start_link(leaving, release), shutdown=0.01)
    ref = start_child(supervisor, spec)
    terminate_child(supervisor, 1)
    assert ref.wait(0) is KILLED
    assert "did not end within 0.01 s and is killed" in caplog.text
    release.set()


def test_a_request_that_only_a_static_supervisor_can_meet_is_refused(start):
    supervisor = start(DynamicSupervisor)
    start_child(supervisor, child(1))
    with pytest.raises(NotSupported):
        delete_child(supervisor, 1)
    assert supervisor.is_alive()


# ---- ending


def test_all_children_are_told_to_end_before_any_is_waited_for(start):
    leaving, release = Queue(), threading.Event()
    supervisor = start(DynamicSupervisor)
    for number in range(5):
        start_child(supervisor, ChildSpec(number, lambda: LeavesWhenReleased.start_link(leaving, release)))
    supervisor.exit(CRASH)
    stopping = threading.Thread(target=supervisor.stop)
    stopping.start()
    for _ in range(5):
        leaving.get(timeout=PATIENCE)
    release.set()
    stopping.join(PATIENCE)
    assert not supervisor.is_alive()


def test_children_end_as_their_specs_say(start):
    leaving, release = Queue(), threading.Event()
    supervisor = start(DynamicSupervisor)
    error = ValueError("my own way")
    specs = {
        "infinity": child("infinity", shutdown=None),
        "bounded": child("bounded", shutdown=5),
        "brutal": child("brutal", shutdown=BRUTAL_KILL),
        "late": ChildSpec("late", lambda: LeavesWhenReleased.start_link(leaving, release), shutdown=0.01),
        "own": ChildSpec("own", lambda: LeavesInItsOwnWay.start_link(error), shutdown=None),
    }
    refs = {name: start_child(supervisor, spec) for name, spec in specs.items()}
    supervisor.stop()
    assert {name: ref.wait(0) for name, ref in refs.items()} == {
        "infinity": SHUTDOWN,
        "bounded": SHUTDOWN,
        "brutal": KILLED,
        "late": KILLED,
        "own": Crash(error),
    }
    release.set()


def test_children_of_a_killed_supervisor_end(start):
    supervisor = start(DynamicSupervisor)
    ref = start_child(supervisor, child(1))
    supervisor.kill()
    assert ref.wait(PATIENCE) is KILLED


def test_a_caller_that_waits_for_a_child_to_end_is_answered_when_the_supervisor_ends(start):
    leaving, release = Queue(), threading.Event()
    supervisor = start(DynamicSupervisor)
    start_child(supervisor, ChildSpec(1, lambda: LeavesWhenReleased.start_link(leaving, release)))
    reply = supervisor.ask(TerminateChild(1))
    leaving.get(timeout=PATIENCE)
    supervisor.kill()
    with pytest.raises(Exception, match="ended before it answered: killed"):
        reply.get(0)
    release.set()
