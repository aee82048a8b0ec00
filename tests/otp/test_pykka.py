"""Effects of pykka on its own actors, which it must not have on servers."""

import logging

import pykka

from hls_sessions.otp import GenServer

PATIENCE = 10.0


class Crashes(GenServer):
    def handle_cast(self, message):
        raise ValueError(message)


def test_servers_are_not_in_the_registry_of_pykka(start):
    start(GenServer)
    assert pykka.ActorRegistry.get_all() == []


def test_a_server_outlives_the_end_of_all_actors_which_pykka_brings_about_at_a_system_exit(start):
    ref = start(GenServer)
    pykka.ActorRegistry.stop_all()
    assert ref.is_alive()


def test_pykka_logs_nothing_about_servers(start, caplog):
    with caplog.at_level(logging.DEBUG, logger="pykka"):
        ref = start(Crashes)
        ref.cast("as told")
        ref.wait(PATIENCE)
        start(GenServer).stop()
    assert not [record for record in caplog.records if record.name == "pykka"]
