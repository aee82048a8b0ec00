"""Recorded rows can be read back: at once, by any thread, and by the next daemon."""

from __future__ import annotations

import os
import re
import sqlite3
import threading
from contextlib import closing

import pytest

from hls_sessions.store import ProbeRow, Retention, schema

NOW = 1_700_000_000.0


@pytest.fixture(params=["a file", "memory"])
def store(request, open_store):
    return open_store() if request.param == "a file" else open_store(None)


def test_a_session_that_was_recorded_is_read_back_whole(store, session):
    row = session(
        started_at=NOW + 1,
        ended_at=NOW + 2,
        state="failed",
        reason="its encoder crashed",
        position=12.5,
        first_segment_after=0.75,
        segments_made=3,
        bytes_made=1 << 40,
        restarts={"actor": 1, "stalled": 2},
    )

    store.record_session(row)

    assert store.session("one") == row
    assert store.sessions() == [row]


def test_an_unknown_row_is_none(store):
    assert store.session("one") is None
    assert store.transitions("one") == []
    assert store.probe("/films/a.mp4", 1, 2, NOW) is None


def test_recording_a_session_again_replaces_its_row(store, session):
    store.record_session(session(state="pending"))
    store.flush()
    store.record_session(session(user=None, state="active"))

    assert store.sessions() == [session(user=None, state="active")]


def test_sessions_come_the_oldest_first(store, session):
    for id_, created_at in (("b", 2), ("a", 3), ("c", 1)):
        store.record_session(session(id_, created_at=created_at))

    assert [row.id for row in store.sessions()] == ["c", "b", "a"]


def test_steps_come_in_the_order_in_which_they_were_recorded(store, session, step):
    steps = [step(), step(step="pause", before="active", after="paused"), step(step="fail", after="failed")]
    store.record_session(session())
    store.record_session(session("two"))
    for each in steps:
        store.record_transition(each)
    store.record_transition(step("two", reason="another's", by="viewer"))

    assert store.transitions("one") == steps
    assert store.transitions("two") == [step("two", reason="another's", by="viewer")]


def test_a_session_that_is_recorded_again_keeps_its_steps(store, session, step):
    store.record_session(session())
    store.record_transition(step())
    store.flush()
    store.record_session(session(state="failed"))

    assert store.transitions("one") == [step()]


def test_a_probe_is_that_of_one_version_of_a_file(store):
    store.record_probe(ProbeRow("/films/a.mp4", 10, 20, b"\0answer", NOW))

    assert store.probe("/films/a.mp4", 10, 20, NOW) == b"\0answer"
    assert store.probe("/films/a.mp4", 11, 20, NOW) is None
    assert store.probe("/films/a.mp4", 10, 21, NOW) is None


def test_a_later_version_of_a_file_replaces_the_earlier(store):
    store.record_probe(ProbeRow("/films/a.mp4", 10, 20, b"first", NOW))
    store.flush()
    store.record_probe(ProbeRow("/films/a.mp4", 11, 21, b"second", NOW))

    assert store.probe("/films/a.mp4", 11, 21, NOW) == b"second"
    assert store.probe("/films/a.mp4", 10, 20, NOW) is None


@pytest.mark.parametrize(
    "name",
    ["Amélie 🎬.mkv", os.fsdecode(b"caf\xe9.mp4"), "half \ud83c of a pair", "quote ' and \" and %s and :x", "\0"],
)
def test_any_name_can_be_kept(store, session, name):
    row = session(media=name, user=name, reason=name, state="failed")
    store.record_session(row)
    store.record_probe(ProbeRow(name, 1, 2, b"answer", NOW))

    assert store.session("one") == row
    assert store.probe(name, 1, 2, NOW) == b"answer"


def test_all_that_many_threads_record_is_there(store, session, step):
    def record(name):
        for number in range(50):
            id_ = f"{name}-{number}"
            store.record_session(session(id_))
            store.record_transition(step(id_))
            store.record_transition(step(id_, step="fail", before="active", after="failed"))
            store.record_session(session(id_, segments_made=number))

    threads = [threading.Thread(target=record, args=(name,)) for name in range(8)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        assert len(store.sessions()) <= 400  # reading goes on while others record
    for thread in threads:
        thread.join()

    assert {row.id: row.segments_made for row in store.sessions()} == {
        f"{name}-{number}": number for name in range(8) for number in range(50)
    }
    assert all(len(store.transitions(row.id)) == 2 for row in store.sessions())
    assert store.condition.lost == 0


def test_a_row_that_cannot_be_kept_costs_no_other(store, session, step, caplog):
    store.record_session(session("before"))
    store.record_session(session("too large", bytes_made=1 << 70))
    store.record_transition(step("nobody"))
    store.record_session(session("after"))

    assert [row.id for row in store.sessions()] == ["after", "before"]
    assert (store.condition.lost, store.condition.trouble) == (2, None)
    assert caplog.text.count("the history cannot hold") == 2


def test_rows_that_were_kept_for_long_enough_are_forgotten(store, session, step):
    ends = {"failed": 3600, "completed": 21600, "expired": 86400}
    for state, kept in ends.items():
        for id_, ended_at in ((f"{state} before", NOW - kept), (f"{state} since", NOW - kept + 1)):
            store.record_session(session(id_, state=state, ended_at=ended_at))
            store.record_transition(step(id_))
    store.record_session(session("lives", created_at=NOW - 1e6))

    forgotten = store.forget(Retention(), NOW).result(30)

    assert forgotten.sessions == 3
    assert {row.id for row in store.sessions()} == {"failed since", "completed since", "expired since", "lives"}
    assert store.transitions("failed before") == []
    assert store.transitions("failed since") == [step("failed since")]


def test_a_probed_file_that_is_used_is_kept(store):
    rule = Retention(probes=100)
    for path in ("/films/used.mp4", "/films/unused.mp4"):
        store.record_probe(ProbeRow(path, 1, 2, b"answer", NOW))
    store.probe("/films/used.mp4", 1, 2, NOW + 50)

    assert store.forget(rule, NOW + 100).result(30).probes == 1
    assert store.probe("/films/unused.mp4", 1, 2, NOW) is None
    assert store.probe("/films/used.mp4", 1, 2, NOW) == b"answer"


def test_the_next_daemon_reads_the_rows_of_the_last(open_store, session, step):
    first = open_store()
    first.record_session(session())
    first.record_transition(step())
    first.record_probe(ProbeRow("/films/a.mp4", 10, 20, b"answer", NOW))
    first.close()

    second = open_store()

    assert second.sessions() == [session()]
    assert second.transitions("one") == [step()]
    assert second.probe("/films/a.mp4", 10, 20, NOW) == b"answer"


def test_rows_that_were_recorded_before_the_end_are_written_at_the_end(open_store, session, database):
    store = open_store()
    for number in range(500):
        store.record_session(session(str(number)))
    store.close()

    with closing(sqlite3.connect(database)) as connection:
        assert connection.execute("SELECT count(*) FROM sessions").fetchone() == (500,)


def test_memory_leaves_no_file(open_store, session, tmp_path):
    store = open_store(None)
    store.record_session(session())
    store.flush()

    assert list(tmp_path.iterdir()) == []
    assert store.condition.path is None


def test_the_file_is_in_wal_mode_and_this_users_alone(open_store, database):
    open_store().flush()

    with closing(sqlite3.connect(database)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert database.parent.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("version", sorted(schema.MIGRATIONS))
def test_a_file_of_every_version_becomes_one_like_a_new_one(open_store, database, session, version):
    def change(statement):
        with closing(sqlite3.connect(database)) as connection:
            connection.execute(statement)
            connection.commit()

    def columns():
        with closing(sqlite3.connect(database)) as connection:
            return {tuple(row[1:4]) for row in connection.execute("PRAGMA table_info(sessions)")}

    open_store().close()
    new = columns()
    for statement in [each for later in schema.MIGRATIONS if later >= version for each in schema.MIGRATIONS[later]]:
        added = re.fullmatch(r"ALTER TABLE sessions ADD COLUMN (\w+) .*", statement)[1]
        change(f"ALTER TABLE sessions DROP COLUMN {added}")
    change(f"PRAGMA user_version = {version}")
    assert columns() < new

    store = open_store()
    store.record_session(whole := session(left_at=3.0, snapshot="{}", subscriber_ttl=4.0, had_subscribers=True))

    assert store.sessions() == [whole]
    assert store.condition.set_aside is None
    store.close()
    assert columns() == new
