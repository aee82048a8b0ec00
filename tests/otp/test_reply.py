import asyncio
import threading
from queue import Queue

import pykka
import pytest

from hls_sessions.otp import CallTimeout, Reply
from hls_sessions.otp.errors import ReplyCancelled

PATIENCE = 10.0


def in_thread(function, *args):
    thread = threading.Thread(target=function, args=args)
    thread.start()
    return thread


# ---- threads


def test_get_returns_the_answer():
    reply = Reply()
    reply.set(42)
    assert reply.get() == 42
    assert reply.get() == 42


def test_get_waits_for_the_answer():
    reply, got = Reply(), Queue()
    in_thread(lambda: got.put(reply.get(PATIENCE)))
    reply.set(42)
    assert got.get(timeout=PATIENCE) == 42


def test_get_raises_the_error_that_was_the_answer():
    reply = Reply()
    reply.fail(ValueError("no"))
    with pytest.raises(ValueError, match="no"):
        reply.get()


def test_getting_an_error_again_and_again_does_not_lengthen_its_traceback():
    reply, lengths = Reply(), set()
    reply.fail(ValueError())
    for _ in range(3):
        with pytest.raises(ValueError) as failure:  # noqa: PT011 - which one is not in question
            reply.get()
        lengths.add(len(failure.traceback))
    assert len(lengths) == 1


def test_a_get_that_timed_out_does_not_poison_the_reply():
    reply = Reply()
    with pytest.raises(CallTimeout):
        reply.get(timeout=0.01)
    assert not reply.done()
    reply.set(42)
    assert reply.get() == 42


def test_a_timeout_is_a_pykka_timeout_too():
    with pytest.raises(pykka.Timeout):
        Reply().get(timeout=0)


def test_many_threads_may_wait_for_one_reply():
    reply, got = Reply(), Queue()
    threads = [in_thread(lambda: got.put(reply.get(PATIENCE))) for _ in range(8)]
    reply.set(42)
    for thread in threads:
        thread.join(PATIENCE)
    assert [got.get_nowait() for _ in threads] == [42] * 8


def test_the_first_answer_counts():
    reply = Reply()
    reply.set("first")
    reply.set("second")
    reply.fail(ValueError("third"))
    assert reply.get() == "first"


# ---- coroutines


def test_a_reply_can_be_awaited():
    async def main():
        reply = Reply()
        thread = in_thread(reply.set, 42)
        answer = await reply
        thread.join()
        return answer

    assert asyncio.run(main()) == 42


def test_a_reply_that_is_done_can_be_awaited():
    async def main():
        reply = Reply()
        reply.set(42)
        return await reply

    assert asyncio.run(main()) == 42


def test_awaiting_raises_the_error_that_was_the_answer():
    async def main():
        reply = Reply()
        reply.fail(ValueError("no"))
        await reply

    with pytest.raises(ValueError, match="no"):
        asyncio.run(main())


def test_awaiting_does_not_block_the_loop():
    async def main():
        reply = Reply()
        waiter = asyncio.ensure_future(reply)
        await asyncio.sleep(0)
        reply.set("set by the loop that waits")
        return await waiter

    assert asyncio.run(main()) == "set by the loop that waits"


def test_awaiting_takes_no_thread():
    async def main():
        replies = [Reply() for _ in range(100)]
        before = threading.active_count()
        waiters = [asyncio.ensure_future(reply) for reply in replies]
        await asyncio.sleep(0)
        during = threading.active_count()
        for number, reply in enumerate(replies):
            reply.set(number)
        return before, during, await asyncio.gather(*waiters)

    before, during, answers = asyncio.run(main())
    assert during == before
    assert answers == list(range(100))


def test_an_awaited_reply_can_time_out():
    async def main(reply):
        await asyncio.wait_for(reply, timeout=0.01)

    reply = Reply()
    with pytest.raises(TimeoutError):
        asyncio.run(main(reply))
    assert reply.cancelled()


def test_several_loops_and_threads_may_wait_for_one_reply():
    reply, got, waiting = Reply(), Queue(), threading.Barrier(4)

    async def wait_in_a_loop():
        waiter = asyncio.ensure_future(reply)
        await asyncio.sleep(0)
        waiting.wait(PATIENCE)
        got.put(await waiter)

    def wait_in_a_thread():
        waiting.wait(PATIENCE)
        got.put(reply.get(PATIENCE))

    threads = [
        in_thread(asyncio.run, wait_in_a_loop()),
        in_thread(asyncio.run, wait_in_a_loop()),
        in_thread(wait_in_a_thread),
    ]
    waiting.wait(PATIENCE)
    reply.set(42)
    for thread in threads:
        thread.join(PATIENCE)
    assert [got.get_nowait() for _ in threads] == [42] * 3


def test_a_closed_loop_does_not_break_the_replier():
    reply = Reply()

    async def begin_to_wait():
        waiting = reply._wait_async()
        waiting.send(None)
        return waiting

    waiting = asyncio.run(begin_to_wait())
    reply.set(42)
    assert reply.get() == 42
    waiting.close()


# ---- leaving


def test_a_cancelled_reply_drops_its_answer():
    reply = Reply()
    assert reply.cancel()
    assert reply.cancelled()
    reply.set(42)
    with pytest.raises(ReplyCancelled):
        reply.get()


def test_a_reply_that_is_done_cannot_be_cancelled():
    reply = Reply()
    reply.set(42)
    assert not reply.cancel()
    assert not reply.cancelled()
    assert reply.get() == 42


def test_cancelling_the_awaiting_task_cancels_the_reply():
    async def main(reply):
        waiter = asyncio.ensure_future(reply)
        await asyncio.sleep(0)
        waiter.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiter

    reply = Reply()
    asyncio.run(main(reply))
    assert reply.cancelled()


def test_a_reply_that_others_still_await_is_not_cancelled():
    async def main():
        reply = Reply()
        leaves, stays = asyncio.ensure_future(reply), asyncio.ensure_future(reply)
        await asyncio.sleep(0)
        leaves.cancel()
        await asyncio.sleep(0)
        assert not reply.cancelled()
        reply.set(42)
        return await stays

    assert asyncio.run(main()) == 42


def test_cancelling_wakes_a_thread_that_waits():
    reply, outcome = Reply(), Queue()

    def wait():
        with pytest.raises(ReplyCancelled):
            reply.get(PATIENCE)
        outcome.put("woken")

    in_thread(wait)
    reply.cancel()
    assert outcome.get(timeout=PATIENCE) == "woken"


# ---- callbacks


def test_a_callback_is_called_once_when_the_reply_is_done():
    reply, called = Reply(), []
    reply.add_done_callback(called.append)
    assert called == []
    reply.set(42)
    reply.set(43)
    assert called == [reply]


def test_a_callback_is_called_at_once_when_the_reply_was_done():
    reply, called = Reply(), []
    reply.set(42)
    reply.add_done_callback(called.append)
    assert called == [reply]


def test_a_callback_hears_of_a_cancel():
    reply, called = Reply(), []
    reply.add_done_callback(lambda reply: called.append(reply.cancelled()))
    reply.cancel()
    assert called == [True]


@pytest.mark.parametrize("error", [ValueError("broken"), SystemExit(1)])
def test_a_callback_that_raises_is_logged_and_harms_nobody(caplog, error):
    def breaks(_):
        raise error

    reply, called = Reply(), []
    reply.add_done_callback(breaks)
    reply.add_done_callback(called.append)
    reply.set(42)
    assert called == [reply]
    assert "a callback of <Reply [done]> raised" in caplog.text


def test_a_reply_refuses_to_be_mapped():
    with pytest.raises(NotImplementedError, match="await it instead"):
        Reply().map(str)
