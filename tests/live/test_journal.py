"""What has arrived of a recording: nothing is lost, nothing is twice, and nothing is changed."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hls_sessions.errors import RecordingFull, StorageFailed, WrongOffset
from hls_sessions.live import Journal, Syncer

MOST = 10**6


@pytest.fixture
def journal(tmp_path):
    journal = Journal(tmp_path / "one", MOST)
    yield journal
    journal.close()


@given(chunks=st.lists(st.binary(max_size=200), max_size=20))
def test_what_arrives_is_kept_unchanged_in_its_order(tmp_path_factory, chunks):
    journal = Journal(tmp_path_factory.mktemp("recordings") / "one", MOST)
    part = journal.begin("webm")
    at = 0
    for chunk in chunks:
        at = journal.append(at, chunk)
    journal.close()

    assert part.path.read_bytes() == b"".join(chunks)
    assert at == journal.size == sum(map(len, chunks))


def test_bytes_that_belong_elsewhere_are_refused_and_the_right_place_is_told(journal):
    part = journal.begin("webm")
    journal.append(0, b"abc")

    for offset in (0, 2, 4):
        with pytest.raises(WrongOffset) as refused:
            journal.append(offset, b"x")
        assert refused.value.expected == 3
    assert part.path.read_bytes() == b"abc"


def test_of_many_writers_at_one_offset_one_is_taken(journal):
    part = journal.begin("webm")
    taken, together = [], threading.Barrier(8)

    def write(number):
        together.wait()
        try:
            journal.append(0, bytes([number]) * 1000)
        except WrongOffset:
            return
        taken.append(number)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert part.path.read_bytes() == bytes(taken) * 1000
    assert len(taken) == 1


def test_another_stream_is_another_part(journal):
    journal.begin("webm")
    journal.append(0, b"first")
    journal.begin("mp4")

    assert journal.append(0, b"second") == 6

    assert [(part.number, part.extension, part.path.read_bytes()) for part in journal.parts] == [
        (0, "webm", b"first"),
        (1, "mp4", b"second"),
    ]


def test_it_grows_no_larger_than_it_may_and_keeps_what_it_has(journal):
    part = journal.begin("webm")
    journal.append(0, bytes(MOST - 1))

    with pytest.raises(RecordingFull):
        journal.append(MOST - 1, b"two")

    assert journal.append(MOST - 1, b"1") == MOST
    assert part.path.stat().st_size == MOST


def test_one_that_is_taken_over_goes_on_where_it_was(journal):
    journal.begin("webm")
    journal.append(0, b"before")
    journal.begin("webm")
    journal.append(0, b"and ")
    journal.close()

    again = Journal(journal.folder, MOST)

    assert again.parts == journal.parts
    again.append(4, b"after")
    again.close()
    assert [part.path.read_bytes() for part in again.parts] == [b"before", b"and after"]


KILLED = """
import os, signal, sys
from pathlib import Path
from hls_sessions.live import Journal
journal = Journal(Path(sys.argv[1]), 10**9)
journal.begin("webm")
at = 0
while True:
    at = journal.append(at, at.to_bytes(8) * 1000)
    print(at, flush=True)
    if at >= 10**6:
        os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_process_loses_nothing_that_was_acknowledged(tmp_path):
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path)], capture_output=True, text=True, timeout=60, check=False
    )

    acknowledged = [int(line) for line in killed.stdout.split()]
    assert killed.returncode == -signal.SIGKILL
    assert Journal(tmp_path, 10**9).size == acknowledged[-1]
    data = (tmp_path / "part-0.webm").read_bytes()
    assert data == b"".join(at.to_bytes(8) * 1000 for at in [0, *acknowledged[:-1]])


FULL = """
import sys
from pathlib import Path
from hls_sessions.errors import StorageFailed
from hls_sessions.live import Journal
journal = Journal(Path(sys.argv[1]), 10**9)
journal.begin("webm")
journal.append(0, bytes(3000))
try:
    journal.append(3000, bytes(3000))
except StorageFailed as error:
    print(error.reason, journal.size)
"""


def test_a_full_disk_is_said_and_what_fits_stays(tmp_path):
    def limited():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

    written = subprocess.run(
        [sys.executable, "-B", "-c", FULL, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        preexec_fn=limited,
    )

    reason, _, size = written.stdout.strip().rpartition(" ")
    assert reason == os.strerror(27)
    assert int(size) == (tmp_path / "part-0.webm").stat().st_size == 4096


def test_a_folder_that_cannot_be_made_is_said(tmp_path):
    (tmp_path / "file").touch()

    with pytest.raises(StorageFailed):
        Journal(tmp_path / "file" / "one", MOST)


def test_everything_is_brought_to_the_disk_a_moment_later(journal, monkeypatch):
    synced, happened = [], threading.Event()

    def fdatasync(file):
        synced.append(os.fstat(file).st_size)
        happened.set()

    monkeypatch.setattr(os, "fdatasync", fdatasync)
    syncer = Syncer(interval=0.01)
    syncer.add(journal)
    journal.begin("webm")
    journal.append(0, b"abc")

    assert happened.wait(10)
    syncer.close()
    assert synced == [3], "what is on the disk is not brought there again"


def test_what_was_added_to_a_part_is_brought_to_the_disk_though_another_has_begun(journal, monkeypatch):
    synced = []
    monkeypatch.setattr(os, "fdatasync", lambda file: synced.append(os.fstat(file).st_size))
    journal.begin("webm")
    journal.append(0, b"abc")

    journal.begin("webm")

    assert synced == [3]


def test_a_sync_without_a_descriptor_is_said_and_made_up_for(journal, monkeypatch):
    journal.begin("webm")
    journal.append(0, b"abc")
    with monkeypatch.context() as patched:
        patched.setattr(os, "dup", lambda _: os.open("/no/such/file", os.O_RDONLY))
        with pytest.raises(StorageFailed):
            journal.sync()
    synced = []
    monkeypatch.setattr(os, "fdatasync", lambda file: synced.append(os.fstat(file).st_size))

    journal.sync()

    assert synced == [3]


def test_what_was_added_last_is_brought_to_the_disk_at_the_end(journal, monkeypatch):
    synced = []
    monkeypatch.setattr(os, "fdatasync", lambda file: synced.append(os.fstat(file).st_size))
    syncer = Syncer(interval=3600)
    syncer.add(journal)
    journal.begin("webm")
    journal.append(0, b"abc")

    syncer.remove(journal)

    assert synced == [3]
    syncer.close()
