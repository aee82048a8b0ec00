from __future__ import annotations

import os
import select
import time

import pytest

BOUND = 30
"""Seconds after which what did not happen counts as never."""


@pytest.fixture
def film(hls_clip):
    """The path of a film of eight seconds: segments of 1, 1, 2, 2 and 2 seconds."""
    return hls_clip(seconds=8, size="160x90")


@pytest.fixture
def ends():
    """Wait until a process has ended; False when it has not within the bound."""

    def ends(pid):
        try:
            descriptor = os.pidfd_open(pid)
        except ProcessLookupError:
            return True
        try:
            return bool(select.select([descriptor], [], [], BOUND)[0])
        finally:
            os.close(descriptor)

    return ends


@pytest.fixture
def until():
    """Wait for something outside this process, that nothing here is told of."""

    def until(happened):
        deadline = time.monotonic() + BOUND
        while not happened():
            assert time.monotonic() < deadline, "it never happened"
            time.sleep(0.005)

    return until
