"""Worker processes: forked from one parent, heard until their end, and never left behind."""

from __future__ import annotations

import os
import signal
import socket
import threading
from pathlib import Path

import pytest

from hls_sessions.ffmpeg import Workers
from hls_sessions.ffmpeg.workers import Channel, WorkerFailed
from hls_sessions.ffmpeg.workers.listener import Listener
from hls_sessions.testing import child_processes

BOUND = 30.0


@pytest.fixture
def start(tmp_path, workers):
    """Return a function that starts a worker, which runs some Python with its end of the ``channel``."""
    number = 0

    def start(script, heard=None):
        nonlocal number
        number += 1
        body = "".join(f"    {line}\n" for line in script.splitlines())
        (tmp_path / f"task_{number}.py").write_text(f"import os, signal, sys\ndef serve(channel):\n{body}")
        task = f"task_{number}:serve"
        return workers.start(task) if heard is None else workers.start_heard(task, *heard)

    return start


ECHO = "while True:\n    said = channel.receive()\n    channel.send(said.body, said.payload)"


# Messages


def test_an_answer_comes_back_with_its_payload(start):
    worker = start("said = channel.receive()\nchannel.send(said.body, b'one', memoryview(b'two'))")

    assert worker.ask({"what": ["é", 1.5, None]}, BOUND) == ({"what": ["é", 1.5, None]}, b"onetwo")
    worker.end()


def test_a_message_of_many_megabytes_arrives_whole(start):
    worker = start("channel.receive()\nchannel.send('large', bytes(range(256)) * (1 << 16))")

    assert worker.ask(None, BOUND).payload == bytes(range(256)) * (1 << 16)
    worker.end()


def test_a_message_that_is_sent_before_the_worker_has_started_is_not_lost():
    fresh = Workers()
    try:
        worker = fresh.start("hls_sessions.ffmpeg.probing.worker:serve")
        worker.send(["/nothing/there.mp4", False, None, True])

        assert "error" in worker.receive(BOUND).body
        worker.end()
    finally:
        fresh.close()


def test_an_answer_that_does_not_come_in_time_is_a_timeout_and_the_end_of_the_worker(start):
    worker = start("signal.pause()")

    with pytest.raises(TimeoutError):
        worker.ask("anything", 0.05)
    assert worker.exit.was_killed


def test_half_an_answer_is_no_answer():
    ours, theirs = socket.socketpair()
    channel = Channel(ours)
    theirs.send(bytes([0, 0, 0, 9]))

    with pytest.raises(TimeoutError):
        channel.receive(0)
    theirs.close()
    channel.close()


@pytest.mark.parametrize(
    "script", ["channel._socket.send(b'\\xff' * 64)", "channel._socket.send(bytes([0, 0, 0, 1, 0, 0, 0, 0]) + b'{')"]
)
def test_bytes_that_are_no_message_are_a_failure(start, script):
    worker = start(f"{script}\nsignal.pause()")

    with pytest.raises(WorkerFailed):
        worker.ask("anything", BOUND)


def test_one_side_hears_that_the_other_has_gone():
    ours, theirs = socket.socketpair()
    channel = Channel(ours)
    theirs.close()

    with pytest.raises(EOFError):
        channel.receive(BOUND)
    channel.close()


# How it ends


@pytest.mark.parametrize(
    ("script", "code"),
    [
        ("os._exit(7)", 7),
        ("os.abort()", -signal.SIGABRT),
        ("os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL),
        ("return", 0),
    ],
)
def test_how_a_worker_ended_is_known(start, script, code):
    worker = start(script)

    assert worker.wait(BOUND).code == code
    worker.close()


def test_an_exception_in_a_worker_is_told(start):
    worker = start("raise ValueError('what nobody thought of')")

    with pytest.raises(WorkerFailed, match="what nobody thought of"):
        worker.receive(BOUND)
    assert worker.wait(BOUND).code == 1
    worker.close()


def test_the_processor_time_of_a_worker_is_known(start):
    worker = start("import time\nwhile time.process_time() < 0.2: pass")

    assert worker.wait(BOUND).seconds >= 0.2
    worker.close()


def test_a_worker_whose_channel_is_closed_ends_by_itself(start):
    worker = start(ECHO)
    worker.ask("hello", BOUND)

    worker.close()

    assert worker.wait(BOUND).code == 0


def test_killing_a_worker_kills_its_children(start, ends):
    worker = start("child = os.fork()\nif child == 0: signal.pause()\nchannel.send(child)\nsignal.pause()")
    child = worker.receive(BOUND).body

    worker.end()

    assert ends(child)


def test_a_worker_that_has_ended_cannot_be_killed_any_more(start):
    worker = start("return")
    worker.wait(BOUND)

    worker.end()
    worker.end()


# Workers that nobody waits for


def test_all_messages_are_told_and_the_end_comes_last(start):
    told, over = [], threading.Event()

    def ended(how):
        told.append(how.code)
        over.set()

    start("for n in range(100): channel.send(n)\nos._exit(3)", (lambda _: None, lambda m: told.append(m.body), ended))

    assert over.wait(BOUND)
    assert told == [*range(100), 3]


def test_a_channel_that_is_closed_before_its_turn_has_ended_and_the_others_are_heard():
    listener, over, told = Listener(), [threading.Event(), threading.Event()], threading.Event()
    pairs = [socket.socketpair(), socket.socketpair()]
    closed, open_ = (Channel(ours) for ours, _ in pairs)
    closed.close()

    listener.listen(closed, lambda _: None, over[0].set)
    listener.listen(open_, lambda _: told.set(), over[1].set)
    Channel(pairs[1][1]).send("a message")

    assert over[0].wait(BOUND)
    assert told.wait(BOUND)
    for _, theirs in pairs:
        theirs.close()
    assert over[1].wait(BOUND)
    listener.close()
    open_.close()


def test_the_process_of_a_worker_is_told_when_it_has_started(start, until):
    told, over = [], threading.Event()
    worker = start(ECHO, (told.append, print, lambda _: over.set()))

    until(lambda: told)
    assert [identity.pid for identity in told] == [worker.pid]
    worker.kill()
    assert over.wait(BOUND)


def test_a_worker_that_sends_no_valid_message_is_ended(start):
    over = threading.Event()

    worker = start("channel._socket.send(b'\\xff' * 64)\nsignal.pause()", (print, print, lambda _: over.set()))

    assert over.wait(BOUND)
    assert not Path(f"/proc/{worker.pid}").exists()


# Their parent


@pytest.fixture
def parent_of(until):
    """Return a function that returns the pid of a worker's parent, as soon as the worker's process is known."""

    def parent_of(worker):
        until(lambda: worker.pid is not None)
        return parent(worker.pid)

    return parent_of


def parent(pid):
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()[1])


def test_workers_die_with_their_parent_and_the_next_worker_has_another(start, parent_of, ends):
    worker = start(ECHO)
    worker.ask("hello", BOUND)
    before = parent_of(worker)

    os.kill(before, signal.SIGKILL)

    assert worker.wait(BOUND).was_killed
    assert ends(worker.pid)
    worker.close()
    another = start(ECHO)
    assert another.ask("hello", BOUND).body == "hello"
    assert parent_of(another) != before
    another.end()


def test_closing_ends_the_parent_and_all_its_workers(tmp_path):
    before = child_processes()
    fresh = Workers()
    worker = fresh.start("hls_sessions.ffmpeg.probing.worker:serve")
    worker.ask(["/nothing/there.mp4", False, None, True], BOUND)

    fresh.close()

    assert child_processes() == before
    assert worker.exit is not None
    worker.close()
    with pytest.raises(WorkerFailed, match="closed"):
        fresh.start("hls_sessions.ffmpeg.probing.worker:serve")
    fresh.close()


def test_a_parent_that_hangs_is_killed_when_it_is_closed(monkeypatch, parent_of, ends):
    monkeypatch.setattr("hls_sessions.ffmpeg.workers.workers.CLOSING", 0.1)
    fresh = Workers()
    worker = fresh.start("hls_sessions.ffmpeg.probing.worker:serve")
    worker.ask(["/nothing/there.mp4", False, None, True], BOUND)
    before = parent_of(worker)
    os.kill(before, signal.SIGSTOP)

    fresh.close()

    assert ends(before)
    assert ends(worker.pid)
    worker.close()


def test_a_worker_is_in_no_terminal_of_its_daemon(start):
    worker = start("channel.send([os.getpgid(0), os.getpid()])\nsignal.pause()")
    group, pid = worker.receive(BOUND).body

    assert group == pid != os.getpgid(0)
    worker.end()
