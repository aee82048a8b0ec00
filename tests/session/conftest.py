from __future__ import annotations

import threading

import pytest

from hls_sessions.media import OFFSET, read_segment
from hls_sessions.media.segment_check import PRIMING, TOLERANCE

VIDEO, AUDIO = "video-90p", "audio-0"
BOUND = 30
"""Seconds after which an event that has not happened never will."""


@pytest.fixture
def film(hls_clip):
    """The path of a film of eight seconds: segments of 0.5, 0.5, 1, 2, 2 and 2 seconds."""
    return hls_clip(seconds=8, size="160x90")


@pytest.fixture
def long_film(hls_clip):
    """The path of a film of 64 seconds, long enough for viewers to be far apart."""
    return hls_clip(seconds=64, size="160x90", rate="10", b_frames=0, audio=None)


@pytest.fixture
def is_right():
    """Tell whether a file is the segment of that number: whole, and cut at the boundaries of the timeline."""

    def is_right(session, rendition, number, path):
        cuts = session.presentation.cuts(rendition)
        whole = session.init(rendition, BOUND).read_bytes() + path.read_bytes()
        segment = read_segment(whole)
        late = segment.first - OFFSET + session.presentation.timeline.origin - cuts.start(number)
        return segment.starts_with_keyframe and -PRIMING - TOLERANCE <= late <= TOLERANCE

    return is_right


@pytest.fixture
def end_of_encoders():
    """Wait until no encoder runs and every session has been told."""

    def end_of_encoders():
        # The end of a process is told once its film was looked at, in a thread named source.
        for name in ("ffmpeg-", "source"):
            for thread in threading.enumerate():
                if thread.name.startswith(name):
                    thread.join(BOUND)

    return end_of_encoders
