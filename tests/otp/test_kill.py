import threading
from functools import partial
from queue import Queue

import pytest

from hls_sessions.otp import NO_REPLY, GenServer, ManualClock, NoProcess, Registry, Reply, ServerExited, Timers, shield
from hls_sessions.otp.reasons import KILLED
from hls_sessions.otp.shield import KillSignal

PATIENCE = 10.0

needs_a_signal = pytest.mark.skipif(
    threading.gettrace() is not None, reason="nothing is raised under a debugger or coverage"
)


class Acts(GenServer):
    """Runs a function that it is cast, and says when it has begun."""

    def init(self):
        self.begun = threading.Event()

    def handle_call(self, request, caller):
        return self.begun if request == "begun" else NO_REPLY

    def handle_cast(self, message):
        self.begun.set()
        message()


@pytest.fixture
def begin(start):
    """Return a function that starts a server with an action, and returns when the server has begun it."""

    def begin(action):
        ref = start(Acts)
        begun = ref.call("begun")
        ref.cast(action)
        assert begun.wait(PATIENCE)
        return ref

    return begin


def works_for_ever():
    while True:
        pass


@needs_a_signal
def test_a_kill_ends_a_thread_that_works_for_ever(begin):
    begin(works_for_ever).kill()
    # The fixture that looks for leftover threads checks the rest.


@needs_a_signal
def test_a_kill_ends_a_thread_that_swallows_the_signal(begin):
    swallowed = threading.Event()

    def swallows():
        try:
            works_for_ever()
        except KillSignal:
            swallowed.set()

    begin(swallows).kill()
    assert swallowed.wait(PATIENCE)


def test_a_kill_wakes_a_thread_that_waits_for_an_answer(begin, start):
    never_answers = start(Acts)
    begin(lambda: never_answers.call("wait", timeout=None)).kill()


def test_a_kill_wakes_a_thread_that_waits_for_another_to_start(begin):
    starting, release = threading.Event(), threading.Event()

    class StartsSlowly(GenServer):
        def init(self):
            starting.set()
            release.wait(PATIENCE)

    ref = begin(StartsSlowly.start_link)
    assert starting.wait(PATIENCE)
    ref.kill()
    release.set()


def test_a_kill_does_not_wait_for_a_thread_that_is_stuck(begin):
    release = threading.Event()
    ref = begin(lambda: release.wait(PATIENCE))
    ref.kill()
    assert ref.wait(0) is KILLED
    release.set()


def test_all_callers_that_wait_are_answered_although_the_thread_is_stuck(start):
    release, begun = threading.Event(), threading.Event()

    class GetsStuck(GenServer):
        def handle_call(self, request, caller):
            if request == "later":
                return NO_REPLY
            begun.set()
            return release.wait(PATIENCE)

    ref = start(GetsStuck)
    replies = [ref.ask("later"), ref.ask("now"), ref.ask("never reached")]
    assert begun.wait(PATIENCE)
    ref.kill()
    for reply in replies:
        with pytest.raises(ServerExited, match="killed"):
            reply.get(0)
    with pytest.raises(NoProcess):
        ref.call("too late")
    release.set()


def test_the_names_of_a_killed_server_are_free_although_its_thread_is_stuck(begin, start):
    release, registry = threading.Event(), Registry()
    ref = begin(lambda: release.wait(PATIENCE))
    registry.register("name", ref)
    ref.kill()
    registry.register("name", start(Acts))
    release.set()


@pytest.mark.parametrize("verb", ["cast", "send", "ask", "kill", "exit"])
def test_a_killed_server_that_goes_on_cannot_reach_others(begin, mailbox, verb):
    release, outcome = threading.Event(), Queue()

    def goes_on():
        release.wait(PATIENCE)
        try:
            getattr(mailbox.ref, verb)(*["from the dead"] * (verb != "kill"))
        except KillSignal:
            outcome.put("KillSignal")
            raise

    ref = begin(lambda: swallowing(goes_on))
    ref.kill()
    release.set()
    assert outcome.get(timeout=PATIENCE) == "KillSignal"
    assert mailbox.ref.is_alive()
    assert mailbox.is_empty()


def swallowing(action):
    """Act again after the first KillSignal, as code that catches everything would."""
    try:
        action()
    except KillSignal:
        action()


def test_a_killed_server_cannot_answer_any_more(start):
    release, begun = threading.Event(), threading.Event()

    class AnswersLate(GenServer):
        def handle_call(self, request, caller):
            begun.set()
            release.wait(PATIENCE)
            return "too late"

    ref = start(AnswersLate)
    reply = ref.ask("a question")
    assert begun.wait(PATIENCE)
    ref.kill()
    release.set()
    with pytest.raises(ServerExited):
        reply.get(0)


class Shared:
    """Objects that servers share. Each method is a use of them during which a server may be killed."""

    def __init__(self, ref):
        self.ref, self.registry, self.timers, self.reply = ref, Registry(), Timers(ManualClock()), Reply()

    def send(self):
        self.ref.send(None)

    def call(self):
        self.ref.call("a question")

    def ask_and_cancel(self):
        self.ref.ask("a question").cancel()

    def peek(self):
        self.ref.peek()

    def hear_of_its_end(self):
        self.ref.on_exit(lambda *_: None).cancel()

    def have_a_name(self):
        name = object()
        self.registry.register(name, self.ref)
        self.registry.unregister(name)

    def wait_for_a_name(self):
        self.registry.wait_for("name").cancel()

    def have_a_timer(self):
        self.timers.cancel(self.timers.send_after(self.ref, None, 1))

    def wait_for_time(self):
        self.timers.clock.advance(1)

    def hear_of_a_reply(self):
        self.reply.add_done_callback(lambda _: None)


@needs_a_signal
@pytest.mark.parametrize("verb", [verb for verb in vars(Shared) if not verb.startswith("_")])
def test_objects_that_servers_share_survive_a_kill_at_any_moment(start, mailbox, moments, verb):
    """Try each use again after the kill: it would hang on a lock that the killed server still held."""
    act = getattr(Shared(mailbox.ref), verb)
    for moment in moments():
        victim = start(Acts)
        victim.cast(lambda moment=moment: moment.of(act))
        if not moment.comes():
            break
        victim.kill()
        moment.goes_to_the_end_of_the_thread()
        act()


@needs_a_signal
def test_a_kill_at_any_moment_registers_a_server_wholly_or_not_at_all(start, moments):
    for moment in moments():
        victim, holder, registry = start(Acts), start(Acts), Registry()
        act = partial(registry.register, "name", holder)
        victim.cast(lambda moment=moment, act=act: moment.of(act))
        if not moment.comes():
            break
        victim.kill()
        moment.goes_to_the_end_of_the_thread()
        holder.stop()
        assert repr(registry) == "<Registry [0 names]>"


@needs_a_signal
def test_a_callback_that_returns_while_the_signal_is_on_its_way_waits_for_it(begin, watched, monkeypatch):
    returns, raise_in = threading.Event(), shield._raise_in

    def raise_late(thread):
        returns.set()
        lock.waited_for.wait(PATIENCE)
        raise_in(thread)

    monkeypatch.setattr(shield, "_raise_in", raise_late)
    ref = begin(lambda: returns.wait(PATIENCE))
    lock = ref.process.shield._raised = watched(ref.process.shield._raised)
    ref.kill()
    assert lock.waited_for.is_set()


@needs_a_signal
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_signal_that_a_finalizer_swallowed_is_not_waited_for(begin):
    finalizing, finalized = threading.Event(), threading.Event()

    class TakesLongToDie:
        def __del__(self):
            finalizing.set()
            works_for_ever()

    def finalizes():
        TakesLongToDie()
        finalized.set()

    ref = begin(finalizes)
    assert finalizing.wait(PATIENCE)
    ref.kill()
    assert finalized.wait(PATIENCE)
