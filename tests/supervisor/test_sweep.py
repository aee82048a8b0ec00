"""The leftovers of a daemon that was killed, and how the next one clears them away."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from uuid import uuid4

import pytest

from hls_sessions.ffmpeg import ProcessId
from hls_sessions.segments.directory import LEFT_FOR, SegmentDirectory
from hls_sessions.testing import hanging_ffmpeg, session_directories, shared_directories

BOUND = 30

DAEMON = """
import sys
from hls_sessions import Supervisor

media, segments_dir, ffmpeg = sys.argv[1:]
settings = {"media": (media.rpartition("/")[0],), "segments_dir": segments_dir, "ffmpeg": ffmpeg, "prepare": False}
with Supervisor(**settings) as supervisor:
    session = supervisor.open(media, user="anna")
    session.ask_segment("video-90p", 0)
    session.segment("audio-0", 0)
    print(session.directory.name, session.info().packager, *(run.pid for run in session.info().runs), flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def daemon(film, hls_segments_dir, tmp_path):
    """A daemon with a session that encodes and copies: its process, the name of its directory, its processes' pids."""
    ffmpeg = hanging_ffmpeg(tmp_path)
    with subprocess.Popen(
        [sys.executable, "-c", DAEMON, str(film), str(hls_segments_dir), str(ffmpeg)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        name, *pids = process.stdout.readline().split()
        yield process, name, [int(pid) for pid in pids]
        process.kill()
    for directory in (name, *shared_directories(hls_segments_dir)):
        shutil.rmtree(hls_segments_dir / directory, ignore_errors=True)


def test_no_encoder_and_no_packager_outlives_a_daemon_that_is_killed(daemon, ends):
    process, _, pids = daemon
    assert len(pids) == 2

    process.kill()

    assert all(ends(pid) for pid in pids)


def test_the_next_daemon_sweeps_the_directory_of_one_that_was_killed(daemon, hls_supervisor, hls_segments_dir):
    process, name, _ = daemon
    process.kill()
    process.wait(BOUND)
    assert session_directories(hls_segments_dir) == {name}

    hls_supervisor()

    assert session_directories(hls_segments_dir) == set()


def test_the_directory_of_a_daemon_that_lives_is_not_touched(daemon, hls_supervisor, hls_segments_dir):
    process, name, pids = daemon
    before = sorted((hls_segments_dir / name).rglob("*"))

    hls_supervisor().stop()

    assert process.poll() is None
    assert all(ProcessId.of(pid) for pid in pids)
    assert sorted((hls_segments_dir / name).rglob("*")) == before


def test_the_directory_of_a_daemon_in_another_container_is_not_touched(daemon, hls_supervisor, hls_segments_dir):
    process, name, pids = daemon
    directory = hls_segments_dir / name
    # Its pid means another process here, or none, as it does between two containers that share a disk.
    (directory / "owner").write_text("1 1")
    before = sorted(directory.rglob("*"))

    hls_supervisor().stop()

    assert all(ProcessId.of(pid) for pid in pids)
    assert sorted(directory.rglob("*")) == before
    process.kill()
    process.wait(BOUND)
    hls_supervisor()
    assert session_directories(hls_segments_dir) == set()


def test_a_daemon_that_ends_in_order_leaves_nothing(daemon, hls_segments_dir, ends):
    process, _, pids = daemon

    process.stdin.close()

    assert process.wait(BOUND) == 0
    assert all(ends(pid) for pid in pids)
    assert session_directories(hls_segments_dir) == set()


def test_an_encoder_that_outlived_its_daemon_is_ended(hls_supervisor, hls_segments_dir):
    run = hls_segments_dir / str(uuid4()) / "video-90p" / "run-1"
    run.mkdir(parents=True)
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as dead:
        (run.parent.parent / "owner").write_text(str(ProcessId.of(dead.pid)))
    with subprocess.Popen(["sleep", "600"], start_new_session=True) as encoder:
        (run / "pid").write_text(str(ProcessId.of(encoder.pid)))

        hls_supervisor()

        assert encoder.wait(BOUND) == -9
    assert session_directories(hls_segments_dir) == set()


def test_a_directory_left_lately_by_a_daemon_with_another_state_folder_is_kept(
    hls_supervisor, film, hls_segments_dir, tmp_path
):
    one = hls_supervisor(state_dir=tmp_path / "one", drain=False)
    session = one.open(film)
    segment = session.segment("video-90p", 0, BOUND)
    one.stop()
    [shared] = shared_directories(hls_segments_dir)
    left = session.directory, hls_segments_dir / shared
    for owner in (directory / "owner" for directory in left):  # whose daemon is gone
        owner.write_bytes(owner.read_bytes().replace(str(ProcessId.of(os.getpid())).encode(), b"1 1"))

    hls_supervisor(state_dir=tmp_path / "another").stop()
    hls_supervisor().stop()
    assert (session.directory / "video-90p" / segment.name).exists()
    assert shared_directories(hls_segments_dir) == {shared}

    long_ago = time.time() - LEFT_FOR
    for path in (path for directory in left for path in (directory, *directory.iterdir())):
        os.utime(path, (long_ago, long_ago))
    hls_supervisor(state_dir=tmp_path / "another").stop()
    assert list(hls_segments_dir.iterdir()) == []


def test_a_directory_used_lately_by_a_daemon_of_another_container_is_kept(
    hls_supervisor, film, hls_segments_dir, tmp_path
):
    left = SegmentDirectory(hls_segments_dir / str(uuid4()))
    left.open()
    owner = left.path / "owner"
    _, home, namespace = owner.read_bytes().split(b"\n")
    # In the other container its process runs; here there is none of its id.
    owner.write_bytes(b"\n".join((b"1 1", home, namespace + b"1")))

    hls_supervisor().stop()
    assert session_directories(hls_segments_dir) == {left.path.name}

    long_ago = time.time() - LEFT_FOR
    for path in (left.path, owner):
        os.utime(path, (long_ago, long_ago))
    hls_supervisor().stop()
    assert session_directories(hls_segments_dir) == set()


def test_the_folders_of_strangers_are_not_touched(hls_supervisor, hls_segments_dir, tmp_path):
    films = tmp_path / "films"
    films.mkdir()
    (films / "film.mkv").touch()
    nameless = hls_segments_dir / str(uuid4())
    nameless.mkdir()
    (nameless / "notes").touch()
    (hls_segments_dir / "backup").mkdir()
    (hls_segments_dir / str(uuid4())).symlink_to(films)
    before = sorted(hls_segments_dir.rglob("*"))

    hls_supervisor().stop()

    assert sorted(hls_segments_dir.rglob("*")) == before
    assert list(films.iterdir()) == [films / "film.mkv"]
    shutil.rmtree(hls_segments_dir)
