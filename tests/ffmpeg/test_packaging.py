"""Copied segments: each is a function of the film and its number, whatever the packager was asked before."""

from __future__ import annotations

import os
import random
import subprocess
from fractions import Fraction
from io import BytesIO
from itertools import pairwise
from pathlib import Path

import av
import judge
import pytest

from hls_sessions.ffmpeg import Prober, Workers, film_of, find, request_for
from hls_sessions.ffmpeg.workers import PACKAGE, WorkerFailed
from hls_sessions.media import Presentation, read_segment
from hls_sessions.testing import Clip, make

BOUND = 30.0
PLAYABLE = {"seconds": 6.0, "size": "160x90", "gop": 26, "pixels": "yuv420p"}
HEVC = ("-x265-params", "log-level=none:open-gop=0:keyint=26:bframes=3", "-preset", "ultrafast", "-tag:v", "hvc1")

FILMS = {
    "MP4": Clip(**PLAYABLE, b_frames=3),
    "MOV": Clip(**PLAYABLE, container="mov"),
    "Matroska": Clip(**PLAYABLE, rate="24000/1001", container="mkv"),
    "Matroska, many B-frames": Clip(
        **PLAYABLE, container="mkv", options=("-x264-params", "bframes=5:b-pyramid=normal:ref=6")
    ),
    "Matroska, keyframes alone": Clip(**PLAYABLE | {"gop": 1}, container="mkv"),
    "Matroska, variable frame rate": Clip(
        **PLAYABLE, container="mkv", options=("-vf", "setpts='(N+mod(N*N,7)/10)/25/TB'", "-fps_mode", "vfr")
    ),
    "HEVC in Matroska": Clip(**PLAYABLE, video="libx265", options=HEVC, container="mkv"),
    "VP9 in WebM": Clip(
        **PLAYABLE, video="libvpx-vp9", audio=None, container="webm", options=("-cpu-used", "8"), b_frames=0
    ),
    "audio alone": Clip(seconds=6.0, video=None, container="m4a"),
    "audio that begins late": Clip(**PLAYABLE, container="mkv", options=("-output_ts_offset", "7")),
}


@pytest.fixture(scope="module")
def workers():
    """Start packagers from a parent that is there before the first test."""
    shared = Workers()
    shared.start(PACKAGE).end()
    yield shared
    shared.close()


@pytest.fixture(scope="module", params=FILMS.values(), ids=FILMS)
def shown(request, hls_clip_folder, workers):
    """A film as it is offered."""
    prober = Prober(workers, timeout=60)
    try:
        return Presentation.of(prober.probe(make(request.param, hls_clip_folder)))
    finally:
        prober.close()


class Packaging:
    """A packager without a session: a test asks it."""

    def __init__(self, workers, presentation, folder):
        self.worker = workers.start(PACKAGE)
        self._presentation = presentation
        self._file = folder / "segment.m4s"
        self.worker.send(film_of(presentation.media))

    def ask(self, rendition, number):
        request = request_for(self._presentation, rendition, number, None, self._file)
        return self.worker.ask(request, BOUND)

    def init(self, rendition):
        return self.ask(rendition, None).payload

    def segment(self, rendition, number):
        body, init = self.ask(rendition, number)
        assert "error" not in body, body
        assert body["size"] == self._file.stat().st_size
        return init, self._file.read_bytes()

    def why(self, rendition, number):
        """Return why a segment cannot be made; see that no file of it is left."""
        body, _ = self.ask(rendition, number)
        assert not self._file.exists()
        return body["error"]


@pytest.fixture
def package(workers, tmp_path):
    """Return a function that starts a packager of a film."""
    started = []

    def package(presentation):
        started.append(Packaging(workers, presentation, tmp_path))
        return started[-1]

    yield package
    for one in started:
        one.worker.end()


def copied(presentation):
    return [rendition for rendition in presentation.renditions.values() if rendition.copied]


def in_order(package, presentation, rendition, numbers):
    """All segments of a rendition, asked for in some order, by number."""
    packager = package(presentation)
    return {number: packager.segment(rendition, number) for number in numbers}


def test_a_segment_is_the_same_bytes_whatever_was_asked_before(package, shown):
    for rendition in copied(shown):
        numbers = list(range(len(shown.cuts(rendition.id))))
        forwards = in_order(package, shown, rendition, numbers)
        random.Random(rendition.id).shuffle(numbers)

        assert in_order(package, shown, rendition, numbers) == forwards
        assert in_order(package, shown, rendition, sorted(numbers, reverse=True)) == forwards
        for number in numbers[:3]:
            assert in_order(package, shown, rendition, [number])[number] == forwards[number]


def test_the_init_segment_is_the_same_alone_and_with_every_segment(package, shown):
    packager = package(shown)
    for rendition in copied(shown):
        segments = [packager.segment(rendition, number) for number in range(len(shown.cuts(rendition.id)))]

        assert {init for init, _ in segments} == {packager.init(rendition)}


def test_all_packets_of_the_film_are_copied_once_and_at_their_time(package, shown):
    packager = package(shown)
    for rendition in copied(shown):
        cuts, origin = shown.cuts(rendition.id), shown.timeline.origin
        made = [packager.segment(rendition, number) for number in range(len(cuts))]
        whole = made[0][0] + b"".join(data for _, data in made)
        with av.open(str(shown.media.path)) as container:
            stream = container.streams[rendition.track.index]
            read = (p for p in container.demux(stream) if p.pts is not None and not p.is_discard)
            source = sorted(packet.pts * stream.time_base - origin for packet in read)

        if rendition.kind == "video":
            source[0] = cuts.start(0) - origin  # it is shown from the beginning on
        moments = judge.times(whole)

        assert len(moments) == len(source)
        assert max(abs(ours - theirs) for ours, theirs in zip(moments, source, strict=True)) <= judge.MILLISECOND


def test_decoding_goes_on_without_a_break_over_every_cut(package, shown):
    packager = package(shown)
    for rendition in copied(shown):
        made = [packager.segment(rendition, number) for number in range(len(shown.cuts(rendition.id)))]
        ticks = decoded(made)

        assert all(before.dts < after.dts for before, after in pairwise(ticks))
        if (
            rendition.kind == "video" and rendition.track.codec != "vp9"
        ):  # because the parser of VP9 knows better than the file
            assert all(before.dts + before.duration == after.dts for before, after in pairwise(ticks))


def decoded(made):
    """All packets of segments, with their decoding times as written."""
    with av.open(BytesIO(made[0][0] + b"".join(data for _, data in made))) as container:
        return [packet for packet in container.demux(container.streams[0]) if packet.size]


def test_frames_of_a_matroska_are_decoded_when_a_reading_from_its_beginning_says(package, workers, hls_clip):
    film = hls_clip(**PLAYABLE, container="mkv", options=("-x264-params", "bframes=5:b-pyramid=normal:ref=6"))
    shown = offered(workers, film)
    [rendition] = [each for each in copied(shown) if each.kind == "video"]
    with av.open(str(film)) as container:
        stream = container.streams.video[0]
        read = [packet.dts for packet in container.demux(stream) if packet.pts is not None]
        base = stream.time_base
    numbers = list(reversed(range(len(shown.cuts(rendition.id)))))

    made = in_order(package, shown, rendition, numbers)

    written = decoded([made[number] for number in sorted(made)])
    shift = judge.OFFSET - shown.timeline.origin
    times = [packet.dts * packet.time_base - shift for packet in written]
    known = [(ours, theirs * base) for ours, theirs in zip(times, read, strict=True) if theirs is not None]
    assert len(known) > len(times) - 5
    assert max(abs(ours - theirs) for ours, theirs in known) <= judge.MILLISECOND / 10


def offered(workers, film):
    prober = Prober(workers, timeout=60)
    try:
        return Presentation.of(prober.probe(film))
    finally:
        prober.close()


def test_times_can_be_written_in_the_ticks_of_an_init_segment_that_players_have(package, workers, hls_clip):
    shown = offered(workers, hls_clip(**PLAYABLE, container="mkv"))
    rendition = shown.video[0]
    packager = package(shown)
    request = request_for(shown, rendition, 1, 90_000, packager._file)

    body, init = packager.worker.ask(request, BOUND)

    assert "error" not in body
    segment = read_segment(packager._file.read_bytes(), init)
    expected = shown.cuts(rendition.id).start(1) - shown.timeline.origin + judge.OFFSET
    assert abs(segment.first - expected) <= judge.MILLISECOND
    assert segment.first.denominator <= 90_000


@pytest.mark.parametrize("container", ["mp4", "mkv"])
def test_films_that_were_joined_are_copied_over_the_seam(package, workers, hls_clip, tmp_path, container):
    one, joined = hls_clip(**PLAYABLE, container="mp4"), tmp_path / f"joined.{container}"
    loop = ("-stream_loop", "2", "-i", one, "-c", "copy", joined)
    subprocess.run([find(), "-v", "error", "-nostdin", *loop], check=True)
    shown = offered(workers, joined)
    packager = package(shown)

    assert shown.audio[0].copied
    for rendition in copied(shown):
        made = [packager.segment(rendition, number) for number in range(len(shown.cuts(rendition.id)))]
        assert all(before.dts < after.dts for before, after in pairwise(decoded(made)))


# Segments that cannot be copied


def damaged_audio(film, into):
    """Damage some packets of a film's audio."""
    noise = ("-bsf:a", "noise=amount='if(between(n\\,100\\,103)\\,1\\,0)'")
    subprocess.run([find(), "-v", "error", "-nostdin", "-i", film, "-map", "0", "-c", "copy", *noise, into], check=True)
    return into


def test_audio_with_damaged_packets_is_refused_where_they_are(package, workers, hls_clip, tmp_path):
    shown = offered(workers, damaged_audio(hls_clip(**PLAYABLE, audio_rate=48_000), tmp_path / "damaged.mp4"))
    packager, rendition = package(shown), shown.audio[0]
    bad = next(n for n in range(9) if shown.cuts(rendition.id).times[n + 1] > 100 * Fraction(1024, 48_000))

    assert "decoded" in packager.why(rendition, bad) or "damaged" in packager.why(rendition, bad)
    for number in set(range(len(shown.cuts(rendition.id)))) - {bad, bad + 1}:
        packager.segment(rendition, number)


def test_a_film_that_was_replaced_is_not_copied(package, workers, hls_clip, tmp_path):
    film = tmp_path / "film.mp4"
    film.write_bytes(hls_clip(**PLAYABLE).read_bytes())
    shown = offered(workers, film)
    os.utime(film, ns=(0, 0))

    assert package(shown).why(shown.video[0], 0) == "it is not the file that was opened any more"


def test_a_film_that_is_replaced_while_it_is_open_goes_on_as_it_was(package, workers, hls_clip, tmp_path):
    film, other = tmp_path / "film.mp4", tmp_path / "other.mp4"
    film.write_bytes(hls_clip(**PLAYABLE).read_bytes())
    shown = offered(workers, film)
    packager = package(shown)
    before = packager.segment(shown.video[0], 1)
    other.write_bytes(hls_clip(**PLAYABLE | {"gop": 50}).read_bytes())
    other.replace(film)

    assert packager.segment(shown.video[0], 1) == before


def test_a_film_that_is_gone_says_so(package, workers, hls_clip, tmp_path):
    film = tmp_path / "film.mp4"
    film.write_bytes(hls_clip(**PLAYABLE).read_bytes())
    shown = offered(workers, film)
    film.unlink()

    assert package(shown).why(shown.video[0], 0) == "it cannot be opened (No such file or directory)"


def test_a_film_that_ends_before_its_index_says_so_and_plays_to_there(package, workers, hls_clip, tmp_path):
    film = tmp_path / "film.mp4"
    film.write_bytes(hls_clip(**PLAYABLE, options=("-movflags", "faststart")).read_bytes())
    shown = offered(workers, film)
    packager, rendition = package(shown), shown.video[0]
    last = len(shown.cuts(rendition.id)) - 1
    whole = packager.segment(rendition, 0)
    modified = film.stat().st_mtime_ns
    with film.open("r+b") as file:
        file.truncate(film.stat().st_size // 2)
    os.utime(film, ns=(modified, modified))

    assert packager.segment(rendition, 0) == whole
    assert packager.why(rendition, last) == "the file holds nothing of it"


def test_a_segment_that_cannot_be_written_is_told_with_the_systems_error_number(package, workers, hls_clip, tmp_path):
    shown = offered(workers, hls_clip(**PLAYABLE))
    packager = package(shown)
    packager._file = tmp_path / "missing" / "segment.m4s"

    body, _ = packager.ask(shown.video[0], 0)

    assert body["errno"] == 2


def test_a_caller_whose_packager_was_killed_is_told(package, workers, hls_clip):
    shown = offered(workers, hls_clip(**PLAYABLE))
    packager = package(shown)
    packager.segment(shown.video[0], 0)
    packager.worker.kill()

    assert packager.worker.wait(BOUND).was_killed
    with pytest.raises(WorkerFailed):
        packager.ask(shown.video[0], 1)
    assert not Path(f"/proc/{packager.worker.pid}").exists()
