"""A database that cannot be used is set aside, never deleted, and never keeps a daemon from its work."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest

from hls_sessions.errors import StateUnusable
from hls_sessions.store import Store, damage, schema, usable, writer
from hls_sessions.store import database as database_

LOCKED = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("PRAGMA locking_mode = EXCLUSIVE")
connection.execute("BEGIN EXCLUSIVE")
print("locked", flush=True)
sys.stdin.read()
connection.execute("ROLLBACK")
"""

HOLDS = """
import pathlib, sys
from hls_sessions.store import Store
store = Store(pathlib.Path(sys.argv[1]))
store.open()
print("open", flush=True)
sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def _tries_soon(monkeypatch):
    monkeypatch.setattr(writer, "FIRST_RETRY", 0.02)
    monkeypatch.setattr(writer, "LAST_RETRY", 0.02)
    monkeypatch.setattr(damage, "BUSY_TIMEOUT", 0.1)
    monkeypatch.setattr(database_, "BUSY_TIMEOUT", 0.1)


@pytest.fixture
def filled(open_store, session, database):
    """The path of a database with rows in it, which nobody uses."""
    store = open_store()
    for number in range(2000):
        store.record_session(session(str(number)))
    store.close()
    return database


@pytest.fixture
def other():
    """Run a script in another process, until the test lets it end."""
    processes = []

    def other(script, path):
        process = subprocess.Popen(
            [sys.executable, "-c", script, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        processes.append(process)
        assert process.stdout.readline()
        return process

    yield other
    for process in processes:
        process.communicate()


def change(path, *statements):
    with closing(sqlite3.connect(path)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


def truncate(path):
    os.truncate(path, path.stat().st_size // 2)


def fill_with_noise(path):
    path.write_bytes(os.urandom(5000))


def write_over_the_middle(path):
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * 40_000)


def write_over_the_beginning(path):
    with path.open("r+b") as file:
        file.write(b"not a database, or not any more")


def put_a_folder_there(path):
    path.unlink()
    (path / "inside").mkdir(parents=True)


def put_a_strangers_database_there(path):
    path.unlink()
    change(path, "CREATE TABLE recipes (name TEXT)", "INSERT INTO recipes VALUES ('soup')")


def make_it_newer(path):
    change(path, f"PRAGMA user_version = {schema.VERSION + 1}")


def drop_a_column(path):
    change(path, "ALTER TABLE sessions DROP COLUMN position")


def drop_a_table(path):
    change(path, "DROP TABLE transitions")


DAMAGES = {
    truncate: "malformed",
    fill_with_noise: "not a database",
    write_over_the_middle: "",  # SQLite says what it found first
    write_over_the_beginning: "not a database",
    put_a_folder_there: "it is not a file",
    put_a_strangers_database_there: "it is another program's",
    make_it_newer: "it was made by a newer version",
    drop_a_column: "its table sessions lacks position",
    drop_a_table: "its table transitions lacks after, at, before, by, number, reason, session_id",
}


@pytest.mark.parametrize("harm", DAMAGES, ids=lambda harm: harm.__name__)
def test_an_unusable_database_is_set_aside_with_a_sentence(filled, open_store, session, harm, caplog):
    harm(filled)
    before = filled.read_bytes() if filled.is_file() else None

    store = open_store()
    store.record_session(session("new"))

    assert [row.id for row in store.sessions()] == ["new"]
    [aside] = [path for path in filled.parent.iterdir() if ".damaged-" in path.name and path.suffix != ".db-wal"]
    assert store.condition.set_aside == str(aside)
    assert before is None or aside.read_bytes() == before
    assert DAMAGES[harm] in caplog.text
    assert f"It was set aside as {aside}; a new one is begun." in caplog.text


@pytest.mark.parametrize(
    "change_",
    [
        "id = '../../home'",
        "id = '..'",
        "id = 'two' || char(0)",
        "id = x'ff'",
        "state = x'ff'",
        "segments_made = 'many'",
        "segment_length = 0.0",
        "idle_timeout = 'soon'",
        "created_at = 1e300",
        "ended_at = -9e999",
    ],
)
def test_a_session_that_cannot_be_what_was_recorded_is_left_out_and_costs_no_other(
    open_store, session, database, change_, caplog
):
    before = open_store()
    before.record_session(session("one"))
    before.record_session(session("two"))
    before.close()
    change(database, f"UPDATE sessions SET {change_} WHERE id = 'two'")

    store = open_store()

    assert [row.id for row in store.sessions()] == ["one"]
    assert [row.id for row in store.sessions()] == ["one"]
    assert caplog.text.count("is damaged, and left out") == 1


@pytest.mark.parametrize("text", ["x'ff'", "CAST(x'ff' AS TEXT)"], ids=["bytes", "text"])
def test_a_damaged_text_costs_nothing_but_its_content(open_store, session, database, text):
    before = open_store()
    before.record_session(session("one"))
    before.record_session(session("two"))
    before.close()
    change(database, f"UPDATE sessions SET media = {text} WHERE id = 'two'")

    store = open_store()

    assert store.sessions() == [session("one"), session("two", media="\ufffd")]


@pytest.mark.parametrize("restarts", ["{", "[1, 2]", '{"crashed": "often"}', ""])
def test_counts_that_cannot_be_read_are_none_and_the_session_goes_on(open_store, session, database, restarts):
    before = open_store()
    before.record_session(session(restarts={"crashed": 3}))
    before.close()
    change(database, f"UPDATE sessions SET restarts = '{restarts}'")

    assert open_store().sessions() == [session(restarts={})]


def test_a_database_that_is_set_aside_never_replaces_an_earlier_one(filled, open_store):
    for _ in range(3):
        fill_with_noise(filled)
        open_store().close()

    assert len([path for path in filled.parent.iterdir() if ".damaged-" in path.name]) == 3


def test_a_whole_database_is_not_set_aside(filled, open_store):
    store = open_store()

    assert store.condition.set_aside is None
    assert len(store.sessions()) == 2000


def test_an_empty_file_is_a_new_database(database, open_store, session):
    database.parent.mkdir()
    database.touch()

    store = open_store()
    store.record_session(session())

    assert (store.sessions(), store.condition.set_aside) == ([session()], None)


def test_rows_that_a_killed_daemon_left_in_its_log_are_not_lost(open_store, session, database, tmp_path):
    store = open_store()
    store.record_session(session())
    store.flush()
    killed = tmp_path / "killed"
    shutil.copytree(database.parent, killed)  # as it is now: the rows are in the -wal file alone

    assert open_store(killed).sessions() == [session()]


def test_an_older_file_is_brought_up_to_date(filled, open_store, monkeypatch):
    monkeypatch.setattr(schema, "VERSION", schema.VERSION + 1)
    monkeypatch.setattr(schema, "MIGRATIONS", {schema.VERSION - 1: ("UPDATE sessions SET user = 'ben'",)})

    store = open_store()

    assert {row.user for row in store.sessions()} == {"ben"}
    assert store.condition.set_aside is None
    store.close()
    assert open_store().condition.set_aside is None


def test_a_file_that_is_too_old_is_set_aside(filled, open_store, monkeypatch, caplog):
    monkeypatch.setattr(schema, "VERSION", schema.VERSION + 1)

    assert open_store().sessions() == []
    assert "it was made by too old a version" in caplog.text


# Databases and folders that cannot be used and are not damaged


def test_a_database_that_another_process_locks_is_refused_and_not_touched(filled, other):
    other(LOCKED, filled)

    with pytest.raises(StateUnusable, match="database is locked"):
        Store(filled.parent).open()

    assert [path.name for path in filled.parent.iterdir() if "damaged" in path.name] == []


def test_a_folder_is_one_daemons_at_a_time(tmp_path, other):
    first = other(HOLDS, tmp_path / "state")

    with pytest.raises(StateUnusable, match=rf"another daemon uses it \(process {first.pid}\)"):
        Store(tmp_path / "state").open()
    assert "another daemon uses it" in usable(tmp_path / "state")


def test_a_folder_is_free_again_when_its_daemon_was_killed(tmp_path, other, open_store):
    first = other(HOLDS, tmp_path / "state")
    first.kill()
    first.wait()

    assert usable(tmp_path / "state") is None
    assert open_store().sessions() == []


def test_two_stores_in_one_process_cannot_share_a_folder(open_store, tmp_path):
    open_store().close()
    open_store()

    with pytest.raises(StateUnusable):
        Store(tmp_path / "state").open()


def test_a_folder_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").touch()

    with pytest.raises(StateUnusable, match="Not a directory"):
        Store(tmp_path / "file" / "state").open()


def test_a_folder_that_cannot_be_written_to_is_refused(tmp_path):
    (tmp_path / "state").mkdir(mode=0o500)
    script = f"""
import os, pathlib
from hls_sessions.store import usable
if os.geteuid() == 0: os.setuid(65534)
print(usable(pathlib.Path({str(tmp_path / "state")!r})))
"""
    for folder in tmp_path.parents[:3]:  # so that the other user comes as far as the folder
        folder.chmod(0o755)

    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)

    assert said.stdout == "Permission denied\n"


# Troubles while it runs


def test_while_another_process_locks_it_rows_wait_and_are_written_later(
    open_store, session, database, other, until, caplog, monkeypatch
):
    store = open_store()
    locker = other(LOCKED.replace("PRAGMA locking_mode = EXCLUSIVE", "SELECT 1"), database)
    store.record_session(session())

    until(lambda: store.condition.trouble == "database is locked")
    until(lambda: store.condition.failures > 1)
    assert store.condition.waiting == 1
    locker.communicate()

    until(lambda: store.condition.trouble is None)
    assert store.sessions() == [session()]
    assert caplog.text.count("the history cannot be written") == 1


def test_a_full_disk_costs_no_row_that_has_room_to_wait(open_store, session, step, until):
    store = open_store()
    store.record_session(session())
    store.flush()
    with store._database.writing() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 1")  # the pages that the file has already, and not one more

    for number in range(500):
        store.record_transition(step(reason=f"{number}"))
    until(lambda: store.condition.trouble == "database or disk is full")
    with store._database.writing() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 100000")

    until(lambda: store.condition.trouble is None)
    assert [each.reason for each in store.transitions("one")] == [f"{number}" for number in range(500)]


def test_rows_without_room_are_counted_and_recording_them_raises_nothing(
    open_store, session, monkeypatch, database, other, until
):
    monkeypatch.setattr(writer, "LIMIT", 10)
    store = open_store()
    other(LOCKED.replace("PRAGMA locking_mode = EXCLUSIVE", "SELECT 1"), database)

    for number in range(50):
        if number == 25:
            until(lambda: store._writer._in_hand)  # rows that it cannot write, and will give back
        store.record_session(session(str(number)))

    assert store.condition.lost == 40


def test_a_file_that_is_deleted_while_it_runs_is_begun_anew(open_store, session, database, caplog):
    store = open_store()
    store.record_session(session("before"))
    store.flush()
    shutil.rmtree(database.parent)

    store.record_session(session("after"))

    assert [row.id for row in store.sessions()] == ["after"]
    assert database.exists()
    assert "is gone; a new one is begun" in caplog.text


def test_a_file_that_is_damaged_while_it_runs_is_set_aside(open_store, session, database, until):
    store = open_store()
    for number in range(2000):
        store.record_session(session(str(number)))
    store.flush()
    change(database, "PRAGMA wal_checkpoint(TRUNCATE)")
    fill_with_noise(database)
    store._database._engine.dispose()  # as far as SQLite still has pages in memory, it does not look at the file

    store.record_session(session("after"))

    until(lambda: store.condition.set_aside is not None)
    until(lambda: [row.id for row in store.sessions()] == ["after"])


def test_rows_that_cannot_be_written_at_the_end_are_reported(open_store, session, database, other, caplog):
    store = open_store()
    other(LOCKED.replace("PRAGMA locking_mode = EXCLUSIVE", "SELECT 1"), database)
    store.record_session(session())

    store.close()

    assert "1 rows of the history could not be written and are lost" in caplog.text
