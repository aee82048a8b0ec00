"""The segments of a recording, made while it arrives: of every frame one, at its time, whatever is killed."""

from __future__ import annotations

import subprocess
from array import array
from dataclasses import dataclass, field
from fractions import Fraction
from io import BytesIO
from itertools import pairwise
from typing import TYPE_CHECKING

import av
import pytest
from streams import AUDIO, BOUND, ENCODED, H264, SECONDS, SOURCES, VIDEO, VP8, stream

from hls_sessions.ffmpeg import find
from hls_sessions.ffmpeg.workers import RECORD
from hls_sessions.media import AAC_FRAME, AUDIO_RATE, OFFSET, read_segment

if TYPE_CHECKING:
    from pathlib import Path

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
    parts: dict[tuple[str, int, int], bytes] = field(default_factory=dict)
    why: str | None = None

    def take(self, cut: dict, payload: bytes, folder: Path) -> None:
        """Take over what a worker has made."""
        self.cuts.append(cut)
        at = 0
        for kind, piece in cut["made"].items():
            init, at = payload[at : at + piece["init"]], at + piece["init"]
            assert self.inits.setdefault(kind, init) == init
            part = folder / f"{kind}-{cut['number']}.{cut['part']}.m4s"
            if part.exists():
                assert part.stat().st_size == piece["size"]
                self.parts[kind, cut["number"], cut["part"]] = part.read_bytes()
        for kind, size in cut["sizes"].items() if cut["closes"] else ():
            file = folder / f"{kind}-{cut['number']}.m4s"
            assert file.stat().st_size == size
            self.segments[kind, cut["number"]] = file.read_bytes()
            file.unlink()

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


def loudness(made: Made, begins: float, ends: float) -> list[float]:
    """The loudest sample of each frame of audio between two times."""
    audio = made.inits["audio"] + b"".join(data for _, data in sorted(made.of("audio").items()))
    with av.open(BytesIO(audio)) as container:
        frames = [frame for frame in container.decode(audio=0) if begins < frame.time - OFFSET < ends]
        return [max(map(abs, array("f", bytes(frame.planes[0])))) for frame in frames]


@pytest.fixture
def record(hls_shared_workers, tmp_path):
    """Return a function that has a worker make segments of bytes that arrive in chunks."""

    def made(data, *, chunk=10_000, start=None, part_length=None, copies=True, killed_after=None) -> Made:
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
                "part_length": part_length,
                "start": start and {"kinds": ["video", "audio"], **start},
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
                    result.take(cut, payload, folder)
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


HALF = Fraction(1, 2)


@pytest.mark.parametrize("name", SOURCES)
def test_a_segment_is_its_parts_one_after_another(record, arrived, name):
    data = arrived(name)
    whole = record(data)

    made = record(data, part_length="1/2")

    for (kind, number), segment in made.segments.items():
        parts = [part for (each, of, _), part in sorted(made.parts.items()) if (each, of) == (kind, number)]
        assert b"".join(parts) == segment
        assert len(parts) > 1 or number == whole.cuts[-1]["number"]
    assert {kind: made.times(kind) for kind in made.inits} == {kind: whole.times(kind) for kind in whole.inits}
    closing = [(cut["number"], cut["ends"]) for cut in made.cuts if cut["closes"]]
    assert closing == [(cut["number"], cut["ends"]) for cut in whole.cuts]


@pytest.mark.parametrize("name", SOURCES)
def test_parts_are_half_a_second_long_and_begin_where_they_are_told(record, arrived, name):
    made = record(arrived(name), part_length="1/2")

    assert all(before["ends"] == after["begins"] for before, after in pairwise(made.cuts))
    for cut in made.cuts[:-1]:
        length = Fraction(cut["ends"]) - Fraction(cut["begins"])
        assert 0 < length <= HALF
        assert length >= HALF * Fraction(85, 100) or cut["closes"]
    for cut in made.cuts:
        assert [cut["part"] == 0] == [cut["begins"] in {"0", cut["origin"]} or _closes_before(made, cut)]
        for kind, piece in cut["made"].items():
            part = read_segment(made.parts[kind, cut["number"], cut["part"]], made.inits[kind])
            assert part.starts_with_keyframe == piece["opens"]
            assert piece["opens"] or kind == "video"
            begins = Fraction(cut["begins"]) - Fraction(cut["origin"]) + OFFSET
            assert abs(part.first - begins) < Fraction(3, 20)  # frames of B-frames are decoded before they are shown


def _closes_before(made, cut) -> bool:
    return made.cuts[made.cuts.index(cut) - 1]["closes"]


def test_where_a_frame_lasts_longer_than_a_part_may_there_is_a_part_without_any(record, tmp_path):
    slow = (
        "-f",
        "lavfi",
        "-i",
        "testsrc2=size=128x72:rate=1:duration=9",
        *H264,
        "-bf",
        "0",
        "-g",
        "2",
        "-f",
        "matroska",
    )
    subprocess.run([find(), "-v", "error", *slow, tmp_path / "slow.mkv"], check=True, timeout=BOUND)

    made = record((tmp_path / "slow.mkv").read_bytes(), part_length="1/2")

    lengths = {Fraction(cut["ends"]) - Fraction(cut["begins"]) for cut in made.cuts}
    assert lengths == {HALF}
    assert [len(cut["made"]) for cut in made.cuts] == [1, 0] * 9
    assert len(made.times("video")) == 9


def test_parts_of_video_that_cannot_be_copied_any_further_stay_and_it_goes_on_encoded(record, arrived, tmp_path):
    rare = (*VIDEO, *ENCODED, "-bf", "0", "-g", "250", "-f", "matroska")
    subprocess.run([find(), "-v", "error", *rare, tmp_path / "rare.mkv"], check=True, timeout=BOUND)
    data = (tmp_path / "rare.mkv").read_bytes()

    copied = record(data, part_length="1/2")
    start = {"number": 1, "origin": copied.cuts[0]["origin"], "begins": copied.cuts[-1]["ends"]}
    encoded = record(data, part_length="1/2", start=start, copies=False)

    assert "keyframes" in copied.why
    assert copied.cuts[-1]["closes"]
    assert {cut["number"] for cut in copied.cuts} == {0}
    assert len(copied.times("video")) + len(encoded.times("video")) == 20 * SECONDS
    assert encoded.times("video")[0] - copied.times("video")[-1] == Fraction(1, 20)


@pytest.mark.parametrize("part_length", [None, "1/2"], ids=["whole segments", "parts"])
def test_a_picture_on_which_nothing_happens_goes_on_beside_its_sound(record, tmp_path, part_length):
    # As of a screen: a frame comes when something changes.
    still = ("-f", "lavfi", "-i", "testsrc2=size=128x72:rate=10:duration=12", "-vf", r"select=lt(t\,1)+gt(t\,11)")
    sound = ("-f", "lavfi", "-i", "sine=duration=12", "-c:a", "libopus", "-fps_mode", "passthrough")
    command = [find(), "-v", "error", *still[:4], *sound[:4], *still[4:], *VP8, *sound[4:], "-f", "webm"]
    subprocess.run([*command, tmp_path / "still.webm"], check=True, timeout=BOUND)

    made = record((tmp_path / "still.webm").read_bytes(), part_length=part_length)

    assert made.why == ""
    assert max(Fraction(cut["ends"]) - Fraction(cut["begins"]) for cut in made.cuts) <= 4
    shown = made.times("video")
    assert max(after - before for before, after in pairwise(shown)) <= 1
    assert all(made.segments[kind, number] for kind, number in made.segments)
    last = made.cuts[-2]
    begins = Fraction(last["begins"])
    again = record(
        (tmp_path / "still.webm").read_bytes(),
        part_length=part_length,
        start={"number": last["number"], "origin": last["origin"], "begins": str(begins)},
    )
    if part_length is None:
        whole = made.inits["video"] + made.segments["video", last["number"]]
        assert times(made.inits["video"] + again.segments["video", last["number"]]) == times(whole)


def test_copied_video_that_stands_still_goes_on_encoded(record, tmp_path):
    still = ("-f", "lavfi", "-i", "testsrc2=size=128x72:rate=10:duration=12", "-f", "lavfi", "-i", "sine=duration=12")
    video = ("-vf", r"select=lt(t\,1)+gt(t\,11)", *H264, "-fps_mode", "passthrough", "-c:a", "libopus")
    subprocess.run(
        [find(), "-v", "error", *still, *video, "-f", "matroska", tmp_path / "still.mkv"], check=True, timeout=BOUND
    )

    made = record((tmp_path / "still.mkv").read_bytes())

    assert "keyframes" in made.why
    assert made.segments == {}


@pytest.mark.parametrize("part_length", [None, "1/2"], ids=["whole segments", "parts"])
def test_sound_that_stops_is_silent_while_the_picture_goes_on(record, tmp_path, part_length):
    short = ("-f", "lavfi", "-i", "sine=duration=2")
    long = ("-f", "lavfi", "-i", "testsrc2=size=128x72:rate=20:duration=12", *H264, "-c:a", "aac", "-f", "matroska")
    subprocess.run([find(), "-v", "error", *short, *long, tmp_path / "short.mkv"], check=True, timeout=BOUND)

    made = record((tmp_path / "short.mkv").read_bytes(), part_length=part_length)

    heard = made.times("audio")
    assert {after - before for before, after in pairwise(heard)} == {Fraction(AAC_FRAME, AUDIO_RATE)}
    assert heard[-1] >= 10
    assert max(loudness(made, 3, 12)) < 1e-3


def test_fragments_longer_than_a_segment_lose_no_sound(record, tmp_path):
    # One track after the other in each fragment, four seconds of each.
    command = (*VIDEO, *AUDIO, *ENCODED, "-bf", "0", "-g", "80", "-c:a", "aac")
    fragments = ("-f", "mp4", "-movflags", "+frag_keyframe+empty_moov+default_base_moof", tmp_path / "long.mp4")
    subprocess.run([find(), "-v", "error", *command, *fragments], check=True, timeout=BOUND)
    data = (tmp_path / "long.mp4").read_bytes()

    made = record(data)

    assert len(made.times("video")) == len(sent(data, "video"))
    assert min(loudness(made, 1, SECONDS - 1)) > 0.01


@pytest.mark.parametrize("part_length", [None, "1/2"], ids=["whole segments", "parts"])
@pytest.mark.parametrize("late", [1, 3, 6], ids="{} s".format)
def test_a_picture_that_comes_late_is_shown_and_its_sound_is_beside_it(record, tmp_path, late, part_length):
    command = ("-itsoffset", str(late), *VIDEO, *AUDIO, *H264, "-c:a", "aac", "-f", "matroska", tmp_path / "late.mkv")
    subprocess.run([find(), "-v", "error", *command], check=True, timeout=BOUND)

    data = (tmp_path / "late.mkv").read_bytes()

    made = record(data, part_length=part_length)

    assert len(made.times("video")) == 20 * SECONDS
    assert all({kind for kind, size in cut["sizes"].items() if size} == {"video", "audio"} for cut in made.cuts)
    assert max(Fraction(cut["ends"]) - Fraction(cut["begins"]) for cut in made.cuts) <= 4
    begins = Fraction(made.cuts[0]["begins"])
    assert begins == sent(data, "audio" if late == 1 else "video")[0]
    assert made.times("video")[1] - OFFSET + begins == sent(data, "video")[1]
    assert min(loudness(made, 1.5, 3)) > 0.01 or late == 6


def test_sound_is_shown_alone_where_the_picture_never_comes(record, arrived, tmp_path):
    sound, path = ("-f", "lavfi", "-i", f"sine=duration={2 * SECONDS}"), tmp_path / "blind.mkv"
    # Of a picture that begins after the end of the sound, nothing comes.
    command = (
        *sound,
        "-itsoffset",
        "100",
        *VIDEO,
        "-map",
        "1",
        "-map",
        "0",
        *H264,
        "-c:a",
        "aac",
        "-f",
        "matroska",
        path,
    )
    subprocess.run([find(), "-v", "error", *command], check=True, timeout=BOUND)
    data = path.read_bytes()
    data = data[: data.rindex(b"\x1fC\xb6u")]

    made = record(data)
    again = record(data, start={"number": 2, "origin": "0", "begins": made.cuts[2]["begins"], "kinds": ["audio"]})

    assert set(made.inits) == {"audio"}
    assert made.times("audio")[-1] > 2 * SECONDS - 1
    assert len(made.cuts) > 5
    assert set(again.inits) == {"audio"}
    ours, theirs = (times(made.inits["audio"] + each.segments["audio", 2]) for each in (again, made))
    assert ours == theirs


def test_sound_that_comes_late_is_silent_before(record, tmp_path):
    sound = ("-itsoffset", "3", "-f", "lavfi", "-i", f"sine=duration={SECONDS - 3}")
    command = (*VIDEO, *sound, *H264, "-c:a", "aac", "-f", "matroska", tmp_path / "late.mkv")
    subprocess.run([find(), "-v", "error", *command], check=True, timeout=BOUND)

    made = record((tmp_path / "late.mkv").read_bytes())

    assert len(made.times("video")) == 20 * SECONDS
    assert max(loudness(made, 0.5, 2.8)) < 0.01 < min(loudness(made, 3.2, SECONDS))


# ---- streams as sources really send them

JOINED = ("-f", "lavfi", "-i", f"testsrc2=size=128x72:rate=20:duration={SECONDS}", *AUDIO, *H264, "-c:a", "aac")
BOTH = [pytest.param(None, id="whole segments"), pytest.param("1/2", id="parts")]


@pytest.fixture(scope="session")
def sends(tmp_path_factory):
    """Return a function that returns what ffmpeg writes to a pipe."""
    folder = tmp_path_factory.mktemp("sent")

    def sends(*options) -> bytes:
        path = folder / str(abs(hash(options)))
        if not path.exists():
            subprocess.run([find(), "-v", "error", *options, path], check=True, timeout=BOUND)
        return path.read_bytes()

    return sends


def judged(made, frames) -> None:
    """See that all frames are there, that segments are as long as players are told, and follow one another."""
    assert made.why == ""
    assert len(made.times("video")) == frames
    lengths = [Fraction(cut["ends"]) - Fraction(cut["begins"]) for cut in made.cuts]
    assert all(0 < length < Fraction(9, 2) for length in lengths)
    assert all(before["ends"] == after["begins"] for before, after in pairwise(made.cuts))
    shown = made.times("video")
    assert max(after - before for before, after in pairwise(shown)) < 1
    assert min(after - before for before, after in pairwise(shown)) > 0
    assert abs(sum(lengths) - (shown[-1] - shown[0])) < Fraction(1, 2)
    if "audio" in made.inits:
        heard = made.times("audio")
        assert {after - before for before, after in pairwise(heard)} == {Fraction(AAC_FRAME, AUDIO_RATE)}
        assert abs(heard[-1] - shown[-1]) < Fraction(1, 4)
    assert all(size for cut in made.cuts if cut["closes"] for size in cut["sizes"].values())


@pytest.mark.parametrize("part_length", BOTH)
@pytest.mark.parametrize("offset", [18, 3600, 10_800, -12], ids="{} s".format)
def test_a_clock_that_jumps_goes_on_where_it_was(record, sends, offset, part_length):
    before = sends(*JOINED, "-output_ts_offset", "20", "-f", "mpegts")
    after = sends(*JOINED, "-output_ts_offset", str(20 + offset + (SECONDS if offset > 0 else 0)), "-f", "mpegts")

    judged(record(before + after, part_length=part_length), 2 * 20 * SECONDS)


def test_a_stream_that_comes_again_from_its_beginning_goes_on(record, sends):
    data = sends(*JOINED, "-f", "mpegts")

    judged(record(data + data), 2 * 20 * SECONDS)


def test_a_counter_that_begins_anew_is_no_jump(record, sends):
    # After 2**33 ticks of 90 kHz.
    judged(record(sends(*JOINED, "-output_ts_offset", "95440", "-f", "mpegts")), 20 * SECONDS)


@pytest.mark.parametrize("part_length", BOTH)
def test_a_stream_that_is_joined_long_before_a_keyframe_begins_with_that(record, sends, part_length):
    data = sends(*VIDEO, *AUDIO, *ENCODED, "-bf", "0", "-g", "60", "-c:a", "aac", "-f", "mpegts")
    packets = len(data) // 188

    made = record(data[188 * (packets // 20) :], part_length=part_length)

    judged(made, 20 * SECONDS - 60)


@pytest.mark.parametrize("part_length", BOTH)
@pytest.mark.parametrize("gop", [39, 76], ids="keyframes every {} frames".format)
def test_video_whose_keyframes_are_within_four_seconds_is_copied(record, sends, gop, part_length):
    data = sends(*VIDEO, *ENCODED, "-bf", "0", "-g", str(gop), "-sc_threshold", "0", "-f", "matroska")

    made = record(data, part_length=part_length)

    judged(made, 20 * SECONDS)
    assert all(cut["copied"] for cut in made.cuts)


@pytest.mark.parametrize("part_length", BOTH)
def test_the_last_frame_is_there_also_where_a_segment_begins_with_it(record, sends, part_length):
    # Segments of VP8 begin when they are due: after 1, 3 and 5 seconds.
    data = sends("-f", "lavfi", "-i", "testsrc2=size=128x72:rate=20:duration=5.05", *VP8, "-f", "webm")

    judged(record(data, part_length=part_length), 101)


@pytest.mark.parametrize("part_length", BOTH)
def test_a_short_end_without_sound_is_no_segment_of_its_own(record, sends, part_length):
    picture = ("-f", "lavfi", "-i", "testsrc2=size=128x72:rate=20:duration=5.05")
    sound = ("-f", "lavfi", "-i", "sine=duration=4.99:sample_rate=48000")
    data = sends(*picture, *sound, *VP8, "-c:a", "libopus", "-f", "webm")

    made = record(data, part_length=part_length)

    assert len(made.times("video")) == 101
    assert all(size for cut in made.cuts if cut["closes"] for size in cut["sizes"].values())


@pytest.mark.parametrize("part_length", BOTH)
def test_a_hole_in_the_picture_is_filled_by_the_frame_before_it(record, sends, part_length):
    # Of a stream of a frame in three seconds, and a keyframe in six.
    slow = ("-f", "lavfi", "-i", "testsrc2=size=128x72:rate=1/3:duration=24", "-f", "lavfi", "-i", "sine=duration=24")
    data = sends(*slow, *ENCODED, "-g", "2", "-c:a", "aac", "-f", "matroska")

    copied = record(data, part_length=part_length)

    if part_length is None:
        assert (copied.why, copied.segments) == ("its keyframes are more than 4 seconds apart", {})
    else:
        [cut] = [cut for cut in copied.cuts if cut["closes"]]
        assert Fraction(cut["ends"]) - Fraction(copied.cuts[0]["begins"]) == 4
        video = read_segment(copied.segments["video", 0], copied.inits["video"])
        assert abs(video.end - OFFSET - 4) < Fraction(1, 20)


@pytest.mark.parametrize("part_length", BOTH)
@pytest.mark.parametrize(("video", "audio"), [(7, 6), (6, 7)], ids=["the sound ends first", "the picture ends first"])
def test_at_the_end_all_tracks_are_as_long_as_the_longest(record, sends, video, audio, part_length):
    inputs = ("-f", "lavfi", "-i", f"testsrc2=size=128x72:rate=20:duration={video}")
    sound = ("-f", "lavfi", "-i", f"sine=duration={audio}:sample_rate=48000")
    data = sends(*inputs, *sound, *H264, "-bf", "0", "-c:a", "aac", "-f", "matroska")

    made = record(data, part_length=part_length)

    assert made.why == ""
    assert len(made.times("video")) == 20 * video
    assert abs(made.times("audio")[-1] - OFFSET - 7) < Fraction(1, 10)
    assert abs(Fraction(made.cuts[-1]["ends"]) - 7) < Fraction(1, 10)
    if part_length is not None:
        assert max(Fraction(cut["ends"]) - Fraction(cut["begins"]) for cut in made.cuts) <= HALF
    assert all(size for cut in made.cuts if cut["closes"] for size in cut["sizes"].values())


def test_frames_that_are_reordered_unevenly_are_in_the_same_parts_whoever_makes_them(record, sends):
    uneven = ("-vf", r"settb=1/1000,setpts='PTS+floor(N/7)*37'", "-fps_mode", "passthrough", "-enc_time_base", "1:1000")
    data = sends(*VIDEO, *H264, "-bf", "3", *uneven, "-f", "matroska")
    whole = record(data, part_length="1/2")
    begins = next(cut["begins"] for cut in whole.cuts if cut["number"] == 1)

    again = record(data, part_length="1/2", start={"number": 1, "origin": whole.cuts[0]["origin"], "begins": begins})

    cut_at = [[(cut["begins"], cut["ends"]) for cut in made.cuts if cut["number"]] for made in (whole, again)]
    assert cut_at[0] == cut_at[1]


@pytest.mark.parametrize("pixels", ["yuv420p10le", "yuv444p"])
def test_h_264_that_not_every_player_takes_is_encoded(record, sends, pixels):
    data = sends(*VIDEO, "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", pixels, "-g", "20", "-f", "matroska")

    made = record(data)

    judged(made, 20 * SECONDS)
    assert not any(cut["copied"] for cut in made.cuts)


def test_encoded_video_keeps_the_shape_of_its_pixels(record, sends):
    made = record(sends(*VIDEO, "-vf", "setsar=4/3", *VP8, "-f", "webm"))

    with av.open(BytesIO(made.inits["video"] + made.segments["video", 0])) as container:
        # WebM tells how many whole pixels wide it is shown.
        assert abs(container.streams.video[0].sample_aspect_ratio - Fraction(4, 3)) < Fraction(1, 100)
