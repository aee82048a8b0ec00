"""What a file may claim: the daemon cuts all of it, so a few bytes must not claim years."""

from __future__ import annotations

import resource
from contextlib import suppress

import pytest

from hls_sessions.errors import NotPlayable
from hls_sessions.ffmpeg import Prober, Workers
from hls_sessions.ffmpeg.probing.bounds import LONGEST, LONGEST_TOGETHER, TooMuch, keep_within_bounds
from hls_sessions.ffmpeg.probing.worker import MEMORY_LIMIT


def answer(*audio, video=None):
    return {"video": video, "audio": list(audio), "notes": []}


def track(start=0, end=10, index=1, sample_rate=48_000):
    return {"index": index, "start": str(start), "end": str(end), "sample_rate": sample_rate}


def test_a_film_of_two_days_is_kept_as_it_is():
    right = answer(track(0, LONGEST), video=track(0, LONGEST, 0))

    keep_within_bounds(right)

    assert right == answer(track(0, LONGEST), video=track(0, LONGEST, 0))


@pytest.mark.parametrize(
    "film",
    [
        answer(track(0, LONGEST + 1)),
        answer(video=track(0, "1e12")),
        answer(track(LONGEST, LONGEST + 2), video=track(0, 2)),
        answer(track(f"-{LONGEST}", "-1"), video=track(0, 2)),
    ],
    ids=["audio", "video", "audio much later", "audio much earlier"],
)
def test_a_longer_film_is_refused(film):
    with pytest.raises(TooMuch, match="claims to last"):
        keep_within_bounds(film)


def test_tracks_that_are_too_long_together_are_left_out():
    many = answer(*(track(0, LONGEST, index) for index in range(20)))

    keep_within_bounds(many)

    assert len(many["audio"]) == LONGEST_TOGETHER // LONGEST
    assert len(many["notes"]) == 20 - len(many["audio"])


@pytest.mark.parametrize("rate", [0, 1, 999, 4_000_001, 0x7FFFFFFF])
def test_audio_of_an_impossible_rate_is_left_out(rate):
    film = answer(track(sample_rate=rate), video=track(index=0))
    keep_within_bounds(film)

    assert film["audio"] == []
    assert film["notes"] == [f"the audio (stream 1) is left out: its sample rate is {rate} Hz"]
    with pytest.raises(TooMuch, match="sample rate"):
        keep_within_bounds(answer(track(sample_rate=rate)))


def test_the_memory_of_a_worker_is_limited(tmp_path):
    workers = Workers()
    prober = Prober(workers)
    text = tmp_path / "text.mp4"
    text.write_text("no film\n")
    with suppress(NotPlayable):
        prober.probe(text)
    try:
        (worker,) = prober._idle
        assert resource.prlimit(worker.pid, resource.RLIMIT_AS) == (MEMORY_LIMIT, MEMORY_LIMIT)
    finally:
        prober.close()
        workers.close()
