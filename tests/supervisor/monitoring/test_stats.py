"""The figures, against sets that were counted by hand."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from hls_sessions.store import SessionRow
from hls_sessions.supervisor.monitoring.stats import Aged, Waits, stats_of
from hls_sessions.supervisor.monitoring.survey import Survey
from hls_sessions.supervisor.totals import BOUNDS, Totals

NOW = 1_700_000_000.0
HOUR = 3600.0


def row(id_="one", *, age=0.0, state="active", **more):
    ended_at = None if state in {"pending", "active", "paused"} else NOW
    return SessionRow(
        id=id_,
        user=None,
        media="/films/a.mp4",
        duration=60,
        segment_length=2,
        start_at=0,
        idle_timeout=1800,
        directory="/tmp/one",
        created_at=NOW - age,
        updated_at=NOW,
        **({"state": state, "ended_at": ended_at} | more),
    )


def figures(*rows, max_sessions=100):
    return stats_of(rows, Survey(), now=NOW, max_sessions=max_sessions, stuck_after=30)


def test_without_sessions_there_are_no_ages():
    stats = figures()

    assert (stats.sessions, stats.living, stats.utilisation) == (0, 0, 0.0)
    assert (stats.average_age, stats.oldest, stats.newest) == (None, None, None)
    assert stats.by_state == dict.fromkeys(("pending", "active", "paused", "completed", "failed", "expired"), 0)
    assert stats.by_age == {"under 1 h": 0, "1-6 h": 0, "6-24 h": 0, "over 24 h": 0}
    assert stats.first_segment == Waits(0, None, None, None, None)
    assert stats.at == datetime.fromtimestamp(NOW, UTC)


def test_sessions_are_counted_by_state_and_those_that_live_make_the_utilisation():
    states = ["pending", "active", "active", "active", "paused", "completed", "completed", "failed", "expired"]

    stats = figures(*(row(str(n), state=state) for n, state in enumerate(states)), max_sessions=20)

    assert (stats.sessions, stats.living, stats.utilisation) == (9, 5, 0.25)
    assert stats.by_state == {
        "pending": 1,
        "active": 3,
        "paused": 1,
        "completed": 2,
        "failed": 1,
        "expired": 1,
    }


def test_sessions_are_counted_by_age_and_the_oldest_and_newest_are_named():
    hours = [0, 0.999, 1, 5.999, 6, 23.999, 24, 100]

    stats = figures(*(row(str(age), age=age * HOUR) for age in hours))

    assert stats.by_age == {"under 1 h": 2, "1-6 h": 2, "6-24 h": 2, "over 24 h": 2}
    assert stats.average_age == pytest.approx(sum(hours) * HOUR / 8)
    assert stats.oldest == Aged("100", 100 * HOUR)
    assert stats.newest == Aged("0", 0)


def test_a_clock_that_was_set_back_makes_no_age_negative():
    stats = figures(row(age=-500))

    assert (stats.newest.age, stats.by_age["under 1 h"]) == (0, 1)


def test_counters_and_restarts_are_summed():
    stats = figures(
        row("a", segments_made=3, bytes_made=300, segments_served=5, bytes_served=500, restarts={"actor": 1}),
        row("b", segments_made=4, bytes_made=1 << 40, segments_refused=2, restarts={"stalled": 2, "actor": 3}),
        row("c", state="failed", encoder_failures=3, encoder_seconds=1.5),
    )

    assert (stats.segments_made, stats.bytes_made) == (7, 300 + (1 << 40))
    assert (stats.segments_served, stats.bytes_served, stats.segments_refused) == (5, 500, 2)
    assert (stats.encoder_failures, stats.encoder_seconds) == (3, 1.5)
    assert stats.restarts == {"actor": 4, "stalled": 2}


def test_waits_for_the_first_segment_are_summed_up():
    waits = [0.1 * n for n in range(1, 21)]

    stats = figures(*(row(str(n), first_segment_after=wait) for n, wait in enumerate(waits)), row("none yet"))

    assert stats.first_segment == Waits(
        20, pytest.approx(1.05), pytest.approx(1.0), pytest.approx(1.9), pytest.approx(2.0)
    )


def test_totals_grow_by_each_session_once():
    ended = Totals().with_all(
        [
            row("a", state="completed", segments_made=3, first_segment_after=0.1, restarts={"actor": 1}),
            row("b", state="failed", segments_made=4, first_segment_after=100.0),
        ]
    )

    totals = ended.with_all([row("c", segments_made=5, restarts={"actor": 2})])

    assert totals.opened == 3
    assert totals.ended == {"completed": 1, "failed": 1}
    assert totals.sums["segments_made"] == 12
    assert totals.restarts == {"actor": 3}
    assert (totals.waits[0], totals.waits[len(BOUNDS)], sum(totals.waits)) == (1, 1, 2)
    assert totals.waited == pytest.approx(100.1)
    assert ended.opened == 2


@pytest.mark.parametrize(("cluster", "told"), [(None, False), ("new", True)])
def test_the_metrics_of_a_node_name_it(hls_supervisor, cluster, told):
    metrics, _ = hls_supervisor(cluster=cluster, node_name="tv-1").metrics()

    assert (b'node="tv-1"' in metrics) is told
