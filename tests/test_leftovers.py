"""Which processes count as leftovers of a test."""

from __future__ import annotations

import os
import signal
import subprocess

import pytest

from hls_sessions.testing import child_processes, spare


@pytest.fixture
def shared():
    """A process and one that it has started: the pids of both."""
    command = ["sh", "-c", "sleep 60 & echo $!; wait"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        child = int(process.stdout.readline())
        yield process.pid, child
        os.kill(child, signal.SIGKILL)


def pids() -> set[int]:
    return {int(process.split()[0]) for process in child_processes()}


def test_a_process_and_what_it_has_started_are_leftovers_unless_they_are_spared(shared):
    process, child = shared
    assert {process, child} <= pids()

    spare(process)

    assert not {process, child} & pids()
