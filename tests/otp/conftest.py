from queue import Queue

import pytest

from hls_sessions.otp import GenServer

PATIENCE = 10.0
"""Seconds after which a test that waits for an event has failed. No test that passes waits so long."""


@pytest.fixture
def start():
    """Starts servers that the test need not stop."""
    refs = []

    def start(server, *args, **kwargs):
        refs.append(server.start(*args, **kwargs))
        return refs[-1]

    yield start
    for ref in reversed(refs):
        ref.stop(timeout=PATIENCE)


class Mailbox:
    """Lets a test receive what a server would."""

    def __init__(self, queue, ref):
        self._queue = queue
        self.ref = ref

    def next(self):
        return self._queue.get(timeout=PATIENCE)

    def is_empty(self):
        self.ref.call("have you handled all that came before?")
        return self._queue.empty()

    def do(self, verb, *args):
        """Has the server call one of its own methods, such as monitor."""
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
