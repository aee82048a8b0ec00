import asyncio
import threading

import pytest

from hls_sessions.otp import GenServer, Registry
from hls_sessions.otp.errors import AlreadyRegistered


class Lives(GenServer):
    def handle_cast(self, message):
        raise message


@pytest.fixture
def registry():
    return Registry()


def test_a_registered_server_is_found_by_its_name(start, registry):
    ref = start(Lives)
    registry.register(("session", 7), ref)
    assert registry.whereis(("session", 7)) is ref


def test_an_unknown_name_has_no_server(registry):
    assert registry.whereis("nobody") is None


def test_a_name_is_given_to_one_server_only(start, registry):
    first, second = start(Lives), start(Lives)
    registry.register("name", first)
    with pytest.raises(AlreadyRegistered, match="'name' is held by <Ref Lives") as failure:
        registry.register("name", second)
    assert failure.value.ref is first
    assert registry.whereis("name") is first


def test_a_server_cannot_take_its_own_name_again(start, registry):
    ref = start(Lives)
    registry.register("name", ref)
    with pytest.raises(AlreadyRegistered):
        registry.register("name", ref)


def test_a_server_may_have_several_names(start, registry):
    ref = start(Lives)
    registry.register("first", ref)
    registry.register("second", ref)
    assert registry.names() == ["first", "second"]
    ref.stop()
    assert registry.names() == []


@pytest.mark.parametrize("end", [lambda ref: ref.stop(), lambda ref: ref.kill(), lambda ref: ref.cast(ValueError())])
def test_a_name_is_free_when_its_server_has_ended_whichever_way(start, registry, end):
    first, second = start(Lives), start(Lives)
    registry.register("name", first)
    end(first)
    first.wait(10)
    assert registry.whereis("name") is None
    registry.register("name", second)
    assert registry.whereis("name") is second


def test_the_late_end_of_a_former_holder_does_not_free_the_name(start, registry):
    first, second = start(Lives), start(Lives)
    registry.register("name", first)
    registry.unregister("name")
    registry.register("name", second)
    first.stop()
    assert registry.whereis("name") is second


def test_an_unregistered_name_is_free(start, registry):
    ref = start(Lives)
    registry.register("name", ref)
    registry.unregister("name")
    assert registry.whereis("name") is None
    assert not ref.process._watches


def test_unregistering_a_free_name_does_nothing(registry):
    registry.unregister("nobody")


def test_a_dead_server_gets_no_name(start, registry):
    ref = start(Lives)
    ref.stop()
    registry.register("name", ref)
    assert registry.whereis("name") is None
    assert repr(registry) == "<Registry [0 names]>"


def test_waiting_for_a_name_that_is_there_is_answered_at_once(start, registry):
    ref = start(Lives)
    registry.register("name", ref)
    assert registry.wait_for("name").get(0) is ref


def test_all_callers_that_wait_for_a_name_are_answered_when_it_is_registered(start, registry):
    replies = [registry.wait_for("name") for _ in range(3)]
    ref = start(Lives)
    registry.register("name", ref)
    assert [reply.get(0) for reply in replies] == [ref] * 3


def test_waiting_outlives_the_restart_of_a_server(start, registry):
    first = start(Lives)
    registry.register("name", first)
    first.kill()
    reply = registry.wait_for("name")
    assert not reply.done()
    second = start(Lives)
    registry.register("name", second)
    assert reply.get(0) is second


def test_a_caller_that_cancelled_waits_no_longer(start, registry):
    left, stayed = registry.wait_for("name"), registry.wait_for("name")
    left.cancel()
    ref = start(Lives)
    registry.register("name", ref)
    assert left.cancelled()
    assert stayed.get(0) is ref


def test_nothing_is_kept_of_callers_that_cancelled(registry):
    for _ in range(10):
        registry.wait_for("name").cancel()
    assert not registry._waiting


def test_a_name_can_be_awaited(start, registry):
    async def main():
        waiter = asyncio.ensure_future(registry.wait_for("name"))
        await asyncio.sleep(0)
        registry.register("name", start(Lives))
        return await waiter

    assert asyncio.run(main()) is registry.whereis("name")


def test_of_many_threads_that_want_a_name_one_gets_it(start, registry):
    refs, together, outcomes = [start(Lives) for _ in range(8)], threading.Barrier(8), []

    def want(ref):
        together.wait(10)
        try:
            registry.register("name", ref)
        except AlreadyRegistered:
            outcomes.append("refused")
        else:
            outcomes.append("given")

    threads = [threading.Thread(target=want, args=(ref,)) for ref in refs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert sorted(outcomes) == ["given"] + ["refused"] * 7
