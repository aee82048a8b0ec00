import gc
import sys
import threading
from itertools import count
from queue import Queue, SimpleQueue

import pytest

from hls_sessions.otp import GenServer

PATIENCE = 10.0
"""Seconds after which a test that waits for an event has failed. No test that passes waits so long."""


@pytest.fixture
def start():
    """Return a function that starts a server, which is stopped after the test."""
    refs = []

    def start(server, *args, **kwargs):
        refs.append(server.start(*args, **kwargs))
        return refs[-1]

    yield start
    for ref in reversed(refs):
        ref.stop(timeout=PATIENCE)


class Mailbox:
    """Gives a test the messages of a server, which keeps them for it."""

    def __init__(self, queue, ref):
        self._queue = queue
        self.ref = ref

    def next(self):
        return self._queue.get(timeout=PATIENCE)

    def is_empty(self):
        self.ref.call("have you handled all that came before?")
        return self._queue.empty()

    def do(self, verb, *args):
        """Have the server call one of its own methods, such as monitor."""
        return self.ref.call((verb, *args))


class KeepsMessages(GenServer):
    def init(self, queue):
        self.queue = queue

    def handle_call(self, request, caller):
        if isinstance(request, tuple):
            verb, *args = request
            return getattr(self, verb)(*args)
        return True

    def handle_info(self, message):
        self.queue.put(message)

    def handle_peek(self):
        return self.queue.qsize()


class KeepsMessagesAndTrapsExits(KeepsMessages):
    trap_exits = True


@pytest.fixture
def mailbox(start):
    queue = Queue()
    return Mailbox(queue, start(KeepsMessages, queue))


@pytest.fixture
def trapping_mailbox(start):
    queue = Queue()
    return Mailbox(queue, start(KeepsMessagesAndTrapsExits, queue))


class Moment:
    """A moment of one thread, the first being number 0, at which it is paused while the test does something.

    CPython switches threads only after a call of C code, when a Python function begins, and at the end of a loop's
    turn. An exception that one thread raises in another comes at the same points. Those are the moments, so a test
    that tries each of them has seen every race that can happen.
    """

    def __init__(self, number):
        self._number = number
        self.is_fit = lambda: True
        """Whether the thread may be paused now, asked in that thread. If not, it is at the next moment."""
        self._news, self._resume = SimpleQueue(), SimpleQueue()

    def begin(self):
        """Count the moments of the calling thread from here on."""
        self._thread = threading.current_thread()
        sys.setprofile(self._count)

    def end(self, *_):
        """Tell the test that there are no more."""
        sys.setprofile(None)
        self._news.put(False)

    def of(self, function):
        self.begin()
        function()
        self.end()

    def comes(self):
        """Wait until the thread is paused; return False when it ended before."""
        return self._news.get(timeout=PATIENCE)

    def goes(self):
        self._resume.put(None)

    def goes_to_the_end_of_the_thread(self):
        self.goes()
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()

    def _count(self, _frame, event, _):
        if event in ("call", "c_return", "c_exception"):
            self._number -= 1
            if self._number < 0 and self.is_fit():
                sys.setprofile(None)
                self._news.put(True)
                self._resume.get()


class WatchedLock:
    """Wraps a lock, and tells when a thread waits for it."""

    def __init__(self, lock):
        self._lock, self.release = lock, lock.release
        self.waited_for = threading.Event()

    def __enter__(self):
        if not self._lock.acquire(blocking=False):
            self.waited_for.set()
            self._lock.acquire()

    def __exit__(self, *_):
        self.release()


@pytest.fixture
def watched():
    return WatchedLock


@pytest.fixture
def moments():
    """Return all moments, to be tried one after the other until one does not come."""
    gc.disable()  # or callbacks of the collector would be moments too, at other points each time
    yield lambda: (Moment(number) for number in count())
    gc.enable()
