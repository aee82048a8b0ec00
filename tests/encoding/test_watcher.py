from __future__ import annotations

from queue import SimpleQueue

import pytest

from hls_sessions.encoding import Watcher, WatcherServer
from hls_sessions.otp import ChildSpec, Supervisor, which_children

BOUND = 10
"""Seconds after which an event that has not happened never will."""


@pytest.fixture
def watcher():
    watcher = Watcher()
    watcher.start()
    yield watcher
    watcher.stop()


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "run-1"
    folder.mkdir()
    return folder


def test_a_file_that_is_no_longer_written_to_is_reported(watcher, folder):
    told = SimpleQueue()
    watcher.watch(folder, told.put)

    (folder / "0.m4s").write_bytes(b"whole")

    assert told.get(timeout=BOUND) == folder / "0.m4s"


def test_a_file_that_is_still_written_to_is_not_reported(watcher, folder):
    told = SimpleQueue()
    watcher.watch(folder, told.put)

    with (folder / "0.m4s").open("wb") as growing:
        growing.write(b"half of")
        growing.flush()
        (folder / "1.m4s").write_bytes(b"whole")
        assert told.get(timeout=BOUND) == folder / "1.m4s"

    assert told.get(timeout=BOUND) == folder / "0.m4s"


def test_a_file_is_reported_as_new_while_it_is_still_written_to(watcher, folder):
    new = SimpleQueue()
    watcher.watch(folder, lambda _: None, new.put)

    with (folder / "0.m4s").open("wb"):
        assert new.get(timeout=BOUND) == folder / "0.m4s"


def test_many_files_written_at_once_are_all_reported_in_order(watcher, folder):
    told = SimpleQueue()
    watcher.watch(folder, told.put)
    files = [folder / f"{number}.m4s" for number in range(200)]

    for file in files:
        file.write_bytes(b"whole")

    assert [told.get(timeout=BOUND) for _ in files] == files


def test_each_folder_is_reported_to_its_own_watch(watcher, folder, tmp_path):
    other = tmp_path / "run-2"
    other.mkdir()
    told, told_other = SimpleQueue(), SimpleQueue()
    watcher.watch(folder, told.put)
    watcher.watch(other, told_other.put)

    (other / "0.m4s").write_bytes(b"whole")
    (folder / "7.m4s").write_bytes(b"whole")

    assert told_other.get(timeout=BOUND) == other / "0.m4s"
    assert told.get(timeout=BOUND) == folder / "7.m4s"


def test_a_watch_that_was_ended_reports_nothing(watcher, folder, tmp_path):
    other = tmp_path / "run-2"
    other.mkdir()
    told = SimpleQueue()
    end = watcher.watch(folder, lambda path: told.put(("ended", path)))
    watcher.watch(other, lambda path: told.put(("other", path)))

    end()
    (folder / "0.m4s").write_bytes(b"whole")
    (other / "0.m4s").write_bytes(b"whole")

    assert told.get(timeout=BOUND) == ("other", other / "0.m4s")
    assert told.empty()


def test_a_watch_may_be_ended_twice_and_after_its_folder_is_gone(watcher, folder):
    end = watcher.watch(folder, print)
    folder.rmdir()

    end()
    end()


def test_a_folder_that_was_deleted_and_made_again_can_be_watched_again_once_its_old_watch_is_forgotten(
    watcher, folder, tmp_path
):
    watcher.watch(folder, print)
    folder.rmdir()
    watcher.forget(tmp_path)
    folder.mkdir()
    told = SimpleQueue()
    watcher.watch(folder, told.put)

    (folder / "0.m4s").write_bytes(b"whole")

    assert told.get(timeout=BOUND) == folder / "0.m4s"


def test_forgetting_one_directory_leaves_the_others(watcher, folder, tmp_path):
    told = SimpleQueue()
    watcher.watch(folder, told.put)

    watcher.forget(tmp_path / "run")
    (folder / "0.m4s").write_bytes(b"whole")

    assert told.get(timeout=BOUND) == folder / "0.m4s"


def test_a_folder_that_is_not_there_cannot_be_watched(watcher, tmp_path):
    with pytest.raises(FileNotFoundError):
        watcher.watch(tmp_path / "none", print)


def test_a_watcher_that_does_not_run_watches_nothing(folder):
    with pytest.raises(RuntimeError, match="the segment watcher is not running"):
        Watcher().watch(folder, print)


def test_a_watcher_whose_server_was_killed_watches_again_and_leaves_no_thread(folder):
    watcher = Watcher()
    tree = Supervisor.start([ChildSpec("watcher", lambda: WatcherServer.start_link(watcher))])
    [before] = which_children(tree)

    before.ref.kill()
    [after] = which_children(tree)
    told = SimpleQueue()
    watcher.watch(folder, told.put)
    (folder / "0.m4s").write_bytes(b"whole")

    assert after.ref is not before.ref
    assert told.get(timeout=BOUND) == folder / "0.m4s"
    tree.stop()  # and hls_nothing_left looks for threads
