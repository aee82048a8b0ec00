from __future__ import annotations

import errno
import os
import resource
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import pytest

from hls_sessions.errors import StorageFailed
from hls_sessions.ffmpeg import ProcessId
from hls_sessions.segments import SegmentDirectory, end_processes, orphans
from hls_sessions.segments.directory import record_process

INIT, MEDIA = b"ftyp moov", b"moof mdat"
BEFORE = "00000000-0000-4000-8000-000000000000"
"""The boot id of an earlier start of the machine."""


@pytest.fixture
def directory(tmp_path):
    directory = SegmentDirectory(tmp_path / str(uuid4()))
    directory.open()
    return directory


@pytest.fixture
def rendition(directory):
    """The name of a rendition that has had a run, so that there is a folder for its segments."""
    directory.new_run("video", 1)
    return "video"


@pytest.fixture
def gone():
    """The identity of a process that has ended."""
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as process:  # which ends with its input
        return ProcessId.of(process.pid)


@pytest.fixture
def bystander():
    """A process of somebody else, in a process group of its own, that must live."""
    with subprocess.Popen(["sleep", "600"], start_new_session=True) as process:
        yield process
        process.kill()


def publish(directory, rendition, number, media=MEDIA):
    directory.publish_init(rendition, INIT)
    directory.publish(rendition, number, media)


def everything_in(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


# ---- a directory of one's own


def test_a_session_directory_is_its_owners_alone(directory):
    assert stat.S_IMODE(directory.path.stat().st_mode) == 0o700


def test_a_session_directory_is_its_owners_alone_whatever_the_umask(tmp_path):
    before = os.umask(0)
    try:
        directory = SegmentDirectory(tmp_path / str(uuid4()))
        directory.open()
    finally:
        os.umask(before)

    assert stat.S_IMODE(directory.path.stat().st_mode) == 0o700


def test_a_session_directory_names_the_process_that_owns_it(directory):
    first = (directory.path / "owner").read_text().splitlines()[0]
    assert ProcessId.parse(first) == ProcessId.of(os.getpid())


def test_a_directory_that_cannot_be_made_is_an_error_with_a_sentence(tmp_path):
    (tmp_path / "file").touch()

    with pytest.raises(StorageFailed, match=r"The directory or file .* cannot be used: Not a directory"):
        SegmentDirectory(tmp_path / "file" / str(uuid4())).open()


def test_a_destroyed_directory_is_gone_with_all_that_was_in_it(directory, rendition):
    publish(directory, rendition, 0)

    directory.destroy()

    assert not directory.path.exists()


def test_destroying_what_is_gone_is_no_error(directory):
    directory.destroy()
    directory.destroy()


def test_destroying_follows_no_symlink(directory, rendition, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "film.mkv").touch()
    (directory.path / rendition / "link").symlink_to(elsewhere)

    directory.destroy()

    assert everything_in(elsewhere) == {"film.mkv"}


# ---- publishing


def test_a_published_segment_and_its_init_segment_are_where_they_are_looked_for(directory, rendition):
    publish(directory, rendition, 7)

    assert directory.segment(rendition, 7).read_bytes() == MEDIA
    assert directory.init(rendition).read_bytes() == INIT


def test_a_segment_can_be_published_though_somebody_has_tidied_up(directory):
    shutil.rmtree(directory.path)

    publish(directory, "video", 0)

    assert directory.published("video") == {0: len(MEDIA)}
    assert stat.S_IMODE(directory.path.stat().st_mode) == 0o700


def test_a_segment_is_seen_whole_or_not_at_all(directory, rendition, monkeypatch):
    seen = []
    replace = Path.replace

    def watched_replace(part, target):
        seen.append((target.exists(), part.read_bytes()))
        return replace(part, target)

    monkeypatch.setattr(Path, "replace", watched_replace)

    publish(directory, rendition, 0)

    assert seen == [(False, INIT), (False, MEDIA)]


def test_a_reader_of_a_segment_that_is_published_again_goes_on_reading_the_old_one(directory, rendition):
    publish(directory, rendition, 0, b"the old one")

    with directory.segment(rendition, 0).open("rb") as reader:
        publish(directory, rendition, 0, b"the new one")

        assert reader.read() == b"the old one"


def test_on_a_full_disk_nothing_becomes_visible_and_nothing_is_left(directory, rendition, monkeypatch):
    publish(directory, rendition, 0)
    before = everything_in(directory.path)

    def write_half(path, data):
        with path.open("wb") as file:
            file.write(data[: len(data) // 2])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_bytes", write_half)

    with pytest.raises(OSError, match="No space left on device"):
        publish(directory, rendition, 1)

    assert everything_in(directory.path) == before


# ---- published segments


def test_nothing_is_published_where_nothing_was_made(directory):
    assert directory.published("video") == {}


def test_segments_that_an_earlier_actor_has_published_are_found(directory, rendition):
    publish(directory, rendition, 3)
    publish(directory, rendition, 11)
    (directory.path / rendition / "12.m4s.part").touch()
    (directory.path / rendition / "notes.m4s").touch()

    again = SegmentDirectory(directory.path)
    again.open()

    assert again.published(rendition) == {3: len(MEDIA), 11: len(MEDIA)}


def test_what_a_run_writes_is_not_published(directory):
    (directory.new_run("video", 1) / "0.m4s").write_bytes(MEDIA)

    assert directory.published("video") == {}


def test_a_run_begins_in_an_empty_folder(directory):
    (directory.new_run("video", 1) / "0.m4s").write_bytes(MEDIA)

    assert everything_in(directory.new_run("video", 1)) == set()


def test_clearing_runs_leaves_what_is_published(directory, rendition):
    publish(directory, rendition, 0)

    directory.clear_runs()

    assert everything_in(directory.path) == {"owner", "video", "video/0.m4s", "video/init.mp4"}


# ---- leftovers of an earlier daemon


def orphaned(segments_dir, owner, name=None):
    """Make a session directory as a daemon left it."""
    directory = SegmentDirectory(segments_dir / (name or str(uuid4())))
    directory.open()
    (directory.path / "owner").write_text(str(owner))
    return directory


def found(segments_dir):
    return {directory.path for directory in orphans(segments_dir)}


def test_a_directory_whose_owner_is_dead_is_an_orphan(tmp_path, gone):
    assert found(tmp_path) == set()
    orphan = orphaned(tmp_path, gone)

    assert found(tmp_path) == {orphan.path}


def test_a_directory_whose_owner_lives_is_no_orphan(tmp_path, bystander):
    orphaned(tmp_path, ProcessId.of(bystander.pid))
    orphaned(tmp_path, ProcessId.of(os.getpid()))

    assert found(tmp_path) == set()


def test_a_pid_that_another_process_has_by_now_is_not_the_owner(tmp_path, bystander):
    orphan = orphaned(tmp_path, ProcessId.of(bystander.pid)._replace(started=1))

    assert found(tmp_path) == {orphan.path}


def test_a_process_of_before_the_machine_was_started_is_not_the_owner_though_its_numbers_are_the_same(
    tmp_path, bystander
):
    orphan = orphaned(tmp_path, ProcessId.of(bystander.pid)._replace(boot_id=BEFORE))

    assert found(tmp_path) == {orphan.path}


def test_files_that_an_earlier_daemon_has_published_are_hidden_until_they_are_checked(directory, rendition, gone):
    publish(directory, rendition, 4)
    (directory.path / "owner").write_text(str(gone))

    directory.open()

    assert (directory.published(rendition), directory.unchecked(rendition)) == ({}, {4: len(MEDIA)})


def test_a_folder_in_the_place_of_the_owner_makes_way(directory):
    (directory.path / "owner").unlink()
    (directory.path / "owner" / "inside").mkdir(parents=True)

    directory.open()

    first = (directory.path / "owner").read_text().splitlines()[0]
    assert ProcessId.parse(first) == ProcessId.of(os.getpid())


@pytest.mark.parametrize("owner", [f"1 1 {BEFORE}", "1 1", "\0" * 50])
def test_segments_published_before_the_machine_was_started_are_made_again(directory, rendition, owner):
    publish(directory, rendition, 4)
    (directory.path / "owner").write_text(owner)

    directory.open()

    assert (directory.published(rendition), directory.unchecked(rendition)) == ({}, {})
    assert not directory.earlier(rendition, "init.mp4").exists()


@pytest.mark.parametrize("owner", ["", "somebody", "12", "-1 5", "12 noon", "\0"])
def test_a_directory_with_no_legible_owner_is_left_alone(tmp_path, owner):
    orphaned(tmp_path, owner)

    assert found(tmp_path) == set()


def test_a_directory_with_a_session_like_name_and_no_owner_is_left_alone(tmp_path):
    (tmp_path / str(uuid4())).mkdir()

    assert found(tmp_path) == set()


@pytest.mark.parametrize(
    "name", ["films", "{7f3a0000-0000-4000-8000-000000000000}", "7F3A0000-0000-4000-8000-000000000000"]
)
def test_a_directory_with_any_other_name_is_left_alone(tmp_path, gone, name):
    orphaned(tmp_path, gone, name)

    assert found(tmp_path) == set()


def test_a_file_with_a_session_like_name_is_left_alone(tmp_path):
    (tmp_path / str(uuid4())).touch()

    assert found(tmp_path) == set()


def test_a_symlink_to_an_orphan_is_left_alone(tmp_path, gone):
    elsewhere = tmp_path / "elsewhere"
    orphan = orphaned(elsewhere, gone)
    (tmp_path / str(uuid4())).symlink_to(orphan.path)

    assert found(tmp_path) == set()


def test_a_directory_that_belongs_to_another_user_is_left_alone(tmp_path, gone, monkeypatch):
    orphan = orphaned(tmp_path, gone)

    monkeypatch.setattr(os, "geteuid", lambda: orphan.path.stat().st_uid + 1)

    assert found(tmp_path) == set()


def test_a_directory_that_others_may_write_to_is_left_alone(tmp_path, gone):
    orphaned(tmp_path, gone).path.chmod(0o777)

    assert found(tmp_path) == set()


def test_a_directory_that_a_process_anywhere_holds_is_no_orphan(tmp_path, gone):
    orphan = orphaned(tmp_path, gone)
    hold = (
        "import fcntl, sys; f = open(sys.argv[1]); fcntl.flock(f, fcntl.LOCK_EX); print(flush=True); sys.stdin.read()"
    )
    orphan.leave()
    with subprocess.Popen(
        [sys.executable, "-c", hold, str(orphan.path / "owner")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        holder.stdout.readline()

        assert found(tmp_path) == set()
        with pytest.raises(StorageFailed, match="another daemon uses it"):
            SegmentDirectory(orphan.path).open()

    assert found(tmp_path) == {orphan.path}


@pytest.fixture
def replaced(directory, rendition, tmp_path, bystander):
    """A directory in whose place somebody else has put a symlink, with a process to be ended, after a clean-up."""
    elsewhere = tmp_path / "elsewhere"
    run = elsewhere / rendition / "run-1"
    run.mkdir(parents=True)
    (run / "pid").write_text(str(ProcessId.of(bystander.pid)))
    (elsewhere / rendition / "0.m4s").write_bytes(b"a stranger's")
    directory.destroy()
    directory.path.symlink_to(elsewhere)
    return directory, elsewhere


def test_a_strangers_directory_is_neither_written_to_nor_read_nor_deleted(replaced, rendition, bystander):
    directory, elsewhere = replaced
    before = everything_in(elsewhere)

    for write in (
        lambda: directory.new_run(rendition, 2),
        lambda: directory.publish(rendition, 1, MEDIA),
        lambda: directory.publish_init(rendition, INIT),
        lambda: directory.publish_file(directory.segment(rendition, 1), elsewhere / rendition / "0.m4s"),
    ):
        with pytest.raises(OSError, match="another user's"):
            write()
    directory.forget(rendition)
    directory.clear_runs()
    directory.destroy()

    assert directory.size(directory.segment(rendition, 0)) is None
    assert end_processes(directory) == 0
    assert bystander.poll() is None
    assert everything_in(elsewhere) == before


def test_a_folder_that_does_not_exist_has_no_orphans(tmp_path):
    assert found(tmp_path / "none") == set()


def test_the_processes_a_directory_has_written_down_are_ended(directory):
    with subprocess.Popen(["sleep", "600"], start_new_session=True) as encoder:
        record_process(directory.new_run("video", 1), ProcessId.of(encoder.pid))

        assert end_processes(directory) == 1
        assert encoder.wait(10) == -9


def test_a_process_that_only_has_the_pid_of_an_encoder_that_is_gone_lives(directory, bystander):
    record_process(directory.new_run("video", 1), ProcessId.of(bystander.pid)._replace(started=1))

    assert end_processes(directory) == 0
    assert bystander.poll() is None


@pytest.mark.parametrize("written", ["", "1", "nonsense", "1 1 1"])
def test_a_pid_file_that_is_not_legible_ends_nobody(directory, written):
    (directory.new_run("video", 1) / "pid").write_text(written)

    assert end_processes(directory) == 0


def test_one_that_was_just_made_is_deleted_though_no_descriptor_is_left(tmp_path):
    directory = SegmentDirectory(tmp_path / "one")
    directory.path.mkdir(mode=0o700)
    (directory.path / "owner").touch()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        directory.destroy()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    assert not directory.path.exists()
