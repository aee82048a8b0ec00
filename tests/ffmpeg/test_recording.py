"""The segments of a recording, made while it arrives: of every frame one, at its time, whatever is killed."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, field
from fractions import Fraction
from io import BytesIO
from itertools import pairwise

import av
import pytest
from streams import BOUND, H264, SECONDS, SOURCES, VIDEO, VP8, stream

from hls_sessions.ffmpeg import find
from hls_sessions.ffmpeg.workers import RECORD
from hls_sessions.media import AAC_FRAME, AUDIO_RATE, OFFSET, read_segment

MILLISECOND = Fraction(1, 1000)


@pytest.fixture(scope="session")
def arrived(tmp_path_factory):
    """Return a function that returns what a source sends, by its name."""
    folder = tmp_path_factory.mktemp("sources")
    return lambda name: stream(folder, SOURCES[name])


@dataclass
class Made:
    """What a worker has made of a recording."""

    opened: dict = field(default_factory=dict)
    cuts: list[dict] = field(default_factory=list)
    inits: dict[str, bytes] = field(default_factory=dict)
    segments: dict[tuple[str, int], bytes] = field(default_factory=dict)
    why: str | None = None

    def of(self, kind: str) -> dict[int, bytes]:
        return {number: data for (each, number), data in self.segments.items() if each == kind}

    def times(self, kind: str) -> list[Fraction]:
        """When each packet is shown, in the order of showing."""
        whole = self.inits[kind] + b"".join(data for _, data in sorted(self.of(kind).items()))
        return times(whole)


def times(data: bytes) -> list[Fraction]:
    with av.open(BytesIO(data)) as container:
        return sorted(packet.pts * packet.time_base for packet in container.demux() if packet.size)


def sent(data: bytes, kind: str) -> list[Fraction]:
    """When each packet of a source is shown."""
    with av.open(BytesIO(data)) as container:
        [stream] = [each for each in container.streams if each.type == kind]
        return sorted(packet.pts * packet.time_base for packet in container.demux(stream) if packet.size)


@pytest.fixture
def record(hls_shared_workers, tmp_path):
    """Return a function that has a worker make segments of bytes that arrive in chunks."""

    def made(data, *, chunk=10_000, start=None, copies=True, killed_after=None) -> Made:
        path, folder = tmp_path / "part-0", tmp_path / "segments"
        folder.mkdir(exist_ok=True)
        path.write_bytes(b"")
        worker, result = hls_shared_workers[0].start(RECORD), Made()
        worker.send(
            {
                "path": str(path),
                "confined_to": str(folder),
                "demuxer": "mpegts" if data[:1] == b"G" else None,
                "length": "2",
                "start": start,
                "copies": copies,
                "folder": str(folder),
            }
        )
        chunks = [data[at : at + chunk] for at in range(0, len(data), chunk)]
        while result.why is None:
            body, payload = worker.receive(BOUND)
            match body:
                case {"read": read}:
                    assert read == path.stat().st_size
                    if not chunks:
                        worker.send({"ended": True})
                        continue
                    with path.open("ab") as file:
                        file.write(chunks.pop(0))
                    worker.send({"size": path.stat().st_size})
                case {"opened": opened}:
                    result.opened = opened
                case {"cut": cut}:
                    result.cuts.append(cut)
                    at = 0
                    for kind, piece in cut["made"].items():
                        init, at = payload[at : at + piece["init"]], at + piece["init"]
                        assert result.inits.setdefault(kind, init) == init
                        file = folder / f"{kind}-{cut['number']}.m4s"
                        assert file.stat().st_size == piece["size"]
                        result.segments[kind, cut["number"]] = file.read_bytes()
                        file.unlink()
                    if cut["number"] == killed_after:
                        break
                case {"ended": why}:
                    result.why = why or ""
        worker.end()
        return result

    return made


@pytest.mark.parametrize("name", SOURCES)
def test_every_frame_that_arrives_is_there_once_at_its_time(record, arrived, name):
    data = arrived(name)

    made = record(data)

    assert made.why == ""
    assert [cut["number"] for cut in made.cuts] == list(range(len(made.cuts)))
    origin = Fraction(made.cuts[0]["origin"])
    if "video" in made.inits:
        expected = [time - origin + OFFSET for time in sent(data, "video")]
        # The first frame is shown from the beginning on.
        assert made.times("video")[0] == OFFSET
        differences = [abs(ours - theirs) for ours, theirs in zip(made.times("video")[1:], expected[1:], strict=True)]
        assert max(differences) <= MILLISECOND / 10
    if "audio" in made.inits:
        heard = made.times("audio")
        assert heard[0] == OFFSET - Fraction(AAC_FRAME, AUDIO_RATE)
        assert {after - before for before, after in pairwise(heard)} == {Fraction(AAC_FRAME, AUDIO_RATE)}
        assert abs(heard[-1] - OFFSET + origin - sent(data, "audio")[-1]) < Fraction(1, 10)


@pytest.mark.parametrize("name", SOURCES)
def test_each_segment_begins_where_it_is_told_and_with_a_keyframe(record, arrived, name):
    made = record(arrived(name))

    for cut in made.cuts:
        begins = Fraction(cut["begins"]) - Fraction(cut["origin"]) + OFFSET
        for kind in cut["made"]:
            segment = read_segment(made.segments[kind, cut["number"]], made.inits[kind])
            assert segment.starts_with_keyframe
            assert segment.samples == cut["made"][kind]["frames"]
            if kind == "video":
                assert abs(segment.first - begins) <= MILLISECOND / 10
            elif cut["number"]:
                assert 0 <= segment.first - begins < Fraction(AAC_FRAME, AUDIO_RATE)
    assert all(before["ends"] == after["begins"] for before, after in pairwise(made.cuts))


@pytest.mark.parametrize("name", SOURCES)
def test_a_worker_that_was_killed_is_followed_by_one_that_makes_the_same(record, arrived, name):
    data = arrived(name)
    whole = record(data)

    first = record(data, killed_after=0)
    again = record(data, start={"number": 1, "origin": whole.cuts[0]["origin"], "begins": first.cuts[0]["ends"]})

    cut_at = [[(cut["begins"], cut["ends"]) for cut in made.cuts] for made in (again, whole)]
    assert cut_at[0][:-1] == cut_at[1][1:-1]
    for (kind, number), data in again.segments.items():
        init = whole.inits[kind]
        last = number == whole.cuts[-1]["number"]
        ours, theirs = times(init + data), times(init + whole.segments[kind, number])
        assert again.inits[kind] == init
        assert ours[: len(ours) - 4 * last] == theirs[: len(ours) - 4 * last]
    assert [cut["number"] for cut in first.cuts + again.cuts] == [cut["number"] for cut in whole.cuts]


@pytest.mark.parametrize("chunk", [17, 10**7], ids=["a few bytes at a time", "all at once"])
def test_it_does_not_matter_in_what_chunks_it_arrives(record, arrived, chunk):
    data = arrived("H.264 and AAC in Matroska")

    assert record(data, chunk=chunk).segments == record(data).segments


def test_a_segment_is_there_as_soon_as_the_next_has_begun(record, arrived):
    data = arrived("H.264 and AAC in Matroska")
    whole = record(data)

    half = record(data[: len(data) // 2], killed_after=0)

    assert half.segments == {key: value for key, value in whole.segments.items() if key[1] == 0}


def test_what_is_cut_off_anywhere_has_all_frames_that_are_whole(record, arrived):
    data = arrived("VP8 and Opus in WebM")
    for share in (0.3, 0.62):
        part = data[: int(len(data) * share)]
        made = record(part)
        assert len(made.times("video")) >= len(sent(part, "video")) - 1


def test_video_can_be_encoded_though_it_could_be_copied(record, arrived):
    data = arrived("H.264 and AAC in Matroska")

    copied, encoded = record(data), record(data, copies=False)

    assert encoded.times("video") == copied.times("video")
    assert encoded.inits["video"] != copied.inits["video"]


@pytest.mark.parametrize(
    "data",
    [b"", b"\0" * 100_000, b"<html>" * 1000, b"#EXTM3U\n#EXTINF:2,\nfile:///etc/passwd\n", b"\x1aE\xdf\xa3"],
    ids=["nothing", "zeros", "a page", "a playlist", "the beginning of a header"],
)
def test_what_is_no_media_is_refused_with_a_reason(record, data):
    made = record(data)

    assert made.why
    assert made.segments == {}


def test_a_header_alone_makes_nothing(record, arrived):
    data = arrived("VP8 and Opus in WebM")

    made = record(data[: data.index(b"\x1fC\xb6u")])

    assert made.why == "it has ended before anything could be shown"
    assert made.segments == {}


def test_video_that_changes_its_size_goes_on_in_the_size_that_it_had(record, arrived, tmp_path):
    other = tmp_path / "other.webm"
    larger = ("-f", "lavfi", "-i", "testsrc2=size=320x180:rate=20:duration=3")
    subprocess.run([find(), "-v", "error", *larger, *VP8, "-f", "webm", other], check=True, timeout=BOUND)
    both = tmp_path / "both.mkv"
    small = BytesIO(arrived("VP8 in WebM"))
    with av.open(small) as one, av.open(str(other)) as two, av.open(str(both), "w", format="matroska") as muxer:
        track = muxer.add_stream_from_template(one.streams.video[0])
        for shift, container in ((0, one), (SECONDS * 1000, two)):
            for packet in container.demux(container.streams.video[0]):
                if packet.size:
                    packet.pts, packet.dts, packet.stream = packet.pts + shift, packet.pts + shift, track
                    muxer.mux(packet)

    made = record(both.read_bytes())

    assert made.why == ""
    assert len(made.times("video")) == 20 * (SECONDS + 3)


@pytest.mark.parametrize("copies", [True, False], ids=["copied", "encoded"])
def test_of_two_frames_at_one_time_the_second_is_shown_a_tick_later(record, tmp_path, copies):
    still = (*VIDEO, *H264, "-bf", "0", "-f", "mp4", str(tmp_path / "source.mp4"))
    subprocess.run([find(), "-v", "error", *still], check=True, timeout=BOUND)
    sent = tmp_path / "sent.mkv"
    with av.open(str(tmp_path / "source.mp4")) as source, av.open(str(sent), "w", format="matroska") as muxer:
        track, before = muxer.add_stream_from_template(source.streams.video[0]), 0
        for number, packet in enumerate(source.demux(video=0)):
            if packet.size:
                at = before if number == 50 else packet.pts
                packet.pts = packet.dts = before = at
                packet.stream = track
                muxer.mux(packet)

    made = record(sent.read_bytes(), copies=copies)

    assert made.why == ""
    shown = made.times("video")
    assert len(shown) == 20 * SECONDS
    assert 0 < shown[50] - shown[49] <= 2 * MILLISECOND
