"""The command lines, as properties: rules that hold for every one of them, without running it."""

from __future__ import annotations

import re
from array import array
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hls_sessions.ffmpeg import Binary, methods, plan_run, starts_lightly
from hls_sessions.media import AudioTrack, Media, Presentation, VideoTrack

ARGUMENT = 128 * 1024
"""Bytes Linux allows one argument (MAX_ARG_STRLEN)."""

CAN = {"encoders": frozenset(), "bitstream_filters": frozenset({"setts"})}
OLD = Binary("/opt/old/ffmpeg", "5.1", **CAN, absolute_segment_times=True)
NEW = Binary("/opt/new/ffmpeg", "9.0", **CAN, absolute_segment_times=False)
FOLDER = Path("/tmp/one/video-180p/run-0")


def film(seconds=60, *, path="/films/one.mp4", container="mov,mp4,m4a", start=Fraction(0)) -> Presentation:
    """A film at 29.97 frames per second, with audio; indexed, as an MP4 is."""
    base = Fraction(1, 30_000)
    ticks = array("q", (int(start / base) + 1001 * number for number in range(int(seconds * 30_000 / 1001))))
    end = (ticks[-1] + 1001) * base
    video = VideoTrack(
        index=0,
        codec="h264",
        width=320,
        height=180,
        time_base=base,
        start=start,
        end=end,
        frame_rate=Fraction(30_000, 1001),
        frame_times=ticks,
    )
    audio = AudioTrack(index=1, codec="aac", channels=2, sample_rate=44_100, start=start, end=end)
    return Presentation.of(Media(Path(path), container, start, video, (audio,)))


FILM = film()
HOUR = film(3600, start=Fraction(23 * 3600))
"""Three times as long as a run is planned, with times as long to write as those of a day."""
SEGMENTS = len(FILM.cuts("video-180p"))
renditions = st.sampled_from(["video-180p", "audio-0"])
binaries = st.sampled_from([OLD, NEW])


def plan(shown, rendition, segment, *, binary=OLD, folder=FOLDER):
    made = shown.renditions[rendition]
    return plan_run(binary, shown, made, methods(made)[0], segment, folder)


def option(argv, name) -> str:
    """The value of an option that is given once."""
    (at,) = [number for number, argument in enumerate(argv) if argument == name]
    return argv[at + 1]


def times(argv, name) -> list[Fraction]:
    return [Fraction(time) for time in option(argv, name).split(",")]


# Rules for every command


@given(renditions, st.integers(0, SEGMENTS - 1), binaries)
def test_a_command_is_the_binary_and_its_arguments_and_no_shell(rendition, segment, binary):
    argv = plan(FILM, rendition, segment, binary=binary).argv

    assert argv[0] == binary.path
    assert all(isinstance(argument, str) and argument for argument in argv)


@given(renditions, st.integers(0, SEGMENTS - 1), binaries)
def test_a_command_reads_nothing_and_one_file_through_the_file_protocol_alone(rendition, segment, binary):
    argv = plan(FILM, rendition, segment, binary=binary).argv

    assert "-nostdin" in argv
    assert option(argv, "-i") == "file:/films/one.mp4"
    assert option(argv, "-protocol_whitelist") == "file,pipe"
    assert argv.index("-protocol_whitelist") < argv.index("-i")


names = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=40)


@given(
    renditions,
    st.one_of(names, st.sampled_from(["-version.mp4", "http:x.mp4", "a%d b'c.mp4", "a\nb", "$(id)"])),
)
def test_a_films_name_is_one_argument_behind_the_prefix_whatever_it_is(rendition, name):
    shown = film(3, path=f"/films/{name}")

    assert option(plan(shown, rendition, 1).argv, "-i") == f"file:{shown.media.path}"


@given(renditions, names)
def test_of_a_film_of_which_a_part_plays_nothing_else_is_read(rendition, name):
    shown = film(3)
    part = replace(shown, media=replace(shown.media, path=Path("/films", name), part=(188, 188_000)))

    argv = plan(part, rendition, 1).argv

    assert option(argv, "-i") == f"subfile,,start,188,end,188000,,:file:{part.media.path}"
    assert option(argv, "-protocol_whitelist") == "file,pipe,subfile"


@given(renditions, names.filter(lambda name: name not in {".", ".."}))
def test_a_percent_sign_of_the_folder_is_not_the_segments_number(rendition, name):
    argv = plan(FILM, rendition, 0, folder=Path("/tmp", name)).argv

    (pattern,) = (argument for argument in argv if argument.endswith("/%d.m4s"))
    assert pattern % 7 == f"/tmp/{name}/7.m4s"


@given(renditions, st.integers(0, SEGMENTS - 1), binaries)
def test_no_metadata_of_the_film_is_written(rendition, segment, binary):
    argv = plan(FILM, rendition, segment, binary=binary).argv

    assert option(argv, "-map_metadata") == option(argv, "-map_chapters") == "-1"


@given(renditions, st.integers(0, SEGMENTS - 1), binaries)
def test_a_run_says_which_segments_it_will_make(rendition, segment, binary):
    made = plan(FILM, rendition, segment, binary=binary)

    assert made.first == segment
    assert made.last == len(FILM.cuts(rendition)) - 1
    # The pre-roll of audio is a file of its own, one number lower.
    preroll = rendition == "audio-0" and segment > 0
    assert int(option(made.argv, "-segment_start_number")) == segment - preroll


# The horizon


@given(renditions, st.integers(0, len(HOUR.cuts("audio-0")) - 1), binaries)
def test_no_argument_is_too_long_for_linux_however_long_the_film(rendition, segment, binary):
    made = plan(HOUR, rendition, segment, binary=binary)

    assert max(len(argument.encode()) for argument in made.argv) < ARGUMENT


@given(renditions, st.integers(0, len(HOUR.cuts("audio-0")) - 1))
def test_a_run_is_planned_for_600_segments_at_most(rendition, segment):
    made = plan(HOUR, rendition, segment)

    assert made.last == min(segment + 599, len(HOUR.cuts(rendition)) - 1)


@given(renditions, st.integers(0, len(HOUR.cuts("audio-0")) - 1))
def test_only_a_run_of_video_to_the_end_of_the_film_is_not_told_to_end(rendition, segment):
    made = plan(HOUR, rendition, segment)

    # Audio ends with silence, which has no end of its own.
    goes_on = rendition.startswith("video") and made.last == len(HOUR.cuts(rendition)) - 1
    assert ("-to" in made.argv) == (not goes_on)


# Where it cuts


@given(st.integers(1, SEGMENTS - 1))
def test_keyframes_are_asked_for_within_a_frame_before_each_cut_from_the_first_on(segment):
    cuts = FILM.cuts("video-180p")

    asked = times(plan(FILM, "video-180p", segment).argv, "-force_key_frames")

    wanted = [cuts.start(number) for number in range(segment, SEGMENTS)]
    assert len(asked) == len(wanted)
    assert all(0 < time - ask < Fraction(1001, 30_000) for ask, time in zip(asked, wanted, strict=True))


@given(renditions, st.integers(0, SEGMENTS - 2))
def test_an_old_binary_is_told_absolute_times_and_a_new_one_times_since_the_first_packet(rendition, segment):
    old, new = (times(plan(FILM, rendition, segment, binary=b).argv, "-segment_times") for b in (OLD, NEW))

    differences = [before - after for before, after in zip(old, new, strict=True)]
    assert max(differences) - min(differences) <= Fraction(2, 10**6)
    begins = FILM.cuts(rendition).start(segment)
    assert abs(differences[0] - begins) < Fraction(1, 10)


@given(renditions, st.integers(0, SEGMENTS - 2))
def test_there_is_a_cut_for_every_segment_but_the_first(rendition, segment):
    cuts = FILM.cuts(rendition)

    told = times(plan(FILM, rendition, segment).argv, "-segment_times")

    preroll = rendition == "audio-0" and segment > 0
    boundaries = [cuts.start(number) for number in range(segment + (0 if preroll else 1), len(cuts))]
    assert told == pytest.approx([boundary - cuts.slack for boundary in boundaries], abs=1e-6)


def test_a_run_of_the_last_segment_alone_is_not_cut():
    argv = plan(FILM, "video-180p", SEGMENTS - 1).argv

    assert "-segment_times" not in argv
    assert float(option(argv, "-segment_time")) > 3600


def test_where_a_first_frame_is_only_expected_a_new_binary_counts_nothing_from_it_and_cuts_at_every_keyframe():
    shown = with_video(FILM, frame_times=None)

    old, new = (plan(shown, "video-180p", 3, binary=binary).argv for binary in (OLD, NEW))

    assert "-segment_times" in old
    assert "-segment_times" not in new
    assert 0 < Fraction(option(new, "-segment_time")) < Fraction(1, 1000)


def test_packets_are_dropped_by_a_binary_that_can():
    argvs = {can: plan(FILM, "audio-0", 3, binary=replace(OLD, drops_packets=can)).argv for can in (True, False)}

    assert {can: "-bsf:a" in argv for can, argv in argvs.items()} == {True: True, False: False}


# When it decodes


def with_video(shown, **changes) -> Presentation:
    return Presentation.of(replace(shown.media, video=replace(shown.media.video, **changes)))


@given(st.integers(1, SEGMENTS - 1))
def test_decode_times_of_even_frames_are_left_alone_but_for_the_first_of_a_film(segment):
    assert "-bsf:v" in plan(FILM, "video-180p", 0).argv
    assert "-bsf:v" not in plan(FILM, "video-180p", segment).argv


def test_a_run_begins_to_decode_late_where_frames_are_shown_for_longer_than_before():
    # Half a frame's time each up to a second, where a segment begins; then a frame's time each, in 1/30,000 s.
    ticks = array("q", [*range(0, 30_000, 500), *range(30_000, 120_000, 1000)])
    shown = with_video(FILM, frame_times=ticks, end=Fraction(4))

    late = {
        n: "-bsf:v" in plan(shown, "video-180p", n).argv for n in range(1, shown.cuts("video-180p").last_of_track + 1)
    }

    assert shown.cuts("video-180p").times[2] == 1
    assert late == {n: n == 2 for n in late}


# Where it reads from


@pytest.mark.parametrize("rendition", ["video-180p", "audio-0"])
def test_from_the_beginning_nothing_is_sought(rendition):
    assert "-ss" not in plan(FILM, rendition, 0).argv


@given(st.integers(1, SEGMENTS - 1))
def test_the_seek_lands_between_the_wanted_frame_and_the_one_before(segment):
    sought = Fraction(option(plan(FILM, "video-180p", segment).argv, "-ss"))

    assert 0 < FILM.cuts("video-180p").start(segment) - sought < Fraction(1001, 30_000)


@settings(max_examples=20)
@given(st.integers(1, SEGMENTS - 1), st.fractions(1, 10**5, max_denominator=30_000))
def test_a_seek_counts_from_the_beginning_of_the_container(segment, start):
    late = film(60, start=Fraction(int(start * 30_000), 30_000))

    for rendition in ("video-180p", "audio-0"):
        at_zero, at_start = (option(plan(shown, rendition, segment).argv, "-ss") for shown in (FILM, late))
        assert abs(Fraction(at_zero) - Fraction(at_start)) < Fraction(1024, 48_000) + Fraction(1, 10**5)


@given(st.integers(1, SEGMENTS - 1), st.sampled_from(["mov,mp4", "matroska,webm", "mpegts"]))
def test_all_before_the_wanted_frame_is_left_out_wherever_the_seek_lands(segment, container):
    shown = film(container=container)

    trim = re.search(r"trim=start=([\d.]+)", option(plan(shown, "video-180p", segment).argv, "-filter_complex"))

    assert 0 < shown.cuts("video-180p").start(segment) - Fraction(trim[1]) < Fraction(1001, 30_000)


@pytest.mark.parametrize("rendition", ["video-180p", "audio-0"])
def test_a_container_that_seeks_anywhere_is_read_from_well_before(rendition):
    stream = film(container="mpegts")

    sought = Fraction(option(plan(stream, rendition, 20).argv, "-ss"))

    assert stream.cuts(rendition).start(20) - sought >= 12


@pytest.mark.parametrize("rendition", ["video-180p", "audio-0"])
@pytest.mark.parametrize("container", ["mov,mp4", "mpegts"])
def test_no_seek_is_before_the_beginning(rendition, container):
    shown = film(container=container)

    for segment in range(SEGMENTS):
        argv = plan(shown, rendition, segment).argv
        assert "-ss" not in argv or Fraction(option(argv, "-ss")) > 0


@pytest.mark.parametrize(("gop", "lightly"), [(60, True), (150, False)])
def test_a_run_begins_lightly_where_the_keyframe_before_it_is_near(make_prober, hls_clip, gop, lightly):
    clip = hls_clip(seconds=12, size="160x90", rate="30000/1001", gop=gop, pixels="yuv420p", audio=None)
    offered = Presentation.of(make_prober().probe(clip))
    encoded = next(each for each in offered.video if not each.copied)
    cuts = offered.cuts(encoded.id)

    begins = next(number for number in range(len(cuts)) if cuts.times[number] > 4.9)

    assert starts_lightly(offered, encoded, begins) is lightly
