"""Races, with every outcome tried: an act of one thread comes at each moment of the other in turn."""

import threading
from functools import partial
from queue import Queue

import pytest

from hls_sessions.otp import NO_REPLY, GenServer, NoProcess, ServerExited, Shutdown, genserver, process
from hls_sessions.otp.messages import Down, Exit, Stop
from hls_sessions.otp.reasons import NORMAL

PATIENCE = 10.0


@pytest.fixture(autouse=True)
def _no_log(monkeypatch):
    """Log nothing, because a thread that is paused while it logs would hold the lock of the log."""
    for module in (genserver, process):
        monkeypatch.setattr(module.logger, "disabled", True)


class Acts(GenServer):
    """Runs a function that it is cast; answers some questions at once, and some only by ending."""

    trap_exits = True

    def init(self, news=None):
        self.news = news

    def handle_call(self, request, caller):
        if callable(request):
            return request(self)
        return NO_REPLY if request == "later" else "at once"

    def handle_cast(self, message):
        message(self)

    def handle_info(self, message):
        self.news.put(message)


class ActsAndDiesOfExits(Acts):
    trap_exits = False


def crash(_):
    raise ValueError("as told")


ENDS = {
    "stop": lambda ref: ref.send(Stop(NORMAL)),
    "crash": lambda ref: ref.cast(crash),
    "exit": lambda ref: ref.exit(Shutdown("race")),
    "kill": lambda ref: ref.kill(),
}


def is_open(ref):
    """Whether the paused thread holds no lock of the server. With a lock held, any other thread would wait anyway."""
    process = ref.process
    replies = [reply for reply in (process.in_hand, *process._deferred) if reply is not None]
    return not (
        process._lock.locked() or process.inbox._lock.locked() or any(reply._condition._is_owned() for reply in replies)
    )


def end(ref, verb, moment):
    """End a server, and count the moments of the thread that ends it. Return a reply that this leaves in the inbox."""
    ref.process.gone.add_done_callback(moment.end)
    unreached = Queue()
    if verb == "kill":
        threading.Thread(target=lambda: (unreached.put(ref.ask("later")), moment.begin(), ref.kill())).start()
    else:
        ref.cast(lambda server: (ENDS[verb](server.ref), unreached.put(server.ref.ask("now")), moment.begin()))
    return unreached.get(timeout=PATIENCE)


def outcome(reply):
    try:
        return reply.get(PATIENCE)
    except (NoProcess, ServerExited) as error:
        return type(error)


@pytest.mark.parametrize("first", ENDS)
def test_a_question_at_any_moment_of_the_end_is_answered(start, moments, first):
    outcomes = set()
    for moment in moments():
        ref = start(ActsAndDiesOfExits)
        moment.is_fit = partial(is_open, ref)
        before = ref.ask("later"), end(ref, first, moment)
        if not moment.comes():
            break
        meanwhile = ref.ask("now"), ref.ask("later")
        moment.goes()
        assert [outcome(reply) for reply in before] == [ServerExited] * 2
        outcomes |= {outcome(reply) for reply in meanwhile}
    assert outcomes >= {NoProcess, ServerExited}


@pytest.mark.parametrize("second", ENDS)
@pytest.mark.parametrize("first", ENDS)
def test_a_server_that_is_ended_again_at_any_moment_of_its_end_ends_once(start, moments, first, second):
    for moment in moments():
        ref, ends = start(ActsAndDiesOfExits), Queue()
        moment.is_fit = partial(is_open, ref)
        ref.on_exit(lambda _, reason, ends=ends: ends.put(reason))
        replies = ref.ask("later"), end(ref, first, moment)
        if not moment.comes():
            break
        ENDS[second](ref)
        moment.goes_to_the_end_of_the_thread()
        assert [outcome(reply) for reply in replies] == [ServerExited] * 2
        assert ref.wait(PATIENCE) is ends.get_nowait() is ref.process.reason
        assert ends.empty()


@pytest.mark.parametrize(("verb", "news"), [("monitor", Down), ("link", Exit)])
def test_an_end_at_any_moment_of_a_link_or_monitor_in_the_making_is_told_once(start, moments, verb, news):
    told = Queue()
    watcher = start(Acts, told)
    for moment in moments():
        ref = start(ActsAndDiesOfExits)
        moment.is_fit = partial(is_open, ref)
        watch = partial(lambda server, ref: getattr(server, verb)(ref), ref=ref)
        made = watcher.ask(lambda server, moment=moment, watch=watch: moment.of(partial(watch, server)))
        if not moment.comes():
            break
        ref.kill()
        moment.goes()
        made.get(PATIENCE)
        assert isinstance(told.get(timeout=PATIENCE), news)
        watcher.call("have you handled all that came before?")
        assert told.empty()


@pytest.mark.parametrize("question", ["now", "later"])
def test_a_server_killed_at_any_moment_of_a_question_answers_it(start, moments, question):
    for moment in moments():
        ref, asked = start(ActsAndDiesOfExits), Queue()
        moment.is_fit = partial(is_open, ref)

        def ask(server, moment=moment, asked=asked):
            asked.put(server.ref.ask(question))
            server.ref.cast(lambda _: moment.end())
            moment.begin()

        ref.cast(ask)
        if not moment.comes():
            break
        ref.kill()
        moment.goes()
        assert outcome(asked.get(timeout=PATIENCE)) in ("at once", ServerExited)


@pytest.mark.parametrize("verb", ["kill", "stop"])
def test_a_question_during_which_the_server_ends_at_any_moment_is_answered(start, moments, verb):
    for moment in moments():
        ref, asked = start(ActsAndDiesOfExits), Queue()
        moment.is_fit = partial(is_open, ref)
        ask = partial(lambda ref, asked: asked.put(ref.ask("later")), ref, asked)
        threading.Thread(target=moment.of, args=(ask,)).start()
        if not moment.comes():
            break
        ENDS[verb](ref)
        ref.wait(PATIENCE)
        moment.goes()
        assert outcome(asked.get(timeout=PATIENCE)) in (NoProcess, ServerExited)
