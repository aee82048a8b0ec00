import logging
import threading
import time
from queue import Queue

import pytest

from hls_sessions.otp import NO_REPLY, CallTimeout, Crash, GenServer, NoProcess, ServerExited, Shutdown, StartError
from hls_sessions.otp.errors import CallingSelf, NotInServer, StartTimeout
from hls_sessions.otp.reasons import KILLED, NORMAL, SHUTDOWN

PATIENCE = 10.0


class RefusalError(Exception):
    pass


class Obeys(GenServer):
    """Runs the functions that it is sent, and keeps a diary."""

    refusals = (RefusalError,)

    def init(self, diary=None):
        self.diary = diary if diary is not None else Queue()
        self.diary.put(("init", threading.current_thread()))

    def handle_call(self, request, caller):
        return request(self, caller)

    def handle_cast(self, message):
        message(self)

    def handle_info(self, message):
        self.diary.put(("info", message))

    def terminate(self, reason):
        self.diary.put(("terminate", reason))


@pytest.fixture
def diary():
    diary = Queue()
    diary.entries = lambda: [diary.get_nowait() for _ in range(diary.qsize())]
    return diary


def raises(error):
    def act(*_):
        raise error

    return act


# ---- start and init


def test_init_is_given_the_arguments_of_start(start):
    class Sums(GenServer):
        def init(self, *numbers, scale):
            self.sum = scale * sum(numbers)

        def handle_call(self, request, caller):
            return self.sum

    assert start(Sums, 1, 2, 3, scale=10).call("sum") == 60


def test_init_has_returned_when_start_returns(start, diary):
    start(Obeys, diary)
    assert diary.get_nowait()[0] == "init"


def test_init_runs_in_the_servers_own_thread(start, diary):
    ref = start(Obeys, diary)
    _, thread = diary.get_nowait()
    assert thread is ref.call(lambda *_: threading.current_thread())
    assert thread is not threading.current_thread()


def test_a_crash_in_init_is_reported_to_the_starter():
    class FailsToStart(GenServer):
        def init(self):
            raise ValueError("no such file")

    with pytest.raises(StartError, match="no such file") as failure:
        FailsToStart.start()
    assert isinstance(failure.value.__cause__, ValueError)
    assert isinstance(failure.value.reason, Crash)


def test_arguments_that_init_does_not_take_are_a_start_error():
    with pytest.raises(StartError, match="unexpected keyword argument 'colour'"):
        Obeys.start(colour="red")


def test_terminate_does_not_run_when_init_failed(diary):
    class FailsToStart(Obeys):
        def init(self, diary):
            super().init(diary)
            raise ValueError

    with pytest.raises(StartError):
        FailsToStart.start(diary)
    assert [verb for verb, _ in diary.entries()] == ["init"]


def test_a_server_that_failed_to_start_is_dead_when_its_starter_is_told():
    refs = []

    class FailsToStart(GenServer):
        def init(self):
            refs.append(self.ref)
            raise ValueError

    with pytest.raises(StartError):
        FailsToStart.start()
    assert not refs[0].is_alive()


def test_a_server_that_stops_in_init_has_not_started():
    class ChangesItsMind(GenServer):
        def init(self):
            self.stop(Shutdown("nothing to do"))

    with pytest.raises(StartError, match="nothing to do") as failure:
        ChangesItsMind.start()
    assert failure.value.reason == Shutdown("nothing to do")


def test_an_init_that_takes_too_long_is_killed():
    release, refs = threading.Event(), []

    class Dawdles(GenServer):
        def __init__(self):
            super().__init__()
            refs.append(self.ref)

        def init(self):
            release.wait(PATIENCE)

    with pytest.raises(StartTimeout):
        Dawdles.start(start_timeout=0.01)
    assert refs[0].wait(0) is KILLED
    release.set()


def test_no_thread_left_to_give_is_a_start_error(monkeypatch):
    def refuse(_):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    with pytest.raises(StartError, match="can't start new thread"):
        Obeys.start()


def test_start_link_outside_a_server_is_an_error():
    with pytest.raises(NotInServer):
        Obeys.start_link()


# ---- call, cast, info


def test_the_return_value_of_handle_call_is_the_reply(start):
    assert start(Obeys).call(lambda *_: 42) == 42


def test_none_is_a_reply_too(start):
    assert start(Obeys).call(lambda *_: None) is None


def test_messages_are_handled_in_the_order_they_were_sent(start, diary):
    ref = start(Obeys, diary)
    ref.cast(lambda server: server.diary.put("cast"))
    ref.send("info")
    ref.call(lambda server, _: server.diary.put("call"))
    assert diary.entries()[1:] == ["cast", ("info", "info"), "call"]


def test_a_refusal_goes_to_the_caller_and_the_server_lives_on(start):
    ref = start(Obeys)
    with pytest.raises(RefusalError, match="full"):
        ref.call(raises(RefusalError("full")))
    assert ref.call(lambda *_: "still here") == "still here"


def test_any_other_exception_in_handle_call_crashes_the_server_and_tells_the_caller(start):
    ref = start(Obeys)
    error = ValueError("broken")
    with pytest.raises(ServerExited, match="broken") as failure:
        ref.call(raises(error))
    assert failure.value.reason == Crash(error)
    assert failure.value.__cause__ is error
    assert ref.wait(PATIENCE) == Crash(error)


def test_a_refusal_outside_handle_call_is_a_crash(start):
    ref = start(Obeys)
    error = RefusalError()
    ref.cast(raises(error))
    assert ref.wait(PATIENCE) == Crash(error)


def test_a_request_that_the_server_does_not_know_crashes_it(start):
    ref = start(GenServer)
    with pytest.raises(ServerExited, match="has no answer to 'what'"):
        ref.call("what")


def test_a_cast_that_the_server_does_not_know_crashes_it(start):
    ref = start(GenServer)
    ref.cast("what")
    assert isinstance(ref.wait(PATIENCE), Crash)


def test_a_message_that_the_server_does_not_know_is_logged_and_no_harm_is_done(start, caplog):
    ref = start(GenServer)
    ref.send("a stray message")
    ref.stop()
    assert "a stray message" in caplog.text


def test_a_call_that_takes_too_long_times_out(start):
    ref = start(Obeys)
    with pytest.raises(CallTimeout, match="took longer than"):
        ref.call(lambda *_: NO_REPLY, timeout=0.01)


def test_calling_a_dead_server_raises_no_process(start):
    ref = start(Obeys)
    ref.stop()
    with pytest.raises(NoProcess):
        ref.call(lambda *_: 1)


def test_casting_and_sending_to_a_dead_server_does_nothing(start):
    ref = start(Obeys)
    ref.stop()
    ref.cast("hello")
    ref.send("hello")


def test_a_server_cannot_call_itself(start):
    ref = start(Obeys)
    with pytest.raises(ServerExited) as failure:
        ref.call(lambda server, _: server.ref.call("me"))
    assert isinstance(failure.value.__cause__, CallingSelf)


def test_a_server_cannot_wait_for_its_own_end(start):
    ref = start(Obeys)
    with pytest.raises(ServerExited) as failure:
        ref.call(lambda server, _: server.ref.stop())
    assert isinstance(failure.value.__cause__, CallingSelf)


# ---- deferred replies


def test_a_reply_can_be_deferred_and_given_from_any_thread(start):
    ref = start(Obeys)
    callers = Queue()

    def keep_the_caller(_, caller):
        callers.put(caller)
        return NO_REPLY

    reply = ref.ask(keep_the_caller)
    callers.get(timeout=PATIENCE).reply("later")
    assert reply.get(PATIENCE) == "later"


def test_a_deferred_reply_can_be_an_error(start):
    def refuse_later(server, caller):
        threading.Thread(target=caller.fail, args=(RefusalError("after thinking about it"),)).start()
        return NO_REPLY

    with pytest.raises(RefusalError, match="after thinking"):
        start(Obeys).call(refuse_later)


def test_the_second_answer_is_ignored(start):
    def answer_twice(_, caller):
        caller.reply("first")
        caller.fail(ValueError("second"))
        return "third"

    assert start(Obeys).call(answer_twice) == "first"


def test_deferred_replies_fail_when_the_server_ends(start):
    ref = start(Obeys)
    reply = ref.ask(lambda *_: NO_REPLY)
    ref.stop(SHUTDOWN)
    with pytest.raises(ServerExited) as failure:
        reply.get(PATIENCE)
    assert failure.value.reason == SHUTDOWN


def test_questions_that_were_not_reached_fail_when_the_server_ends(start):
    ref = start(Obeys)
    ref.cast(lambda server: (server.stop(), server.ref.ask("unreached").add_done_callback(outcomes.put)))
    outcomes = Queue()
    with pytest.raises(ServerExited):
        outcomes.get(timeout=PATIENCE).get()


def test_a_server_sees_that_its_caller_has_left(start):
    ref = start(Obeys)
    callers = Queue()
    reply = ref.ask(lambda _, caller: callers.put(caller) or NO_REPLY)
    caller = callers.get(timeout=PATIENCE)
    assert not caller.abandoned
    reply.cancel()
    assert caller.abandoned
    caller.reply("to nobody")


def test_a_call_that_timed_out_is_abandoned(start):
    ref = start(Obeys)
    callers = Queue()
    with pytest.raises(CallTimeout):
        ref.call(lambda _, caller: callers.put(caller) or NO_REPLY, timeout=0.01)
    assert callers.get(timeout=PATIENCE).abandoned


def test_replies_that_were_given_are_not_kept(start):
    ref = start(Obeys)
    callers = Queue()
    for _ in range(3):
        ref.ask(lambda _, caller: callers.put(caller) or NO_REPLY)
    for _ in range(3):
        callers.get(timeout=PATIENCE).reply()
    assert ref.call(lambda server, _: len(server._process._deferred)) == 0


# ---- stop and terminate


def test_stop_waits_until_terminate_has_run(start, diary):
    ref = start(Obeys, diary)
    ref.stop()
    assert diary.entries()[-1] == ("terminate", NORMAL)
    assert not ref.is_alive()


def test_messages_sent_before_a_stop_are_handled_before_it(start, diary):
    ref = start(Obeys, diary)
    ref.send("first")
    ref.stop()
    assert diary.entries()[1:] == [("info", "first"), ("terminate", NORMAL)]


def test_stopping_a_dead_server_is_no_error(start):
    ref = start(Obeys)
    ref.stop()
    ref.stop()


def test_the_second_stop_of_a_server_waits_as_long_as_the_first(start, until):
    begun, release, returned = threading.Event(), threading.Event(), Queue()

    class Lingers(GenServer):
        def terminate(self, reason):
            begun.set()
            release.wait(PATIENCE)
            returned.put("gone")

    ref = start(Lingers)

    def stop():
        ref.stop(timeout=PATIENCE)
        returned.put("stopped")

    threads = [threading.Thread(target=stop) for _ in range(2)]
    threads[0].start()
    assert begun.wait(PATIENCE)
    threads[1].start()
    until(lambda: len(ref.process.gone._waiters) == 2)
    release.set()
    for thread in threads:
        thread.join(PATIENCE)
    assert [returned.get_nowait() for _ in range(3)] == ["gone", "stopped", "stopped"]


def test_a_server_that_stops_inside_handle_call_still_sends_its_answer(start):
    ref = start(Obeys)
    assert ref.call(lambda server, _: server.stop(Shutdown("done")) or "bye") == "bye"
    assert ref.wait(PATIENCE) == Shutdown("done")


def test_the_first_reason_to_stop_counts(start):
    ref = start(Obeys)
    ref.cast(lambda server: (server.stop(Shutdown("first")), server.stop(Shutdown("second"))))
    assert ref.wait(PATIENCE) == Shutdown("first")


def test_a_stop_that_takes_too_long_times_out_and_goes_on():
    release = threading.Event()

    class LingersOn(GenServer):
        def terminate(self, reason):
            release.wait(PATIENCE)

    ref = LingersOn.start()
    with pytest.raises(CallTimeout, match="the end of <Ref LingersOn"):
        ref.stop(timeout=0.01)
    release.set()
    assert ref.wait(PATIENCE) is NORMAL


@pytest.mark.parametrize("send", ["cast", "send", "call"])
def test_terminate_runs_after_a_crash_in_any_callback(start, diary, send):
    error = ValueError("broken")

    class Breaks(Obeys):
        def handle_info(self, message):
            message(self)

    ref = start(Breaks, diary)
    if send == "call":
        ref.ask(raises(error))
    else:
        getattr(ref, send)(raises(error))
    ref.wait(PATIENCE)
    assert diary.entries()[-1] == ("terminate", Crash(error))


def test_a_crash_in_terminate_becomes_the_reason_and_the_end_completes(start):
    class BreaksAtTheEnd(Obeys):
        def terminate(self, reason):
            raise ValueError("at the end")

    ref = start(BreaksAtTheEnd)
    deferred = ref.ask(lambda *_: NO_REPLY)
    ref.stop()
    reason = ref.wait(0)
    assert isinstance(reason, Crash)
    assert str(reason) == "crashed with ValueError('at the end')"
    with pytest.raises(ServerExited):
        deferred.get(0)


@pytest.mark.parametrize("error", [SystemExit(1), KeyboardInterrupt(), BaseException("base")])
def test_even_system_exit_is_the_crash_of_one_server_only(start, error):
    bystander, ref = start(Obeys), start(Obeys)
    ref.cast(raises(error))
    assert ref.wait(PATIENCE) == Crash(error)
    assert bystander.call(lambda *_: "unharmed") == "unharmed"


def test_a_crash_is_logged_once_with_its_traceback(start, caplog):
    ref = start(Obeys)
    with caplog.at_level(logging.DEBUG):
        ref.cast(raises(ValueError("broken")))
        ref.wait(PATIENCE)
    [record] = caplog.records
    assert "crashed with ValueError('broken')" in record.getMessage()
    assert record.exc_info is not None


def test_an_orderly_end_is_not_logged(start, caplog):
    start(Obeys).stop(Shutdown("idle"))
    assert not caplog.records


def test_a_crash_does_not_keep_the_variables_of_the_dead_server(start):
    class Holds(Obeys):
        def handle_cast(self, message):
            treasure = object()  # noqa: F841 - this variable must not be kept
            raise ValueError

    ref = start(Holds)
    ref.cast("crash")
    traceback = ref.wait(PATIENCE).error.__traceback__
    names = set()
    while traceback is not None:
        names |= set(traceback.tb_frame.f_locals)
        traceback = traceback.tb_next
    assert "treasure" not in names


# ---- handle_wake


def test_handle_wake_is_called_when_its_time_has_come(start):
    woken = threading.Event()

    class Wakes(GenServer):
        def init(self):
            self.wake_at = time.monotonic() + 0.01

        def handle_wake(self):
            woken.set()

    start(Wakes)
    assert woken.wait(PATIENCE)


def test_handle_wake_is_called_however_many_messages_wait(start):
    woken = Queue()

    class Wakes(GenServer):
        def handle_cast(self, message):
            self.wake_at = time.monotonic()
            for _ in range(100):
                self.ref.send("more")

        def handle_info(self, message):
            woken.put("info")

        def handle_wake(self):
            woken.put("wake")

    start(Wakes).cast("begin")
    assert woken.get(timeout=PATIENCE) == "wake"


# ---- refs


def test_a_ref_prints_as_its_class_and_the_beginning_of_its_id(start):
    ref = start(Obeys)
    assert repr(ref).startswith("<Ref Obeys ")
    assert str(ref.call(lambda server, _: str(server))) in repr(ref)


def test_refs_can_be_keys(start):
    first, second = start(Obeys), start(Obeys)
    assert {first: 1, second: 2}[first] == 1
    assert first != second
    assert first.call(lambda server, _: server.ref) is first
