"""Subtitles are read once per file, for all callers, by a process that may crash or hang."""

from __future__ import annotations

import os
import signal
import struct
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from textwrap import indent

import pytest

from hls_sessions.errors import MediaNotFound, SubtitlesFailed, Unavailable
from hls_sessions.ffmpeg import Prober, SubtitleReader
from hls_sessions.ffmpeg.subtitles import reader as subtitles
from hls_sessions.media import SubtitleTrack
from hls_sessions.testing import out_of_resources

BOUND = 30
PRIMING = 0.03
"""Seconds by which a muxer may move a file whose audio encoder begins before its first sample."""
TALK = """1
00:00:01,000 --> 00:00:02,500
First

2
00:00:02,000 --> 00:00:04,000
Second, <i>over</i> the first

3
00:00:06,000 --> 00:00:05,000
Ends before it starts
"""
STYLED = r"""[Script Info]
ScriptType: v4.00+

[V4+ Styles]
Format: Name, Fontname, Fontsize, PrimaryColour, Alignment
Style: Default,Arial,16,&Hffffff,2

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
Dialogue: 0,0:00:01.00,0:00:03.00,Default,,0,0,0,,{\pos(1,2)}{\i1}One{\i0}\N\Ntwo, {three, a --> b
Dialogue: 0,0:00:02.00,0:00:02.00,Default,,0,0,0,,never shown
Dialogue: 0,0:00:02.00,0:00:03.00,Default,,0,0,0,,{\p1}m 0 0 l 100 0{\p0}
"""
IMAGES = b"".join(
    b"PG" + struct.pack(">IIBH", time, 0, kind, len(data)) + data
    for time in (90_000, 180_000)
    for kind, data in ((0x16, struct.pack(">HHBHBBBB", 320, 180, 16, 1, 128, 0, 0, 0)), (0x80, b""))
).decode(errors="surrogateescape")


@pytest.fixture
def make_reader(request, hls_shared_workers):
    """Return a function that makes a reader, which is closed after the test."""
    # A double is found by workers of the test's own alone.
    workers = request.getfixturevalue("workers") if "double" in request.fixturenames else hls_shared_workers[0]
    made = []

    def make(**options):
        made.append(SubtitleReader(workers, **options))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def reader(make_reader):
    return make_reader()


@pytest.fixture
def film(hls_clip, hls_shared_workers):
    """Return a function that makes a film with subtitles, and returns its facts."""
    prober = Prober(hls_shared_workers[0], timeout=60)

    def film(*tracks, container="mkv", **like):
        # Silent, because an encoder's priming would move everything by some milliseconds.
        made = hls_clip(
            **{"seconds": 8, "size": "160x90", "audio": None, "container": container, "subtitles": tracks} | like
        )
        return prober.probe(made)

    yield film
    prober.close()


@pytest.fixture
def double(monkeypatch, tmp_path):
    """Return a function that has a double read the files, and returns a counter of its runs."""
    runs = tmp_path / "runs"
    runs.touch()

    def double(script):
        (tmp_path / "reading_double.py").write_text(DOUBLE.format(runs=str(runs)) + indent(script, "    "))
        monkeypatch.setattr(subtitles, "READ_SUBTITLES", "reading_double:serve")
        return lambda: len(runs.read_text().splitlines())

    return double


@pytest.fixture
def reading(tmp_path):
    """Return a function that lists the doubles that still run."""
    return lambda: [pid for pid in (tmp_path / "runs").read_text().split() if Path("/proc", pid).exists()]


DOUBLE = """
import os, signal
def serve(channel):
    with open({runs!r}, "a") as runs:
        print(os.getpid(), file=runs)
    say = lambda *words: channel.send(words)
"""
FIRST_AND_HANG = """
say("cue", 1, 1000000, 2000000, "First")
say("cue", 1, 5000000, 6000000, "Second")
signal.pause()
"""


def shown(reader, media, track=0, start=None, end=None):
    """Return the cues between two times, in seconds: (start, end, text)."""
    times = [time if time is None else Fraction(time) for time in (start, end)]
    cues = reader.ask(media, media.subtitles[track].index, *times).get(BOUND)
    return [(cue.start / 1e6, cue.end / 1e6, cue.text) for cue in cues]


# Tracks


def test_the_purpose_of_each_subtitle_track_is_known(film):
    about = ("-metadata:s:s:0", "language=eng", "-metadata:s:s:0", "title=Signs", "-disposition:s:0", "forced")
    about += ("-metadata:s:s:1", "language=und", "-disposition:s:1", "default+hearing_impaired")

    media = film(TALK, STYLED, options=about)

    assert media.subtitles == (
        SubtitleTrack(1, "subrip", "eng", "Signs", forced=True),
        SubtitleTrack(2, "ass", default=True, hearing_impaired=True),
    )
    assert media.notes == ()


def test_images_are_noted_as_not_offered(film):
    media = film(IMAGES, TALK, options=("-metadata:s:s:0", "language=ger"))

    assert [track.codec for track in media.subtitles] == ["subrip"]
    assert media.notes == ("the subtitles #1 (hdmv_pgs_subtitle, ger) are images and are not offered",)


# Cues


def test_every_cue_is_shown_at_its_time(reader, film):
    assert shown(reader, film(TALK)) == [
        (1, 2.5, "First"),
        (2, 4, "Second, <i>over</i> the first"),
        (6, 9, "Ends before it starts"),
    ]


@pytest.mark.parametrize("container", ["mkv", "mp4", "webm"])
def test_subtitles_are_read_from_any_container(reader, film, container):
    sorts = {"video": "libvpx", "audio": "libopus"} if container == "webm" else {"audio": "aac"}
    said = "WEBVTT\n\n00:01.000 --> 00:02.500\nFirst\n\n00:02.000 --> 00:04.000\nSecond\n"
    said = (
        said
        if container == "webm"
        else "1\n00:00:01,000 --> 00:00:02,500\nFirst\n\n2\n00:00:03,000 --> 00:00:04,000\nSecond\n"
    )

    cues = shown(reader, film(said, container=container, **sorts))

    assert [text for *_, text in cues] == ["First", "Second"]
    assert abs(cues[0][0] - 1) < PRIMING


@pytest.mark.parametrize("container", ["mkv", "mp4"])
def test_subtitles_are_on_the_clock_of_their_file(reader, film, container):
    talk = TALK.partition("3\n")[0]
    media = film(talk, container=container, audio="aac", options=("-output_ts_offset", "5"))

    begins = shown(reader, media)[0][0]

    assert abs(begins - 6) < PRIMING
    assert abs(media.start - 5) < PRIMING


@pytest.mark.parametrize("number", [0, 1])
def test_of_a_file_of_which_a_part_is_played_only_its_subtitles_are_read(reader, film, make_prober, tmp_path, number):
    parts = [film(talk).path.read_bytes() for talk in (TALK, TALK.replace("First", "Third"))]
    path = tmp_path / "joined.mkv"
    path.write_bytes(b"".join(parts))
    begins = len(parts[0]) * number
    media = replace(make_prober(timeout=60).probe(path), part=(begins, begins + len(parts[number])))

    assert [text for *_, text in shown(reader, media)] == [
        ("First", "Third")[number],
        "Second, <i>over</i> the first",
        "Ends before it starts",
    ]


def test_of_styling_only_text_is_left(reader, film):
    assert shown(reader, film(STYLED)) == [(1, 3, "<i>One</i>\ntwo, {three, a --&gt; b")]


def test_all_tracks_are_read_at_once(reader, film):
    media = film(TALK, STYLED)

    assert len(shown(reader, media, 0)) == 3
    assert len(shown(reader, media, 1)) == 1


def test_all_cues_that_overlap_two_times_are_shown_between_them(reader, film):
    media = film(TALK)

    assert [text for *_, text in shown(reader, media, start=0, end=1)] == []
    assert [text for *_, text in shown(reader, media, start=0, end="1.001")] == ["First"]
    assert [text for *_, text in shown(reader, media, start="2.25", end="2.3")] == [
        "First",
        "Second, <i>over</i> the first",
    ]
    assert [text for *_, text in shown(reader, media, start="2.5", end=4)] == ["Second, <i>over</i> the first"]
    assert shown(reader, media, start=4, end=6) == []


def test_a_track_without_text_is_empty(reader, film):
    nothing = "1\n00:00:01,000 --> 00:00:02,000\n{\\an8}\n"

    assert shown(reader, film(nothing)) == []


@pytest.mark.parametrize(
    ("language", "encoding", "said"),
    [
        ("fre", "cp1252", "Ça va, Noël?"),
        ("rus", "cp1251", "Привет"),
        ("jpn", "cp932", "こんにちは"),
        ("eng", "utf-8", "“Hi” 🎬"),
    ],
)
def test_text_is_decoded_as_its_language_was_written(reader, film, language, encoding, said):
    raw = f"1\n00:00:01,000 --> 00:00:02,000\n{said}\n".encode(encoding).decode(errors="surrogateescape")

    media = film(raw, options=("-metadata:s:s:0", f"language={language}"))

    assert shown(reader, media) == [(1, 2, said)]


def test_lines_may_end_as_in_windows(reader, film):
    assert shown(reader, film(TALK.replace("\n", "\r\n").replace("First", "First\r\nline")))[0][2] == "First\nline"


def test_a_file_that_is_cut_off_has_the_cues_before_that(reader, film, make_prober, tmp_path):
    whole = film(TALK).path.read_bytes()
    (tmp_path / "cut.mkv").write_bytes(whole[: len(whole) // 2])

    cues = shown(reader, make_prober(timeout=60).probe(tmp_path / "cut.mkv"))

    assert cues[0] == (1, 2.5, "First")


# Once per file


def test_a_file_is_read_once_for_all_callers(reader, film, double):
    runs = double('say("cue", 1, 1000000, 2000000, "First")\nsay("end")')
    media = film(TALK)

    assert {tuple(shown(reader, media)) for _ in range(3)} == {((1, 2, "First"),)}
    assert runs() == 1


def test_nothing_is_read_before_a_caller_asks(reader, film, double):
    runs = double('say("end")')
    film(TALK)

    assert runs() == 0


def test_a_cue_is_there_as_soon_as_the_reading_has_passed_it(reader, film, double):
    double(FIRST_AND_HANG)
    media = film(TALK)

    assert shown(reader, media, start=0, end=5) == [(1, 2, "First")]
    assert not reader.ask(media, 1, Fraction(5), Fraction(6)).done()


def test_the_absence_of_cues_is_known_as_soon_as_the_reading_has_passed_it(reader, film, double):
    double('say("at", 3000000)\nsignal.pause()')
    media = film(TALK)

    assert shown(reader, media, start=0, end=3) == []
    assert not reader.ask(media, 1, Fraction(3), Fraction(4)).done()


def test_a_file_that_was_changed_is_read_anew(reader, film, make_prober, tmp_path):
    path = tmp_path / "changing.mkv"
    path.write_bytes(film(TALK).path.read_bytes())
    before = make_prober(timeout=60).probe(path)
    first = shown(reader, before)
    path.write_bytes(film(STYLED).path.read_bytes())
    after = make_prober(timeout=60).probe(path)

    assert (len(first), len(shown(reader, after))) == (3, 1)
    assert len(shown(reader, before)) == 3


def test_the_memory_of_cues_is_bounded(reader, film, double, reading, monkeypatch, until):
    runs = double('say("cue", 1, 0, 1000000, "a" * 5000)\nsay("end")')
    monkeypatch.setattr(subtitles, "KEPT", 12_000)
    one, other = film(TALK), film(STYLED)

    for media in (one, other, one, one):
        shown(reader, media)
        # Cues above the bound are forgotten just after the process has ended.
        until(lambda: not reading() and sum(each.size for each in reader._known.values()) <= subtitles.KEPT)

    assert runs() == 3


# Failures


def why(reader, media) -> str:
    with pytest.raises(SubtitlesFailed) as failed:
        shown(reader, media)
    return failed.value.reason


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("os.kill(os.getpid(), signal.SIGSEGV)", "the process that reads them crashed"),
        ("channel._socket.send(bytes(100))\nsignal.pause()", "the process that reads them crashed"),
        ('say("cue", 1, 0, 1, "a")', "the process that reads them crashed"),
        ('say("a" * (1 << 24))\nsignal.pause()', "the process that reads them crashed"),
        ('say("error", "Input/output error")', "Input/output error"),
        ('while True: say("cue", 1, 0, 1, "a" * 100000)', "they are more than 32 MiB"),
    ],
    ids=["crash", "no answer", "no end", "endless message", "error", "endless cues"],
)
def test_a_reading_that_fails_says_why_and_leaves_nothing_running(reader, film, double, reading, until, script, reason):
    double(script)

    assert why(reader, film(TALK)) == reason
    until(lambda: not reading())


def test_a_reading_that_hangs_is_given_up(reader, film, double, reading, until, tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "hang")
    double(f'say("at", 1000000)\nopen({str(tmp_path / "hang")!r}).close()\nsay("at", 2000000)\nsignal.pause()')
    media = film(TALK)
    shown(reader, media, end=1)
    monkeypatch.setattr(reader, "_timeout", 0)
    # For reading too, because that waits for nobody.
    with (tmp_path / "hang").open("r+b", buffering=0):
        assert why(reader, media) == "it took too long"
    until(lambda: not reading())


def test_a_reading_that_failed_is_tried_again_but_not_for_ever(reader, film, double):
    runs = double('say("error", "no")')
    media = film(TALK)

    assert [why(reader, media) for _ in range(5)] == ["no"] * 5
    assert runs() == 3


def test_a_file_that_is_gone_is_not_found(reader, film, tmp_path, make_prober):
    path = tmp_path / "gone.mkv"
    path.write_bytes(film(TALK).path.read_bytes())
    media = make_prober(timeout=60).probe(path)
    path.unlink()

    with pytest.raises(MediaNotFound):
        shown(reader, media)


def test_another_file_under_the_same_name_is_not_read(reader, film, tmp_path, make_prober):
    path = tmp_path / "changed.mkv"
    path.write_bytes(film(TALK).path.read_bytes())
    media = make_prober(timeout=60).probe(path)
    path.write_bytes(film(STYLED).path.read_bytes())

    assert "not the file" in why(reader, media)


def test_a_process_that_is_killed_fails_the_reading(reader, film, double, tmp_path):
    double(FIRST_AND_HANG)
    media = film(TALK)
    waiting = reader.ask(media, 1, None, None)
    shown(reader, media, start=0, end=5)
    os.kill(int((tmp_path / "runs").read_text()), signal.SIGKILL)

    with pytest.raises(SubtitlesFailed):
        waiting.get(BOUND)


def test_readings_that_could_not_be_made_do_not_count_as_tried(reader, film):
    media = film(TALK)

    with out_of_resources():
        assert {why(reader, media) for _ in range(5)} == {"no process can be started (Too many open files)"}
    assert shown(reader, media)


def test_closing_ends_the_readings_and_tells_the_callers_that_wait(reader, film, double, reading):
    double(FIRST_AND_HANG)
    media = film(TALK)
    waiting = reader.ask(media, 1, None, None)
    shown(reader, media, start=0, end=5)
    reader.close()

    for reply in (waiting, reader.ask(media, 1, None, None)):
        with pytest.raises(Unavailable):
            reply.get(BOUND)
    assert reading() == []


def test_a_reader_may_be_closed_that_was_never_asked(make_reader):
    make_reader().close()
