import threading
from queue import Queue

import pytest

from hls_sessions.otp import NoProcess, Reply, ServerExited
from hls_sessions.otp.inbox import Inbox
from hls_sessions.otp.messages import WAKE, Envelope
from hls_sessions.otp.reasons import NORMAL


def test_the_first_message_that_was_put_is_got_first():
    inbox = Inbox()
    first, second = Envelope(1), Envelope(2)
    inbox.put(first)
    inbox.put(second)
    assert [inbox.get(), inbox.get()] == [first, second]


def test_an_empty_inbox_gives_a_wake_when_time_is_up():
    assert Inbox().get(timeout=0) is WAKE


def test_closing_answers_the_questions_inside():
    inbox, reply = Inbox(), Reply()
    inbox.put(Envelope("question", reply_to=reply))
    inbox.put(Envelope("no question"))
    inbox.close("the owner", NORMAL)
    with pytest.raises(ServerExited):
        reply.get(0)


def test_closing_wakes_a_thread_that_waits_for_a_message():
    inbox, woken = Inbox(), Queue()
    threading.Thread(target=lambda: woken.put(inbox.get())).start()
    inbox.close("the owner", NORMAL)
    assert woken.get(timeout=10) is WAKE


def test_a_question_to_a_closed_inbox_is_answered_at_once():
    inbox, reply = Inbox(), Reply()
    inbox.close("the owner", NORMAL)
    inbox.put(Envelope("question", reply_to=reply))
    with pytest.raises(NoProcess):
        reply.get(0)


def test_a_message_to_a_closed_inbox_is_dropped():
    inbox = Inbox()
    inbox.close("the owner", NORMAL)
    inbox.get()
    inbox.put(Envelope("no question"))
    assert inbox.empty()
