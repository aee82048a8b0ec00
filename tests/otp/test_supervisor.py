import threading
from queue import Queue

import pytest

from hls_sessions.otp import (
    AlreadyStarted,
    Backoff,
    ChildSpec,
    Crash,
    GenServer,
    Intensity,
    ManualClock,
    NoChild,
    Restart,
    Shutdown,
    StartError,
    Strategy,
    Supervisor,
    Timers,
    start_child,
    terminate_child,
    which_children,
)
from hls_sessions.otp.child import BRUTAL_KILL
from hls_sessions.otp.errors import ChildRunning, NeedsTimers
from hls_sessions.otp.reasons import KILLED, NORMAL, SHUTDOWN
from hls_sessions.otp.supervision import ChildCount, ChildInfo, StartChild, count_children, delete_child, restart_child

PATIENCE = 10.0
OFTEN = Intensity(restarts=100_000)
CRASH = Crash(ValueError("broken"))


class KeepsADiary(GenServer):
    def init(self, name, diary):
        self.name, self.diary = name, diary
        diary.put(f"{name} starts")

    def handle_call(self, request, caller):
        return request()

    def terminate(self, reason):
        self.diary.put(f"{self.name} ends: {reason}")


class IgnoresExits(KeepsADiary):
    """Cannot be shut down, because its own thread, which would have to end it, is stuck."""

    def init(self, name, diary, release):
        super().init(name, diary)
        self.release = release

    def handle_cast(self, message):
        self.diary.put("stuck")
        self.release.wait(PATIENCE)


class Diary:
    def __init__(self):
        self.queue = Queue()

    def next(self, count=1):
        return [self.queue.get(timeout=PATIENCE) for _ in range(count)]

    def entries(self):
        return [self.queue.get_nowait() for _ in range(self.queue.qsize())]


@pytest.fixture
def diary():
    return Diary()


@pytest.fixture
def child(diary):
    """Return a function that makes specs of children, which write in the diary."""

    def child(name, **options):
        return ChildSpec(name, lambda: KeepsADiary.start_link(name, diary.queue), **options)

    return child


@pytest.fixture
def fails(diary):
    """Return a function that makes specs of children, which start a number of times and then fail to."""

    def fails(name, *, after, then_works_again=False, **options):
        attempts = []

        def start():
            attempts.append(name)
            if len(attempts) <= after or (then_works_again and len(attempts) > after + 1):
                return KeepsADiary.start_link(name, diary.queue)
            diary.queue.put(f"{name} fails")
            raise ValueError("cannot start")

        return ChildSpec(name, start, **options)

    return fails


def ref_of(supervisor, name):
    return next(child.ref for child in which_children(supervisor) if child.id == name)


def end(supervisor, name, reason):
    """End a child from outside, and return when its supervisor has been told."""
    ref = ref_of(supervisor, name)
    ref.exit(reason)
    ref.wait(PATIENCE)


# ---- starting and stopping


def test_children_start_in_order_and_end_in_reverse_order(start, child, diary):
    supervisor = start(Supervisor, [child("a"), child("b"), child("c")])
    supervisor.stop()
    assert diary.entries() == [
        *["a starts", "b starts", "c starts"],
        *["c ends: shutdown", "b ends: shutdown", "a ends: shutdown"],
    ]


def test_a_supervisor_may_have_no_children(start):
    assert which_children(start(Supervisor)) == []


def test_a_child_that_does_not_start_ends_those_before_it_and_the_supervisor(child, fails, diary):
    with pytest.raises(StartError, match="cannot start"):
        Supervisor.start([child("a"), child("b"), fails("c", after=0), child("d")])
    assert diary.entries() == [
        *["a starts", "b starts", "c fails"],
        *["b ends: shutdown", "a ends: shutdown"],
    ]


def test_a_start_that_returns_no_ref_is_a_start_error():
    with pytest.raises(StartError, match="which is no ref"):
        Supervisor.start([ChildSpec("odd", lambda: 42)])


def test_children_may_be_started_with_start_as_well(start, diary):
    spec = ChildSpec("a", lambda: KeepsADiary.start("a", diary.queue))
    supervisor = start(Supervisor, [spec])
    end(supervisor, "a", CRASH)
    assert ref_of(supervisor, "a").is_alive()
    supervisor.kill()
    assert diary.next(4)[-2:] == ["a starts", "a ends: killed"]


def test_two_children_cannot_have_one_id(child):
    with pytest.raises(StartError, match="a child 'a' is there already"):
        Supervisor.start([child("a"), child("a")])


def test_a_supervisor_can_be_supervised(start, child, diary):
    inner = ChildSpec("inner", lambda: Supervisor.start_link([child("a")]), shutdown=None)
    start(Supervisor, [inner]).stop()
    assert diary.entries() == ["a starts", "a ends: shutdown"]


def test_children_of_a_killed_supervisor_end(start, child, diary):
    supervisor = start(Supervisor, [child("a")])
    supervisor.kill()
    assert diary.next(2) == ["a starts", "a ends: killed"]


def test_grandchildren_of_a_killed_supervisor_end(start, child, diary):
    inner = ChildSpec("inner", lambda: Supervisor.start_link([child("a")]), shutdown=None)
    start(Supervisor, [inner]).kill()
    assert diary.next(2) == ["a starts", "a ends: shutdown"]


def test_a_child_that_dies_while_its_siblings_start_is_restarted(start, child, diary):
    first = []

    def start_second():
        first[0].kill()
        return KeepsADiary.start_link("b", diary.queue)

    def start_first():
        first.append(KeepsADiary.start_link("a", diary.queue))
        return first[-1]

    supervisor = start(Supervisor, [ChildSpec("a", start_first), ChildSpec("b", start_second)])
    assert diary.next(3) == ["a starts", "b starts", "a starts"]
    assert ref_of(supervisor, "a") is first[1]


def test_a_child_that_ended_before_it_was_supervised_is_judged_by_its_true_reason(start, diary):
    def start_and_finish():
        ref = KeepsADiary.start("a", diary.queue)
        threading.Thread(target=ref.stop).start()
        ref.wait(PATIENCE)
        return ref

    spec = ChildSpec("a", start_and_finish, restart=Restart.TRANSIENT)
    assert which_children(start(Supervisor, [spec])) == [ChildInfo("a", None, restarting=False)]


# ---- restarting


@pytest.mark.parametrize("reason", [SHUTDOWN, Shutdown("idle"), CRASH])
def test_a_permanent_child_is_restarted_whatever_the_reason(start, child, reason):
    supervisor = start(Supervisor, [child("a")])
    before = ref_of(supervisor, "a")
    end(supervisor, "a", reason)
    assert ref_of(supervisor, "a") not in (None, before)


def test_a_permanent_child_is_restarted_even_after_a_normal_end(start, child):
    supervisor = start(Supervisor, [child("a")])
    before = ref_of(supervisor, "a")
    before.stop(NORMAL)
    assert ref_of(supervisor, "a") not in (None, before)


@pytest.mark.parametrize("reason", [NORMAL, SHUTDOWN, Shutdown("idle")])
def test_a_transient_child_that_ended_in_order_is_not_restarted(start, child, reason):
    supervisor = start(Supervisor, [child("a", restart=Restart.TRANSIENT)])
    ref_of(supervisor, "a").stop(reason)
    assert which_children(supervisor) == [ChildInfo("a", None, restarting=False)]


@pytest.mark.parametrize("reason", [CRASH, KILLED])
def test_a_transient_child_that_ended_abnormally_is_restarted(start, child, reason):
    supervisor = start(Supervisor, [child("a", restart=Restart.TRANSIENT)])
    before = ref_of(supervisor, "a")
    end(supervisor, "a", reason)
    assert ref_of(supervisor, "a") not in (None, before)


@pytest.mark.parametrize("reason", [SHUTDOWN, CRASH, KILLED])
def test_a_temporary_child_is_never_restarted_and_is_forgotten(start, child, reason):
    supervisor = start(Supervisor, [child("a", restart=Restart.TEMPORARY)])
    end(supervisor, "a", reason)
    assert which_children(supervisor) == []


def test_one_for_one_restarts_the_child_alone(start, child, diary):
    supervisor = start(Supervisor, [child("a"), child("b"), child("c")])
    diary.next(3)
    end(supervisor, "b", CRASH)
    assert diary.next(2) == [f"b ends: {CRASH}", "b starts"]


def test_one_for_all_restarts_all(start, child, diary):
    supervisor = start(Supervisor, [child("a"), child("b"), child("c")], strategy=Strategy.ONE_FOR_ALL)
    diary.next(3)
    end(supervisor, "b", CRASH)
    assert diary.next(6) == [
        f"b ends: {CRASH}",
        *["c ends: shutdown", "a ends: shutdown"],
        *["a starts", "b starts", "c starts"],
    ]


def test_rest_for_one_restarts_those_that_were_started_after(start, child, diary):
    supervisor = start(Supervisor, [child("a"), child("b"), child("c")], strategy=Strategy.REST_FOR_ONE)
    diary.next(3)
    end(supervisor, "b", CRASH)
    assert diary.next(4) == [f"b ends: {CRASH}", "c ends: shutdown", "b starts", "c starts"]


def test_a_temporary_sibling_is_not_restarted_with_the_others(start, child, diary):
    children = [child("a"), child("b", restart=Restart.TEMPORARY)]
    supervisor = start(Supervisor, children, strategy=Strategy.ONE_FOR_ALL)
    diary.next(2)
    end(supervisor, "a", CRASH)
    assert diary.next(3) == [f"a ends: {CRASH}", "b ends: shutdown", "a starts"]
    assert [each.id for each in which_children(supervisor)] == ["a"]


def test_a_temporary_child_that_ends_takes_no_sibling_with_it(start, child, diary):
    children = [child("a", restart=Restart.TEMPORARY), child("b")]
    supervisor = start(Supervisor, children, strategy=Strategy.ONE_FOR_ALL)
    end(supervisor, "a", CRASH)
    assert [each.id for each in which_children(supervisor)] == ["b"]
    assert diary.entries() == ["a starts", "b starts", f"a ends: {CRASH}"]


def test_a_restart_that_fails_is_tried_again(start, fails, diary):
    supervisor = start(Supervisor, [fails("a", after=1, then_works_again=True)])
    end(supervisor, "a", CRASH)
    assert diary.next(4) == ["a starts", f"a ends: {CRASH}", "a fails", "a starts"]
    assert ref_of(supervisor, "a").is_alive()


def test_a_restart_that_fails_holds_back_those_that_depend_on_it(start, child, fails, diary):
    children = [fails("a", after=1, then_works_again=True), child("b")]
    supervisor = start(Supervisor, children, strategy=Strategy.REST_FOR_ONE)
    diary.next(2)
    end(supervisor, "a", CRASH)
    assert diary.next(5) == [f"a ends: {CRASH}", "b ends: shutdown", "a fails", "a starts", "b starts"]


# ---- intensity


def test_too_many_restarts_end_the_supervisor_with_shutdown(start, child, diary):
    supervisor = start(Supervisor, [child("a"), child("b")], intensity=Intensity(1, 5), clock=ManualClock())
    end(supervisor, "a", CRASH)
    end(supervisor, "a", CRASH)
    assert supervisor.wait(PATIENCE) == SHUTDOWN
    assert diary.entries()[-1] == "b ends: shutdown"


def test_a_child_that_always_fails_to_restart_ends_the_supervisor(start, fails):
    supervisor = start(Supervisor, [fails("a", after=1)], intensity=Intensity(10, 5))
    end(supervisor, "a", CRASH)
    assert supervisor.wait(PATIENCE) == SHUTDOWN


def test_restarts_that_are_far_apart_are_not_too_many(start, child):
    clock = ManualClock()
    supervisor = start(Supervisor, [child("a")], intensity=Intensity(1, 5), clock=clock)
    for _ in range(5):
        end(supervisor, "a", CRASH)
        assert ref_of(supervisor, "a").is_alive()
        clock.advance(5.1)


def test_a_supervisor_that_gave_up_is_restarted_by_its_own(start, child, diary):
    inner = ChildSpec("inner", lambda: Supervisor.start_link([child("a")], intensity=Intensity(0, 5)))
    outer = start(Supervisor, [inner])
    first = ref_of(outer, "inner")
    end(first, "a", CRASH)
    first.wait(PATIENCE)
    assert ref_of(ref_of(outer, "inner"), "a").is_alive()
    assert diary.entries() == ["a starts", f"a ends: {CRASH}", "a starts"]


def test_a_child_that_exceeds_its_own_limit_is_given_up_alone(start, child):
    children = [child("a", intensity=Intensity(1, 5)), child("b")]
    supervisor = start(Supervisor, children, intensity=Intensity(0, 5), clock=ManualClock())
    end(supervisor, "a", CRASH)
    end(supervisor, "a", CRASH)
    assert count_children(supervisor) == ChildCount(specs=2, active=1, restarting=0)
    assert ref_of(supervisor, "a") is None


# ---- backoff


def test_a_restart_waits_for_its_backoff(start, child, diary):
    clock = ManualClock()
    children = [child("a", backoff=Backoff(first=1, factor=2))]
    supervisor = start(Supervisor, children, intensity=OFTEN, clock=clock, timers=Timers(clock))
    end(supervisor, "a", CRASH)
    assert which_children(supervisor) == [ChildInfo("a", None, restarting=True, restarts=1)]
    clock.advance(1)
    assert diary.next(3)[-1] == "a starts"
    end(supervisor, "a", CRASH)
    assert which_children(supervisor) == [ChildInfo("a", None, restarting=True, restarts=2)]
    clock.advance(1)
    assert which_children(supervisor) == [ChildInfo("a", None, restarting=True, restarts=2)]
    clock.advance(1)
    assert diary.next(2)[-1] == "a starts"


def test_siblings_that_depend_on_a_child_wait_for_its_backoff_too(start, child, diary):
    clock = ManualClock()
    children = [child("a", backoff=Backoff(first=1)), child("b")]
    supervisor = start(Supervisor, children, strategy=Strategy.REST_FOR_ONE, clock=clock, timers=Timers(clock))
    diary.next(2)
    end(supervisor, "a", CRASH)
    assert count_children(supervisor) == ChildCount(specs=2, active=0, restarting=1)
    clock.advance(1)
    assert diary.next(4)[-2:] == ["a starts", "b starts"]


def test_a_backoff_without_timers_is_refused(start, child):
    supervisor = start(Supervisor)
    with pytest.raises(NeedsTimers):
        start_child(supervisor, child("a", backoff=Backoff(first=1)))


# ---- shutdown


def test_a_child_that_takes_too_long_to_end_is_killed(start, diary, caplog):
    release = threading.Event()
    spec = ChildSpec("a", lambda: IgnoresExits.start_link("a", diary.queue, release), shutdown=0.01)
    supervisor = start(Supervisor, [spec])
    ref = ref_of(supervisor, "a")
    ref.cast("get stuck")
    diary.next(2)
    supervisor.stop()
    assert ref.wait(0) is KILLED
    assert "did not end within 0.01 s and is killed" in caplog.text
    release.set()


def test_a_brutal_kill_does_not_ask(start, child, diary):
    supervisor = start(Supervisor, [child("a", shutdown=BRUTAL_KILL)])
    ref = ref_of(supervisor, "a")
    supervisor.stop()
    assert ref.wait(0) is KILLED
    assert diary.entries() == ["a starts"]


def test_a_child_that_calls_its_supervisor_while_that_ends_it_does_not_hold_it_up(start):
    begun, outcome = threading.Event(), Queue()

    class CallsItsSupervisor(GenServer):
        def terminate(self, reason):
            begun.set()
            which_children(supervisor)

    spec = ChildSpec("a", CallsItsSupervisor.start_link, shutdown=0.05)
    supervisor = start(Supervisor, [spec])
    ref = ref_of(supervisor, "a")
    ref.on_exit(lambda *end: outcome.put(end))
    supervisor.stop()
    assert begun.is_set()
    assert outcome.get_nowait() == (ref, KILLED)


# ---- requests


def test_a_child_can_be_started_terminated_restarted_and_deleted(start, child):
    supervisor = start(Supervisor)
    assert which_children(supervisor) == []
    assert count_children(supervisor) == ChildCount(specs=0, active=0, restarting=0)

    first = start_child(supervisor, child("a"))
    assert which_children(supervisor) == [ChildInfo("a", first, restarting=False)]
    assert count_children(supervisor) == ChildCount(specs=1, active=1, restarting=0)

    with pytest.raises(ChildRunning):
        delete_child(supervisor, "a")
    with pytest.raises(ChildRunning):
        restart_child(supervisor, "a")

    terminate_child(supervisor, "a")
    assert first.wait(0) == SHUTDOWN
    assert which_children(supervisor) == [ChildInfo("a", None, restarting=False)]

    second = restart_child(supervisor, "a")
    assert which_children(supervisor) == [ChildInfo("a", second, restarting=False)]

    terminate_child(supervisor, "a")
    delete_child(supervisor, "a")
    assert which_children(supervisor) == []


def test_starting_a_child_that_is_there_tells_which_it_is(start, child):
    supervisor = start(Supervisor, [child("a")])
    with pytest.raises(AlreadyStarted) as failure:
        start_child(supervisor, child("a"))
    assert failure.value.ref is ref_of(supervisor, "a")


def test_a_child_that_fails_to_start_later_is_not_kept_and_harms_nobody(start, child, fails):
    supervisor = start(Supervisor, [child("a")])
    with pytest.raises(StartError, match="cannot start"):
        start_child(supervisor, fails("b", after=0))
    assert [each.id for each in which_children(supervisor)] == ["a"]


@pytest.mark.parametrize("verb", [terminate_child, restart_child, delete_child])
def test_asking_for_an_unknown_child_is_refused(start, verb):
    supervisor = start(Supervisor)
    with pytest.raises(NoChild, match="no child 'nobody'"):
        verb(supervisor, "nobody")
    assert supervisor.is_alive()


def test_a_terminated_child_is_not_restarted(start, child, diary):
    supervisor = start(Supervisor, [child("a")])
    terminate_child(supervisor, "a")
    terminate_child(supervisor, "a")
    assert count_children(supervisor).active == 0
    assert diary.entries() == ["a starts", "a ends: shutdown"]


def test_a_terminated_temporary_child_is_forgotten(start, child):
    supervisor = start(Supervisor, [child("a", restart=Restart.TEMPORARY)])
    terminate_child(supervisor, "a")
    assert which_children(supervisor) == []


def test_a_child_that_waits_to_be_restarted_can_be_terminated(start, child):
    clock = ManualClock()
    supervisor = start(Supervisor, [child("a", backoff=Backoff(first=1))], clock=clock, timers=Timers(clock))
    end(supervisor, "a", CRASH)
    terminate_child(supervisor, "a")
    clock.advance(10)
    assert which_children(supervisor) == [ChildInfo("a", None, restarting=False, restarts=1)]


def test_a_request_that_makes_no_sense_is_refused(start):
    supervisor = start(Supervisor)
    with pytest.raises(Exception, match="cannot do 'nonsense'"):
        supervisor.call("nonsense")
    assert supervisor.is_alive()


def test_a_supervisor_can_be_asked_without_waiting(start, child):
    supervisor = start(Supervisor)
    reply = supervisor.ask(StartChild(child("a")))
    assert reply.get(PATIENCE) is ref_of(supervisor, "a")
