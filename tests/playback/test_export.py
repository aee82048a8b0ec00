"""The whole film as one file: every frame and every sound at its time, and nobody is kept waiting for it."""

from __future__ import annotations

import subprocess
from fractions import Fraction
from itertools import pairwise

import av
import judge
import pytest
from boxes import box

from hls_sessions.errors import (
    EncoderFailed,
    ExportChanged,
    RenditionNotFound,
    SegmentImpossible,
    SessionEnded,
    Unavailable,
)
from hls_sessions.ffmpeg import find
from hls_sessions.session import Export, select
from hls_sessions.testing import Clip, failing_ffmpeg, make

ONE_FFMPEG = True
BOUND = 60
CODECS = ["-c:v", "libx264", "-pix_fmt", "yuv420p", "-c:a", "aac"]

TALK = """1
00:00:01,000 --> 00:00:03,500
Hello <i>there</i> & you

2
00:00:03,000 --> 00:00:05,000
Second line
"""

CHAPTERS = """;FFMETADATA1
[CHAPTER]
TIMEBASE=1/1000
START=0
END=4000
title=Beginning ü
[CHAPTER]
TIMEBASE=1/1000
START=4000
END=8000
title=End
"""


def drain(steps, most=None):
    """Read a file as far as it goes, or to so many bytes."""
    data = bytearray()
    for step in steps:
        if isinstance(step, bytes):
            data += step
            if most is not None and len(data) >= most:
                steps.close()
                return bytes(data[:most])
        else:
            step._wait(BOUND)
    return bytes(data)


def made_anew(session):
    """Have the segments on disk be as if others had been made in their place: with the same frames, in other bytes."""
    for rendition in session.presentation.renditions:
        for first, last in session.made(rendition):
            for number in range(first, last + 1):
                with session.file_of(rendition, number).open("ab") as file:
                    file.write(box(b"free"))


def times(path, kind):
    """Return when each packet is shown or heard, as players do: the edit lists count."""
    with av.open(str(path)) as container:
        stream = container.streams.get(**{kind: 0})[0]
        packets = (packet for packet in container.demux(stream) if packet.pts is not None)
        return sorted(packet.pts * stream.time_base for packet in packets)


@pytest.fixture
def supervisor(hls_supervisor):
    return hls_supervisor()


FILMS = {
    "encoded": Clip(seconds=7.3, size="160x90"),
    "copied": Clip(seconds=7.3, size="160x90", pixels="yuv420p"),
    "with an odd frame rate": Clip(seconds=6, size="160x90", rate="30000/1001", container="mkv"),
    "silent": Clip(seconds=5, size="160x90", audio=None),
    "sound alone": Clip(seconds=5, video=None),
    "longer sound": Clip(seconds=4, size="160x90", audio_seconds=6.5),
}


@pytest.mark.parametrize("clip", FILMS.values(), ids=FILMS.keys())
def test_every_frame_is_there_once_at_its_time(supervisor, hls_clip_folder, tmp_path, clip):
    film = make(clip, hls_clip_folder)

    exported = supervisor.open(film).export(tmp_path / "film.mp4")

    if clip.video:
        found, source = times(exported, "video"), judge.shown_times(film)
        assert judge.worst_deviation(found[: len(source)], source) <= judge.MILLISECOND
        held = found[len(source) :]  # the last frame once more, where the sound is longer
        assert len(held) <= 1
    if clip.audio:
        heard = times(exported, "audio")
        assert judge.is_increasing(heard)
        longest = max(after - before for before, after in pairwise(heard))
        assert longest <= Fraction(1024, 44_100) + judge.MILLISECOND
    data = subprocess.run(
        [find(), "-v", "error", "-i", exported, "-f", "null", "-"], check=True, capture_output=True, timeout=BOUND
    )
    assert data.stderr == b""


@pytest.mark.parametrize("pixels", ["yuv422p", "yuv420p"], ids=["encoded", "copied"])
def test_picture_and_sound_are_in_step(supervisor, hls_clip_folder, tmp_path, pixels):
    film = hls_clip_folder / f"step-{pixels}.mkv"
    # A white frame and a click at every full second but the first.
    picture = "color=black:s=160x90:r=25:d=6,drawbox=c=white:t=fill:enable='gte(t,1)*lt(mod(n,25),1)'"
    sound = "aevalsrc='0.8*sin(880*PI*t)*gte(t,1)*lt(mod(t,1),0.02)':s=48000:d=6"
    subprocess.run(
        [
            find(),
            "-v",
            "error",
            "-y",
            "-f",
            "lavfi",
            "-i",
            picture,
            "-f",
            "lavfi",
            "-i",
            sound,
            *CODECS,
            "-pix_fmt",
            pixels,
            str(film),
        ],
        check=True,
        timeout=BOUND,
    )

    exported = supervisor.open(film).export(tmp_path / "film.mp4")

    seen, (clicks, _) = judge.flashes(str(exported)), judge.hear(str(exported))
    of_film, (clicks_of_film, _) = judge.flashes(str(film)), judge.hear(str(film))
    assert len(seen) == len(clicks) == 5
    late = [click - flash for click, flash in zip(clicks, seen, strict=True)]
    late_in_film = [click - flash for click, flash in zip(clicks_of_film, of_film, strict=True)]
    assert judge.worst_difference(late, late_in_film) <= Fraction(2, 1000)


@pytest.fixture
def talk(hls_clip_folder):
    """A film of eight seconds with two languages, subtitles and chapters."""
    film = hls_clip_folder / "export.mkv"
    if not film.exists():
        for name, text in {"export.srt": TALK, "export.txt": CHAPTERS}.items():
            (hls_clip_folder / name).write_text(text)
        sources = ["testsrc2=size=160x90:rate=10", "sine=440", "sine=880"]
        inputs = [word for source in sources for word in ("-f", "lavfi", "-t", "8", "-i", source)]
        inputs += [word for name in ("export.srt", "export.txt") for word in ("-i", str(hls_clip_folder / name))]
        maps = [word for number in range(4) for word in ("-map", str(number))]
        languages = [
            "-metadata:s:a:0",
            "language=eng",
            "-metadata:s:a:1",
            "language=de",
            "-metadata:s:s:0",
            "language=eng",
        ]
        subprocess.run(
            [find(), "-v", "error", "-y", *inputs, *maps, "-map_metadata", "4", *languages, *CODECS, str(film)],
            check=True,
            timeout=BOUND,
        )
    return film


def test_chapters_and_subtitles_are_inside(supervisor, talk, tmp_path):
    session = supervisor.open(talk)
    exported = session.export(tmp_path / "film.mp4", audio=["audio-1", "audio-0"])

    with av.open(str(exported)) as container:
        assert [stream.language for stream in container.streams.audio] == ["deu", "eng"]
        assert [stream.codec_context.name for stream in container.streams.subtitles] == ["mov_text"]
        chapters = [(c["start"] * c["time_base"], c["metadata"]["title"]) for c in container.chapters()]
        texts = [
            (packet.pts * packet.time_base, bytes(packet)[2:].decode())
            for packet in container.demux(container.streams.subtitles[0])
            if packet.size > 2
        ]
    assert chapters == [(0, "Beginning ü"), (4, "End")]
    with av.open(str(talk)) as container:  # in which everything comes later, because sound begins before zero
        said = min(packet.pts * packet.time_base for packet in container.demux(subtitles=0) if packet.pts is not None)
    begins = session.presentation.timeline.origin - said + 1
    assert [text for _, text in texts] == ["Hello there & you", "Hello there & you\nSecond line", "Second line"]
    assert [time + begins for time, _ in texts] == [1, 3, Fraction(7, 2)]


def test_it_holds_what_is_chosen(supervisor, talk, tmp_path):
    session = supervisor.open(talk)

    exported = session.export(tmp_path / "sound.mp4", rendition="none", audio=["audio-1"], subtitles=["none"])

    with av.open(str(exported)) as container:
        assert [stream.type for stream in container.streams if stream.type != "data"] == ["audio"]
    for wrong in ({"rendition": "audio-0"}, {"audio": ["video-90p"]}, {"rendition": "none", "audio": ["none"]}):
        with pytest.raises(RenditionNotFound):
            session.export(tmp_path / "nothing.mp4", **wrong)
    assert [path.name for path in tmp_path.glob("*.mp4*")] == ["sound.mp4"]


def test_what_is_on_disk_is_not_made_again(supervisor, hls_clip, tmp_path):
    session = supervisor.open(hls_clip(seconds=7.3, size="160x90"))
    session.export(tmp_path / "first.mp4")
    made = session.ask_peek().get(BOUND).segments_made
    told = []

    session.export(tmp_path / "second.mp4", on_progress=told.append)

    assert session.ask_peek().get(BOUND).segments_made == made
    assert (tmp_path / "first.mp4").read_bytes() == (tmp_path / "second.mp4").read_bytes()
    assert told == sorted(told)
    assert told[-1] == 1


def test_one_that_breaks_off_goes_on_where_it_was(supervisor, hls_clip):
    session = supervisor.open(hls_clip(seconds=7.3, size="160x90"))
    export = Export(session, select(session))
    begun = drain(export.read(), 40_000)

    rest = drain(export.read(len(begun)))

    assert export.size == len(begun + rest)
    assert drain(export.read()) == begun + rest
    assert drain(export.read(100)) == (begun + rest)[100:]


def test_one_that_breaks_off_goes_on_though_the_segments_were_made_anew_meanwhile(supervisor, hls_clip, tmp_path):
    film = hls_clip(seconds=7.3, size="160x90")
    session = supervisor.open(film)
    export = Export(session, select(session))
    received = drain(export.read(), 40_000)
    for most in (60_000, None):
        made_anew(session)
        received += drain(export.read(len(received)), most)

    (tmp_path / "film.mp4").write_bytes(received)

    assert export.size == len(received)
    assert judge.worst_deviation(times(tmp_path / "film.mp4", "video"), judge.shown_times(film)) <= judge.MILLISECOND
    assert judge.is_increasing(times(tmp_path / "film.mp4", "audio"))


def test_a_whole_one_whose_segments_were_made_anew_says_so_and_is_made_anew_too(supervisor, hls_clip):
    session = supervisor.open(hls_clip(seconds=7.3, size="160x90"))
    export = Export(session, select(session))
    drain(export.read())
    made_anew(session)

    with pytest.raises(ExportChanged):
        drain(export.read())

    assert export.size is None
    assert len(drain(export.read())) == export.size


def test_a_reader_whose_file_another_goes_on_with_is_told_so(supervisor, hls_clip):
    session = supervisor.open(hls_clip(seconds=7.3, size="160x90"))
    export = Export(session, select(session))
    first = export.read()
    begun = next(first)

    rest = drain(export.read(len(begun)))

    with pytest.raises(Unavailable, match="Another reader"):
        drain(first)
    assert export.size == len(begun + rest)


def test_a_film_of_which_nothing_can_be_made_is_not_exported(hls_supervisor, hls_clip, tmp_path):
    supervisor = hls_supervisor(ffmpeg=str(failing_ffmpeg(tmp_path)))
    session = supervisor.open(hls_clip(seconds=2, size="160x90", audio=None))

    with pytest.raises((EncoderFailed, SegmentImpossible, SessionEnded)):
        session.export(tmp_path / "film.mp4")

    assert list(tmp_path.glob("*.mp4*")) == []


def test_an_encoder_that_works_for_nobody_is_ended(supervisor, hls_clip, until):
    session = supervisor.open(hls_clip(seconds=60, size="640x360"))
    drain(Export(session, select(session)).read(), 10_000)

    until(lambda: session.ask_peek().get(BOUND).runs == ())


def test_viewers_come_first(hls_supervisor, hls_clip, slow_ffmpeg, until):
    supervisor = hls_supervisor(ffmpeg=str(slow_ffmpeg))
    film = hls_clip(seconds=60, size="160x90", audio=None)
    exported, watched = supervisor.open(film), supervisor.open(film)
    steps = Export(exported, select(exported)).read()
    while isinstance(step := next(steps), bytes):
        pass
    until(lambda: exported.ask_peek().get(BOUND).runs)

    viewer = watched.ask_segment("video-90p", 20)
    until(lambda: all(run.held for run in exported.ask_peek().get(BOUND).runs))
    viewer.get(BOUND)

    assert not step.done()
    steps.close()
