"""What pykka does that a server must not, fact by fact: first pykka, then ours."""

import asyncio
import logging
import threading
from queue import Queue

import pykka
import pytest

from hls_sessions.otp import Crash, GenServer, Reply, ServerExited, StartError

PATIENCE = 10.0


@pytest.fixture(autouse=True)
def quiet_pykka(caplog):
    caplog.set_level(logging.CRITICAL, logger="pykka")
    yield
    pykka.ActorRegistry.stop_all()


class FailsToStart(pykka.ThreadingActor):
    def on_start(self):
        raise ValueError("no")


class Breaks(pykka.ThreadingActor):
    def __init__(self, ends):
        super().__init__()
        self.ends = ends

    def on_receive(self, message):
        raise ValueError("broken")

    def on_stop(self):
        self.ends.put("cleaned up")


class OurBreaks(GenServer):
    def init(self, ends):
        self.ends = ends

    def handle_call(self, request, caller):
        raise ValueError("broken")

    def handle_cast(self, message):
        raise ValueError("broken")

    def terminate(self, reason):
        self.ends.put(reason)


def test_pykka_returns_a_ref_even_if_the_start_failed():
    ref = FailsToStart.start()
    ref.actor_stopped.wait(PATIENCE)
    assert not ref.is_alive()


def test_a_server_that_failed_to_start_has_no_ref():
    class OurFails(GenServer):
        def init(self):
            raise ValueError("no")

    with pytest.raises(StartError):
        OurFails.start()


def test_a_pykka_actor_lives_on_after_an_exception_in_an_ask():
    ref = Breaks.start(Queue())
    with pytest.raises(ValueError, match="broken"):
        ref.ask("anything")
    assert ref.is_alive()


def test_a_server_does_not_live_on_after_an_exception_in_a_call(start):
    ref = start(OurBreaks, Queue())
    with pytest.raises(ServerExited):
        ref.call("anything")
    assert isinstance(ref.wait(PATIENCE), Crash)


def test_a_pykka_actor_does_not_clean_up_after_an_exception_in_a_tell():
    ends = Queue()
    ref = Breaks.start(ends)
    ref.tell("anything")
    ref.actor_stopped.wait(PATIENCE)
    assert ends.empty()


def test_a_server_cleans_up_after_an_exception_in_a_cast(start):
    ends = Queue()
    start(OurBreaks, ends).cast("anything")
    assert isinstance(ends.get(timeout=PATIENCE), Crash)


def test_the_second_stop_of_a_server_waits_as_long_as_the_first(start):
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
    release.set()
    for thread in threads:
        thread.join(PATIENCE)
    assert [returned.get_nowait() for _ in range(3)] == ["gone", "stopped", "stopped"]


def test_servers_are_not_in_pykkas_registry_which_is_searched_from_end_to_end(start):
    start(GenServer)
    assert pykka.ActorRegistry.get_all() == []


def test_pykka_stops_every_actor_when_one_raises_system_exit(start):
    class Exits(pykka.ThreadingActor):
        def on_receive(self, message):
            raise SystemExit

    class Bystander(pykka.ThreadingActor):
        pass

    bystander, ours = Bystander.start(), start(GenServer)
    Exits.start().tell("anything")
    assert bystander.actor_stopped.wait(PATIENCE)
    assert ours.is_alive()


def test_a_pykka_future_blocks_the_loop_that_awaits_it():
    async def main(future):
        waiter = asyncio.ensure_future(future)
        await asyncio.sleep(0)
        asyncio.get_running_loop().call_soon(order.append, "the loop went on")
        await waiter

    order = []
    future = pykka.ThreadingFuture()

    def answer():
        order.append("answered")
        future.set()

    timer = threading.Timer(0.05, answer)
    timer.start()
    asyncio.run(main(future))
    assert order[0] == "answered"


def test_a_reply_does_not_block_the_loop_that_awaits_it():
    async def main(reply):
        waiter = asyncio.ensure_future(reply)
        await asyncio.sleep(0)
        asyncio.get_running_loop().call_soon(reply.set, "set by the loop itself")
        return await waiter

    assert asyncio.run(main(Reply())) == "set by the loop itself"


def test_pykka_logs_nothing_about_our_servers(start, caplog):
    with caplog.at_level(logging.DEBUG, logger="pykka"):
        start(OurBreaks, Queue()).cast("anything")
        start(GenServer).stop()
    assert not [record for record in caplog.records if record.name == "pykka"]
