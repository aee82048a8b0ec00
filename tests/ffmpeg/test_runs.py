"""A segment does not depend on the run that made it: real ffmpegs, and the files that they write."""

from __future__ import annotations

import struct
import subprocess
from dataclasses import replace
from fractions import Fraction
from io import BytesIO
from pathlib import Path

import av
import pytest

from hls_sessions.ffmpeg import Prober, Workers, commands, methods, plan_run
from hls_sessions.media import OFFSET, Presentation, read_segment
from hls_sessions.testing import Clip, make

FFMPEGS_IN_TURN = ("shown",)
PLAYABLE = {"seconds": 5.0, "size": "160x90", "gop": 26, "pixels": "yuv420p"}

CLIPS = {
    "mp4": Clip(seconds=5.0, size="160x90", rate="30000/1001"),
    "mkv": Clip(seconds=5.0, size="160x90", rate="24000/1001", container="mkv"),
    "ts": Clip(seconds=5.0, size="160x90", container="ts"),
    "irregular mp4": Clip(
        seconds=5.0, size="160x90", options=("-vf", "setpts='(N+mod(N*N,7)/10)/25/TB'", "-fps_mode", "vfr")
    ),
    "audio that ends later": Clip(seconds=3.0, size="160x90", audio_seconds=6.0),
    "in place of a copy": Clip(**PLAYABLE, rate="30000/1001"),
    "in place of a copy of an mkv": Clip(**PLAYABLE, rate="24000/1001", container="mkv"),
    "audio to be encoded": Clip(seconds=5.0, size="160x90", audio="libmp3lame", container="mkv"),
}

MILLISECOND = Fraction(1, 1000)


@pytest.fixture(scope="module", params=CLIPS)
def shown(request, hls_clip_folder) -> Presentation:
    """A film as it is offered."""
    workers = Workers()
    prober = Prober(workers)
    try:
        return Presentation.of(prober.probe(make(CLIPS[request.param], hls_clip_folder)))
    finally:
        prober.close()
        workers.close()


@pytest.fixture(params=["video", "audio"])
def rendition(request, shown):
    return getattr(shown, request.param)[0]


@pytest.fixture(scope="module")
def runs_from_the_beginning() -> dict:
    """The runs that others are compared with, each made once."""
    return {}


@pytest.fixture
def whole(binary, shown, rendition, encode, runs_from_the_beginning):
    """Return the segments of the run from the beginning."""
    key = (binary.path, shown.media.path, rendition.id)
    if key not in runs_from_the_beginning:
        runs_from_the_beginning[key] = encode(0)
    return runs_from_the_beginning[key]


@pytest.fixture
def encode(binary, shown, rendition, tmp_path_factory):
    """Return a function that makes a rendition from a segment on, and returns its segments by number."""

    def make_from(segment, *, alone=False):
        folder = tmp_path_factory.mktemp("run")
        planned = plan_run(binary, shown, rendition, methods(rendition)[0], segment, folder)
        subprocess.run(planned.argv, check=True, timeout=60, stdin=subprocess.DEVNULL)
        files = {int(file.stem): file for file in folder.iterdir()}
        made = {n: read_segment(file.read_bytes()) for n, file in files.items() if n >= planned.first}
        cuts = shown.cuts(rendition.id)
        # The segments that show the last frame on have a run of their own.
        goes_on = cuts.held and planned.last == cuts.last_of_track and not alone
        return made | make_from(planned.last + 1) if goes_on else made

    return make_from


def boundary(shown, rendition, number) -> Fraction:
    """When a segment's first frame is to begin, as it is written."""
    return shown.cuts(rendition.id).start(number) - shown.timeline.origin + OFFSET


def test_a_run_from_the_beginning_makes_every_segment_at_its_boundary(shown, rendition, whole):
    cuts = shown.cuts(rendition.id)
    assert sorted(whole) == list(range(len(cuts)))
    for number, segment in whole.items():
        assert segment.starts_with_keyframe
        late = segment.first - boundary(shown, rendition, number)
        if (rendition.kind, number) == ("audio", 0):
            # An encoder's priming comes before the first sample, ours or the file's.
            assert -OFFSET < late <= MILLISECOND
        else:
            assert abs(late) <= MILLISECOND


def test_a_segment_holds_as_many_frames_as_the_timeline_counted(shown, rendition, whole):
    counts = shown.cuts(rendition.id).counts or [0] * len(whole)

    assert [counts[number] and whole[number].samples for number in range(len(whole))] == list(counts)


def test_each_segment_begins_where_the_one_before_ends(shown, rendition, whole):
    for number in range(len(whole) - 1):
        gap = whole[number + 1].first - whole[number].end
        assert abs(gap) <= 2 * shown.cuts(rendition.id).slack + MILLISECOND


def test_all_segments_belong_to_one_init_segment(whole):
    assert len({segment.track for segment in whole.values()}) == 1


def assert_same(shown, rendition, again, whole, number):
    assert again[number].track == whole[number].track
    assert again[number].starts_with_keyframe
    assert abs(again[number].first - whole[number].first) <= MILLISECOND / 10
    assert abs(again[number].end - whole[number].end) <= MILLISECOND
    # The encoder decides how many frames the last piece of audio has.
    if not (rendition.kind == "audio" and shown.cuts(rendition.id).is_last(number)):
        assert again[number].samples == whole[number].samples


@pytest.mark.parametrize("where", ["the second", "the middle", "the last"])
def test_a_run_from_a_later_segment_on_makes_the_same_as_the_run_from_the_beginning(
    shown, rendition, encode, whole, where
):
    last = len(whole) - 1
    segment = {"the second": 1, "the middle": last // 2 + 1, "the last": last}[where]

    part = encode(segment)

    assert sorted(part) == list(range(segment, last + 1))
    for number in part:
        assert_same(shown, rendition, part, whole, number)


def test_a_run_ends_by_itself_after_the_last_segment_it_was_planned_for(shown, rendition, encode, whole, monkeypatch):
    monkeypatch.setattr(commands, "HORIZON", 2)

    part = encode(1, alone=True)

    planned = [number for number in (1, 2) if number in whole]
    assert sorted(part) == planned
    for number in planned:
        assert_same(shown, rendition, part, whole, number)


@pytest.mark.parametrize("several", [True, False])
def test_a_run_writes_parameter_sets_into_the_frames_when_there_are_several_methods(
    binary, hls_clip, tmp_path, make_prober, several
):
    offered = Presentation.of(make_prober().probe(hls_clip(seconds=5.0, size="160x90")))
    method = replace(methods(offered.video[0])[0], in_band=several)
    subprocess.run(plan_run(binary, offered, offered.video[0], method, 0, tmp_path).argv, check=True, timeout=60)

    assert [read_segment(file.read_bytes()).in_band for file in tmp_path.iterdir()] == [several] * 5


def samples(*files: bytes) -> list[float]:
    """Return the audio of segments of one rendition, decoded one after the other."""
    heads = [read_segment(data).head for data in files]
    joined = files[0][: heads[0]] + b"".join(data[head:] for data, head in zip(files, heads, strict=True))
    with av.open(BytesIO(joined)) as container:
        planes = [bytes(frame.planes[0]) for frame in container.decode(audio=0)]
    return [sample for plane in planes for (sample,) in struct.iter_unpack("f", plane)]


@pytest.mark.parametrize("container", ["mp4", "ts"])
def test_a_tone_goes_on_over_the_seam_between_two_runs(binary, hls_clip, tmp_path, make_prober, container):
    # Not from Matroska: its times are whole milliseconds, in which a tone may move.
    film = hls_clip(seconds=5.0, size="160x90", container=container)
    offered = Presentation.of(make_prober().probe(film))
    made = {}
    for segment in (0, 2):
        (folder := tmp_path / str(segment)).mkdir()
        subprocess.run(
            plan_run(binary, offered, offered.audio[0], methods(offered.audio[0])[0], segment, folder).argv,
            check=True,
            timeout=60,
        )
        made |= {(segment, int(file.stem)): file.read_bytes() for file in folder.iterdir()}

    one_run = samples(made[0, 1], made[0, 2])
    two_runs = samples(made[0, 1], made[2, 2])

    assert len(two_runs) == len(one_run)
    # The tone has an amplitude of 1/8; where an encoder begins, it is missing for a frame.
    assert max(one_run) > 0.08
    assert max(abs(one - two) for one, two in zip(one_run, two_runs, strict=True)) < 0.02


@pytest.fixture
def here(tmp_path, monkeypatch):
    """Return the working directory, which is the test's own."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", ["-version", "a%d b'c", "http:x", "фильм", "two\nlines", 'two "quotes"'], ids=ascii)
def test_no_name_of_a_film_or_a_folder_is_read_as_anything_else(binary, hls_clip, here, make_prober, name):
    folder = here / f"{name}-100%d"
    folder.mkdir()
    film = Path(f"{name}.mp4")
    film.write_bytes(hls_clip(seconds=1.0, size="160x90").read_bytes())
    offered = Presentation.of(make_prober().probe(film))

    for rendition in offered.renditions.values():
        into = folder / rendition.id
        into.mkdir()
        subprocess.run(
            plan_run(binary, offered, rendition, methods(rendition)[0], 0, into).argv, check=True, timeout=60
        )
        assert {file.name for file in into.iterdir()} == {"0.m4s", "1.m4s"}
