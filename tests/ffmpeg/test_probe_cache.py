"""A file that was probed is not probed again, not even by the next daemon."""

from __future__ import annotations

import os
import zlib
from array import array

import pytest

from hls_sessions.errors import NotPlayable
from hls_sessions.ffmpeg import FileVersion
from hls_sessions.ffmpeg.probing import cache
from hls_sessions.ffmpeg.probing.cache import pack, unpack


class Kept(dict):
    """A cache that is a dictionary."""

    recall = dict.get
    keep = dict.__setitem__


@pytest.fixture
def kept():
    return Kept()


@pytest.fixture
def probe(make_prober, workers, kept):
    """Probe with a new prober, as a daemon that has just started does; also return how many workers that took."""

    def probe(path):
        prober, before = make_prober(timeout=60, cache=kept), workers.started
        media = prober.probe(path)
        prober.close()  # which waits until all is kept
        return media, workers.started - before

    return probe


@pytest.mark.parametrize("like", [{}, {"container": "mkv", "rate": "24000/1001"}, {"video": None, "container": "m4a"}])
def test_the_facts_that_are_recalled_equal_those_that_were_read(hls_clip, probe, like):
    film = hls_clip(seconds=2, size="160x90", **like)

    read, recalled = probe(film), probe(film)

    assert (read[1], recalled[1]) == (1, 0)
    assert recalled[0] == read[0]


def test_a_changed_file_is_read_again(hls_clip, probe):
    film = hls_clip(name="changed.mp4", seconds=1, size="160x90")
    probe(film)
    os.utime(film, ns=(0, 0))

    assert probe(film)[1] == 1


def test_a_file_that_is_not_playable_is_not_kept(tmp_path, make_prober, kept):
    (tmp_path / "text.mp4").write_text("To be, or not to be.\n" * 100)

    with pytest.raises(NotPlayable):
        make_prober(timeout=60, cache=kept).probe(tmp_path / "text.mp4")

    assert kept == {}


@pytest.mark.parametrize(
    "damage",
    [
        lambda _: b"",
        lambda _: b"noise",
        lambda data: data[:-5],
        lambda _: zlib.compress(b"[]\n"),
        lambda _: zlib.compress(b"{}\n"),
        lambda data: zlib.compress(zlib.decompress(data) + b"\0"),
        lambda data: zlib.compress(zlib.decompress(data) + b"\0" * 8),
    ],
)
def test_a_damaged_answer_is_read_again_and_replaced(hls_clip, probe, kept, damage):
    film = hls_clip(seconds=1, size="160x90")
    whole = probe(film)[0]
    [(version, data)] = kept.items()
    kept[version] = damage(data)

    assert probe(film) == (whole, 1)
    assert kept == {version: data}


def test_the_answer_of_another_worker_is_read_again(hls_clip, probe, monkeypatch):
    film = hls_clip(seconds=1, size="160x90")
    probe(film)
    monkeypatch.setattr(cache, "_maker", lambda: "another")

    assert probe(film)[1] == 1


def test_a_file_that_was_read_whole_is_not_read_again(hls_clip, make_prober, kept, probe):
    film = hls_clip(seconds=2, size="160x90", container="ts")
    prober = make_prober(timeout=60, cache=kept)
    prober.read_whole(film).result(60)
    read = prober.probe(film)
    prober.close()

    assert probe(film) == (read, 0)


def test_the_frames_of_two_hours_take_a_few_kilobytes():
    times = array("q", (round(n * 1001 / 24000 * 90_000) for n in range(172_800)))

    packed = pack('{"container": "matroska"}', [times, array("q"), array("q", [7, 5])])

    assert len(packed) < 10_000
    assert unpack(packed) == ({"container": "matroska"}, [times, array("q"), array("q", [7, 5])])


def test_frames_that_make_no_sense_are_not_kept():
    assert pack("{}", [array("q", [-(1 << 63), (1 << 63) - 1])]) is None


def test_a_version_is_size_and_time(tmp_path):
    (tmp_path / "film").write_bytes(b"four")
    os.utime(tmp_path / "film", ns=(5, 7))

    assert FileVersion.of(tmp_path / "film") == (tmp_path / "film", 4, 7)
