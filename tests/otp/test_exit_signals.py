import threading
from queue import Queue

import pytest

from hls_sessions.otp import Crash, GenServer, ServerExited, Shutdown
from hls_sessions.otp.messages import Down, Exit
from hls_sessions.otp.reasons import KILL, KILLED, NO_PROCESS, NORMAL, SHUTDOWN

PATIENCE = 10.0


class Lives(GenServer):
    """Lives until it is ended, and can be told to crash."""

    def init(self, ends=None):
        self.ends = ends

    def handle_cast(self, message):
        raise message

    def terminate(self, reason):
        if self.ends is not None:
            self.ends.put(reason)


class LivesAndTrapsExits(Lives):
    trap_exits = True


class HasAChild(GenServer):
    def init(self, child, *args):
        self.child = child.start_link(*args)

    def handle_call(self, request, caller):
        return self.child

    def handle_cast(self, message):
        message(self.child)


# ---- monitors


@pytest.mark.parametrize("reason", [NORMAL, SHUTDOWN, Shutdown("idle"), Crash(ValueError())])
def test_a_monitor_is_told_once_why_a_server_ended(start, mailbox, reason):
    ref = start(Lives)
    monitor = mailbox.do("monitor", ref)
    ref.stop(reason)
    assert mailbox.next() == Down(monitor, ref, reason)
    assert mailbox.is_empty()


def test_a_monitor_of_a_dead_server_is_told_at_once(start, mailbox):
    ref = start(Lives)
    ref.stop()
    monitor = mailbox.do("monitor", ref)
    assert mailbox.next() == Down(monitor, ref, NO_PROCESS)


def test_two_monitors_are_told_twice(start, mailbox):
    ref = start(Lives)
    monitors = {mailbox.do("monitor", ref), mailbox.do("monitor", ref)}
    ref.stop()
    assert {mailbox.next().monitor, mailbox.next().monitor} == monitors


def test_a_monitor_that_was_taken_back_is_not_told(start, mailbox):
    ref = start(Lives)
    mailbox.do("demonitor", mailbox.do("monitor", ref))
    ref.stop()
    assert mailbox.is_empty()


def test_a_down_that_was_sent_already_does_not_arrive_after_demonitor(start):
    news, ref = Queue(), start(Lives)

    class LosesInterest(GenServer):
        def handle_call(self, request, caller):
            monitor = self.monitor(ref)
            ref.stop()
            self.demonitor(monitor)

        def handle_info(self, message):
            news.put(message)

    watcher = start(LosesInterest)
    watcher.call("watch")
    watcher.stop()
    assert news.empty()


def test_a_down_can_be_passed_on_to_another_server(start, mailbox):
    down = Down(object(), start(Lives), NORMAL)
    mailbox.ref.send(down)
    assert mailbox.next() is down


def test_a_monitor_that_ended_leaves_nothing_behind(start):
    ref, watcher = start(Lives), start(Lives)
    watcher.process.monitor(object(), ref.process)
    watcher.stop()
    assert not ref.process._watches


# ---- links


def test_a_linked_server_dies_of_the_others_crash(start):
    error = ValueError()
    parent = start(HasAChild, Lives)
    child = parent.call("child")
    child.cast(error)
    assert parent.wait(PATIENCE) == Crash(error)


def test_a_linked_server_survives_the_others_normal_end(start):
    parent = start(HasAChild, Lives)
    parent.call("child").stop()
    assert parent.call("child")


def test_a_linked_server_dies_of_the_others_shutdown(start):
    ends = Queue()
    parent = start(HasAChild, Lives, ends)
    parent.stop(SHUTDOWN)
    assert ends.get(timeout=PATIENCE) == SHUTDOWN


def test_a_server_that_traps_exits_is_told_instead(start, trapping_mailbox):
    ref = start(Lives)
    trapping_mailbox.do("link", ref)
    ref.stop()
    assert trapping_mailbox.next() == Exit(ref, NORMAL)


def test_linking_twice_is_linking_once(start, trapping_mailbox):
    ref = start(Lives)
    trapping_mailbox.do("link", ref)
    trapping_mailbox.do("link", ref)
    ref.stop()
    trapping_mailbox.next()
    assert trapping_mailbox.is_empty()


def test_linking_to_a_dead_server_is_an_exit_signal(start, trapping_mailbox):
    ref = start(Lives)
    ref.stop()
    trapping_mailbox.do("link", ref)
    assert trapping_mailbox.next() == Exit(ref, NO_PROCESS)


def test_an_unlinked_server_hears_nothing(start, trapping_mailbox):
    ref = start(Lives)
    trapping_mailbox.do("link", ref)
    trapping_mailbox.do("unlink", ref)
    ref.stop()
    assert trapping_mailbox.is_empty()


def test_unlinking_undoes_both_directions(start, mailbox):
    ref = start(Lives)
    mailbox.do("link", ref)
    mailbox.do("unlink", ref)
    mailbox.ref.kill()
    ref.stop()
    assert ref.wait(0) is NORMAL


def test_a_link_is_made_only_when_init_has_succeeded(start):
    class FailsToStart(GenServer):
        def init(self):
            raise ValueError("no")

    class TriesToHaveAChild(GenServer):
        def handle_call(self, request, caller):
            try:
                FailsToStart.start_link()
            except Exception as error:  # noqa: BLE001 - whatever it is, it is the answer
                return error

    parent = start(TriesToHaveAChild)
    assert "did not start" in str(parent.call("try"))
    parent.stop()
    assert parent.wait(0) is NORMAL


def test_a_child_dies_when_its_parent_is_killed(start):
    ends = Queue()
    parent = start(HasAChild, Lives, ends)
    parent.kill()
    assert ends.get(timeout=PATIENCE) is KILLED


def test_a_child_that_traps_exits_still_ends_with_its_parent(start):
    ends = Queue()
    parent = start(HasAChild, LivesAndTrapsExits, ends)
    parent.stop()
    assert ends.get(timeout=PATIENCE) is NORMAL


def test_a_server_whose_starter_is_killed_meanwhile_does_not_live_on(start):
    begun, release, ends = threading.Event(), threading.Event(), Queue()

    class StartsSlowly(Lives):
        def init(self):
            super().init(ends)
            begun.set()
            release.wait(PATIENCE)

    class StartsWhenTold(GenServer):
        def handle_cast(self, message):
            StartsSlowly.start_link()

    parent = start(StartsWhenTold)
    parent.cast("start")
    begun.wait(PATIENCE)
    parent.kill()
    release.set()
    assert ends.get(timeout=PATIENCE) is KILLED


# ---- exit signals


@pytest.mark.parametrize("reason", [SHUTDOWN, Shutdown("idle"), Crash(ValueError()), KILLED])
def test_an_exit_signal_ends_a_server_through_its_terminate(start, reason):
    ends = Queue()
    ref = start(Lives, ends)
    ref.exit(reason)
    assert ends.get(timeout=PATIENCE) == reason
    assert ref.wait(PATIENCE) == reason


def test_an_exit_signal_of_normal_is_ignored(start, mailbox):
    mailbox.ref.exit(NORMAL)
    assert mailbox.is_empty()


def test_an_exit_signal_is_a_message_to_a_server_that_traps_exits(trapping_mailbox):
    trapping_mailbox.ref.exit(SHUTDOWN)
    assert trapping_mailbox.next() == Exit(None, SHUTDOWN)


def test_an_exit_signal_names_the_server_that_sent_it(start, trapping_mailbox):
    class SendsASignal(GenServer):
        def handle_call(self, request, caller):
            request.exit(SHUTDOWN)

    sender = start(SendsASignal)
    sender.call(trapping_mailbox.ref)
    assert trapping_mailbox.next() == Exit(sender, SHUTDOWN)


def test_a_signal_from_its_parent_ends_even_a_server_that_traps_exits(start):
    ends = Queue()
    parent = start(HasAChild, LivesAndTrapsExits, ends)
    parent.cast(lambda child: child.exit(Shutdown("by my parent")))
    assert ends.get(timeout=PATIENCE) == Shutdown("by my parent")


def test_an_exit_signal_overtakes_the_messages(start):
    begun, release, handled = threading.Event(), threading.Event(), []

    class Works(GenServer):
        def handle_cast(self, message):
            handled.append(message)
            begun.set()
            release.wait(PATIENCE)

    ref = start(Works)
    ref.cast("first")
    ref.cast("second")
    begun.wait(PATIENCE)
    ref.exit(SHUTDOWN)
    release.set()
    ref.wait(PATIENCE)
    assert handled == ["first"]


# ---- callbacks on the end


def test_on_exit_is_called_once_with_the_reason(start):
    heard, ref = Queue(), start(Lives)
    ref.on_exit(lambda *end: heard.put(end))
    ref.stop(SHUTDOWN)
    assert heard.get_nowait() == (ref, SHUTDOWN)
    assert heard.empty()


def test_on_exit_is_called_at_once_for_a_dead_server(start):
    heard, ref = Queue(), start(Lives)
    ref.stop()
    ref.on_exit(lambda *end: heard.put(end))
    assert heard.get_nowait() == (ref, NORMAL)


def test_on_exit_that_was_cancelled_is_not_called(start):
    heard, ref = Queue(), start(Lives)
    ref.on_exit(lambda *end: heard.put(end)).cancel()
    ref.stop()
    assert heard.empty()


def test_a_callback_that_raises_on_the_end_does_not_keep_it_from_the_others(start, mailbox, caplog):
    ref = start(Lives)

    def breaks(*_):
        raise ValueError("in a callback")

    ref.on_exit(breaks)
    mailbox.do("monitor", ref)
    ref.stop()
    assert mailbox.next().reason is NORMAL
    assert "in a callback" in caplog.text


# ---- kill


def test_a_kill_is_known_to_all_when_it_returns(start, mailbox):
    ref = start(Lives)
    monitor = mailbox.do("monitor", ref)
    ref.kill()
    assert not ref.is_alive()
    assert ref.wait(0) is KILLED
    assert mailbox.next() == Down(monitor, ref, KILLED)


def test_terminate_does_not_run_after_a_kill(start):
    ends = Queue()
    ref = start(Lives, ends)
    [thread] = [each for each in threading.enumerate() if each.ident == ref.process.shield._thread]
    ref.exit(KILL)
    thread.join(PATIENCE)
    assert ends.empty()


def test_a_kill_is_not_trapped(start):
    ref = start(LivesAndTrapsExits)
    ref.exit(KILL)
    assert ref.wait(0) is KILLED


def test_a_linked_server_may_trap_the_death_of_a_killed_one(start, trapping_mailbox):
    ref = start(Lives)
    trapping_mailbox.do("link", ref)
    ref.kill()
    assert trapping_mailbox.next() == Exit(ref, KILLED)


def test_killing_twice_is_killing_once(start, mailbox):
    ref = start(Lives)
    mailbox.do("monitor", ref)
    ref.kill()
    ref.kill()
    mailbox.next()
    assert mailbox.is_empty()


def test_a_server_may_kill_itself(start):
    after = []

    class KillsItself(GenServer):
        def handle_call(self, request, caller):
            self.ref.kill()
            after.append("this must not run")

    ref = start(KillsItself)
    with pytest.raises(ServerExited, match="killed"):
        ref.call("now")
    assert not after
