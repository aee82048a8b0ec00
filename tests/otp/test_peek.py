"""Peeking at an idle server, which reads its state without waking it."""

from __future__ import annotations

import gc
import threading
import weakref

import pytest

from hls_sessions.otp import GenServer

BOUND = 30


class Sum(GenServer):
    """Adds up the numbers that it is cast; a peek returns the sum, and the thread that reads it."""

    def init(self, at_work=None, go_on=None):
        self.sum = 0
        self.at_work = at_work
        self.go_on = go_on

    def handle_call(self, request, caller):
        return self.sum

    def handle_cast(self, number):
        if self.at_work is not None:
            self.at_work.set()
            self.go_on.wait(BOUND)
        self.sum += number

    def handle_peek(self):
        return self.sum, threading.current_thread()


@pytest.fixture
def start():
    refs = []

    def start(*arguments):
        refs.append(Sum.start(*arguments))
        return refs[-1]

    yield start
    for ref in refs:
        ref.stop(timeout=BOUND)


def test_a_peek_at_an_idle_server_runs_in_the_thread_of_the_caller(start, until):
    ref = start()

    until(lambda: ref.peek() is not None)

    assert ref.peek() == (0, threading.current_thread())


def test_a_peek_at_a_busy_server_is_none(start, until):
    at_work, go_on = threading.Event(), threading.Event()
    ref = start(at_work, go_on)
    ref.cast(1)
    at_work.wait(BOUND)

    assert ref.peek() is None
    go_on.set()
    until(lambda: ref.peek() is not None)
    assert ref.peek()[0] == 1


def test_messages_sent_before_a_peek_have_been_handled(start):
    ref = start()
    seen = []

    for number in range(1, 2001):
        ref.cast(1)
        peek = ref.peek()
        if peek is not None:
            seen.append(peek[0] == number)

    assert all(seen)
    assert ref.call("sum") == 2000


def test_a_server_handles_nothing_during_a_peek(start, until, watched):
    ref = start()
    until(lambda: ref.peek() is not None)
    server = ref.process.handle_peek.__self__
    lock = ref.process.inbox._lock = watched(ref.process.inbox._lock)
    sender = threading.Thread(target=ref.cast, args=(1,))

    def peek():
        sender.start()
        assert lock.waited_for.wait(BOUND)  # so the message is not even in the inbox
        return server.sum

    assert ref.process.inbox.while_idle(peek) == 0
    sender.join()
    assert ref.call("sum") == 1


def test_a_peek_at_a_dead_server_is_none_and_does_not_keep_it_alive(start, until):
    ref = start()
    server = weakref.ref(ref.process.handle_peek.__self__)
    ref.stop(timeout=BOUND)

    assert ref.peek() is None
    until(lambda: gc.collect() >= 0 and server() is None)  # its thread may still be on its way out


def test_a_peek_at_a_killed_server_is_none(start):
    ref = start()
    ref.kill()

    assert ref.peek() is None
