from __future__ import annotations

import os
import shutil
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

import av
import pytest

from hls_sessions.ffmpeg import Prober, Workers, inspect_binary
from hls_sessions.ffmpeg.probing import prober
from hls_sessions.ffmpeg.workers import PROBE

if TYPE_CHECKING:
    from fractions import Fraction


@pytest.fixture(params=["PATH", "wheel"])
def binary(request):
    """Return each ffmpeg there is: the system's, and the imageio-ffmpeg wheel's."""
    if request.param == "PATH":
        path = shutil.which("ffmpeg")
        if path is None:
            pytest.skip("no ffmpeg on PATH")
    else:
        path = pytest.importorskip("imageio_ffmpeg").get_ffmpeg_exe()
    return inspect_binary(path)


class CountedWorkers(Workers):
    """Workers that count how many were started."""

    started = 0

    def start(self, task):
        self.started += 1
        return super().start(task)


@pytest.fixture
def workers(monkeypatch, tmp_path):
    """Start worker processes from a parent that is there already, and finds doubles in the test's own folder."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    counted = CountedWorkers()
    counted.start(PROBE).end()
    counted.started = 0
    yield counted
    counted.close()


@pytest.fixture
def make_prober(workers):
    """Return a function that makes a prober, which is closed after the test."""
    made = []

    def make(**options):
        made.append(Prober(workers, **options))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def single_prober(make_prober, monkeypatch):
    """Return a prober with one worker, so that the worker of the next probe is known."""
    monkeypatch.setattr(prober, "WORKERS", 1)
    return make_prober(timeout=60)


@pytest.fixture
def nameless(tmp_path):
    """Return the path of a file whose name is no UTF-8."""
    return tmp_path / os.fsdecode(b"\xff\xfe.mp4")


class Track(NamedTuple):
    """The facts of one track, found by reading every packet of the file."""

    frames: list[int]
    """When each frame is shown, in ticks, in order."""
    start: Fraction
    end: Fraction


@pytest.fixture
def demux():
    """Return a function that reads a file from its first packet to its last, as far as it can be read."""

    def read(path, index):
        with av.open(f"file:{path}") as container:
            stream = container.streams[index]
            spans = []
            with suppress(av.error.FFmpegError):
                for packet in container.demux(stream):
                    if packet.pts is not None and packet.pts >= stream.start_time and not packet.is_discard:
                        spans.append((packet.pts, packet.pts + packet.duration))  # noqa: PERF401 - it may end early
            frames = sorted(start for start, _ in spans)
            return Track(frames, frames[0] * stream.time_base, max(spans)[1] * stream.time_base)

    return read
