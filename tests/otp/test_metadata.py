"""What a line of the log is about, and the request for which something is done."""

from __future__ import annotations

import logging

from hls_sessions.otp import GenServer, MetadataFilter, metadata, on_behalf_of, update_metadata


class Teller(GenServer):
    """Tells its metadata."""

    def init(self):
        update_metadata(session="one")

    def handle_call(self, request, caller):
        return dict(metadata())


def test_a_server_knows_for_which_request_it_is_asked():
    teller = Teller.start()
    with on_behalf_of("click"):
        asked = teller.call("what?")
    later = teller.call("and now?")
    teller.stop()

    assert asked == {"session": "one", "request": "click"}
    assert later == {"session": "one"}
    assert metadata() == {}


def test_every_record_has_the_metadata_and_what_it_brings_itself_stays():
    record = logging.makeLogRecord({"request": "its own"})
    with on_behalf_of("click"):
        update_metadata(user="anna")
        assert MetadataFilter().filter(record)

    assert (record.request, record.user) == ("its own", "anna")


def test_nothing_is_named_for_no_request():
    with on_behalf_of("click"), on_behalf_of(None):
        assert metadata() == {"request": "click"}
