"""The table of counters: a counter is declared once, and appears wherever counters are kept or shown."""

from __future__ import annotations

from dataclasses import fields

import pytest

from hls_sessions.cli.screen import counted
from hls_sessions.counters import COUNTERS, Sums, added, sums_of
from hls_sessions.session import SessionInfo
from hls_sessions.session.counters import Counters
from hls_sessions.store import SessionRow
from hls_sessions.supervisor import Stats


@pytest.mark.parametrize("kept", [SessionInfo, SessionRow, Stats])
def test_every_counter_is_kept_by(kept):
    assert {counter.name for counter in COUNTERS} < {field.name for field in fields(kept)}


def test_every_counter_is_on_the_screens_and_those_of_one_label_share_a_line():
    shown = counted({counter.name: 1000 * (number + 1) for number, counter in enumerate(COUNTERS)})

    assert shown["made"] == "1,000 segments, 2,000 bytes"
    assert shown.keys() == {counter.label for counter in COUNTERS}


def test_counters_go_on_from_what_was_counted_before():
    counters = Counters(Sums(segments_made=3, restarts={"actor": 1}))

    counters.add(segments_made=1, bytes_made=70)
    counters.restarted("actor")

    assert counters.sums == Sums(segments_made=4, bytes_made=70, restarts={"actor": 2})
    assert sums_of(counters.sums)["bytes_made"] == 70


def test_a_counter_that_was_not_declared_is_refused():
    with pytest.raises(KeyError):
        Counters().add(segments_mad=1)


def test_the_counters_of_many_are_added_up():
    assert added([Sums(bytes_made=1), Sums(bytes_made=2, encoder_seconds=0.5)])["bytes_made"] == 3
