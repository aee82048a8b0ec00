"""The renditions that are offered of a file: sizes, bit rates, names."""

from __future__ import annotations

import tracemalloc
from array import array
from dataclasses import replace
from fractions import Fraction
from math import isqrt
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from hls_sessions.media import AudioTrack, Media, Presentation, VideoCopy, VideoTrack

sizes = st.tuples(st.integers(1, 8192), st.integers(1, 4320))
rates = st.sampled_from([Fraction(rate) for rate in ("1/10", "24000/1001", "25", "30000/1001", "60", "120")])


def video_track(width=1920, height=1080, rate=Fraction(25)) -> VideoTrack:
    return VideoTrack(
        index=0,
        codec="h264",
        width=width,
        height=height,
        time_base=Fraction(1, 12_800),
        start=Fraction(0),
        end=Fraction(10),
        frame_rate=rate,
    )


def audio_track(title=None, language=None, *, default=False, end=Fraction(10)) -> AudioTrack:
    return AudioTrack(1, "aac", 2, 48_000, Fraction(0), end, language, title, default)


def offer(video: VideoTrack | None = None, *audio: AudioTrack) -> Presentation:
    return Presentation.of(Media(Path("/films/one.mkv"), "matroska,webm", Fraction(0), video, audio))


def sizes_of(width, height):
    return [(rendition.width, rendition.height) for rendition in offer(video_track(width, height)).video]


# The ladder


@pytest.mark.parametrize(
    ("source", "offered"),
    [
        ((1920, 1080), [(1920, 1080), (1280, 720), (854, 480), (640, 360)]),
        ((3840, 2160), [(3840, 2160), (1920, 1080), (1280, 720), (854, 480), (640, 360)]),
        ((1280, 720), [(1280, 720), (854, 480), (640, 360)]),
        ((720, 576), [(720, 576), (600, 480), (450, 360)]),
        ((640, 360), [(640, 360)]),
        ((320, 180), [(320, 180)]),
    ],
)
def test_the_sources_own_height_is_offered_and_the_steps_below_it(source, offered):
    assert sizes_of(*source) == offered


def test_a_portrait_keeps_its_shape():
    assert sizes_of(1080, 1920) == [(1080, 1920), (608, 1080), (404, 720), (270, 480), (202, 360)]


def test_a_scope_film_keeps_its_shape():
    assert sizes_of(1920, 800) == [(1920, 800), (1728, 720), (1152, 480), (864, 360)]


def test_an_odd_size_loses_a_line_and_a_column():
    assert sizes_of(641, 271) == [(640, 270)]


def test_a_height_one_above_a_step_is_not_offered_twice():
    assert sizes_of(641, 361) == [(640, 360)]


@pytest.mark.parametrize("size", [(1, 1), (2, 2), (1, 8), (3, 1), (8000, 2)])
def test_tiny_video_is_offered_at_the_smallest_even_size(size):
    ((width, height),) = sizes_of(*size)

    assert width == max(2, size[0] // 2 * 2)
    assert height == max(2, size[1] // 2 * 2)


@given(sizes)
def test_both_sides_are_even_and_nothing_is_enlarged(size):
    for width, height in sizes_of(*size):
        assert width % 2 == height % 2 == 0
        assert 2 <= width <= max(2, size[0])
        assert 2 <= height <= max(2, size[1])


@given(sizes)
def test_no_side_is_off_its_shape_by_more_than_rounding_to_even(size):
    for width, height in sizes_of(*size):
        assert abs(width - Fraction(size[0] * height, size[1])) <= 2 + Fraction(size[0], size[1])


@given(sizes)
def test_no_size_is_offered_twice_and_sizes_go_down(size):
    heights = [height for _, height in sizes_of(*size)]

    assert len(set(sizes_of(*size))) == len(heights)
    assert heights == sorted(heights, reverse=True)


@given(sizes, rates)
def test_ids_are_unique_and_can_stand_in_a_url(size, rate):
    ids = list(offer(video_track(*size, rate), audio_track(), audio_track()).renditions)

    assert len(ids) == len(set(ids))
    assert all(part.isalnum() for name in ids for part in name.split("-"))


def test_video_comes_first_then_audio_in_the_order_of_the_file():
    shown = offer(video_track(640, 480), audio_track(), audio_track())

    assert list(shown.renditions) == ["video-480p", "video-360p", "audio-0", "audio-1"]


# Bit rates and levels


@given(sizes, rates)
def test_smaller_video_never_asks_for_more_bits(size, rate):
    rungs = offer(video_track(*size, rate)).video

    assert [rung.max_rate for rung in rungs] == sorted((rung.max_rate for rung in rungs), reverse=True)


@given(sizes, rates)
def test_the_peak_is_at_least_the_average_and_holds_a_full_buffer(size, rate):
    for rung in offer(video_track(*size, rate), audio_track()).video:
        assert rung.peak >= rung.max_rate + rung.buffer > rung.max_rate > 0


def test_720p_at_30_frames_may_use_three_megabits():
    (rung, *_) = offer(video_track(1280, 720, Fraction(30))).video

    assert rung.max_rate == pytest.approx(3_000_000, rel=0.05)


def test_tiny_video_still_gets_200_kilobits():
    assert offer(video_track(16, 16)).video[0].max_rate == 200_000


@given(sizes, rates)
def test_the_level_holds_the_video_it_is_told_for(size, rate):
    for rung in offer(video_track(*size, rate)).video:
        across, down = (rung.width + 15) // 16, (rung.height + 15) // 16
        assume(across * down * rate <= 16_711_680)
        assert across * down <= rung.level.macroblocks
        assert across * down * rate <= rung.level.macroblocks_per_second
        assert max(across, down) <= isqrt(8 * rung.level.macroblocks)
        assert rung.max_rate <= rung.level.bit_rate


@pytest.mark.parametrize(
    ("size", "rate", "codecs"),
    [
        ((1920, 1080), 25, "avc1.640028"),
        ((1920, 1080), 60, "avc1.64002a"),
        ((1280, 720), 25, "avc1.64001f"),
        ((1280, 720), 60, "avc1.640020"),
        ((640, 360), 25, "avc1.64001e"),
        ((320, 180), 25, "avc1.64000d"),
        ((3840, 2160), 30, "avc1.640033"),
    ],
)
def test_codecs_name_the_high_profile_and_the_level(size, rate, codecs):
    assert offer(video_track(*size, Fraction(rate))).video[0].codecs == codecs


# Audio


def test_an_audio_track_is_named_by_its_title_else_its_language_else_its_number():
    shown = offer(None, audio_track("Commentary", "eng"), audio_track(None, "fra"), audio_track())

    assert [rendition.name for rendition in shown.audio] == ["Commentary", "fra", "Audio 3"]


def test_audio_tracks_of_one_name_are_numbered():
    shown = offer(None, audio_track("Stereo"), audio_track("Stereo"), audio_track("Stereo"))

    assert [rendition.name for rendition in shown.audio] == ["Stereo", "Stereo (2)", "Stereo (3)"]


def test_a_title_that_looks_numbered_does_not_collide():
    shown = offer(None, audio_track("Stereo"), audio_track("Stereo"), audio_track("Stereo (2)"))

    assert len({rendition.name for rendition in shown.audio}) == 3


def test_a_title_without_a_character_that_can_be_written_counts_as_none():
    assert offer(None, audio_track("\n\x00\u200b", "eng")).audio[0].name == "eng"


titles = st.one_of(
    st.sampled_from(["A", "A (2)", "A (3)", 'A"', "A'", "A\n", "", "\n", "Audio 2", "eng"]),
    st.none(),
    st.text(),
)


@given(st.lists(st.tuples(titles, titles), max_size=6))
def test_names_are_never_empty_and_unique_as_a_playlist_writes_them(labels):
    shown = offer(video_track(), *(audio_track(title, language) for title, language in labels))

    names = [rendition.name for rendition in shown.audio]
    assert len(set(names)) == len(labels)
    assert all(names)
    assert all(name.isprintable() and '"' not in name for name in names)


@pytest.mark.parametrize(("defaults", "chosen"), [("nn", 0), ("ny", 1), ("yn", 0), ("yy", 0), ("nyy", 1)])
def test_one_audio_track_is_the_default_the_first_that_the_file_marks_or_the_first(defaults, chosen):
    shown = offer(video_track(), *(audio_track(default=letter == "y") for letter in defaults))

    assert [rendition.default for rendition in shown.audio] == [n == chosen for n in range(len(defaults))]


def test_every_audio_track_is_offered_as_stereo():
    surround = AudioTrack(1, "ac3", 6, 48_000, Fraction(0), Fraction(10))

    (rendition,) = offer(None, surround).audio
    assert (rendition.channels, rendition.codecs) == (2, "mp4a.40.2")


# The presentation


def test_all_video_renditions_are_cut_at_the_same_times():
    shown = offer(video_track())

    assert len({shown.cuts(rendition.id).times for rendition in shown.video}) == 1


def test_each_audio_track_is_cut_on_its_own_grid():
    shown = offer(video_track(), audio_track(end=Fraction(10)), audio_track(end=Fraction(5)))

    assert shown.cuts("audio-0") is shown.timeline.audio[0]
    assert shown.cuts("audio-1") is shown.timeline.audio[1]


@pytest.mark.parametrize("rendition", ["video-1081p", "audio-1", "", "../video-720p"])
def test_a_rendition_that_is_not_offered_is_a_key_error(rendition):
    with pytest.raises(KeyError):
        offer(video_track(), audio_track()).cuts(rendition)


@pytest.mark.parametrize(
    ("end", "target"), [("1/25", 1), ("149/100", 1), ("3/2", 2), ("2.4999999", 3), ("2.4999", 2), ("5/2", 3)]
)
def test_the_target_duration_is_the_longest_segment_as_it_is_written_rounded(end, target):
    # One frame, so one segment, as long as the film.
    still = VideoTrack(0, "h264", 320, 180, Fraction(1, 10**7), Fraction(0), Fraction(end), 1 / Fraction(end))

    assert offer(still).target_duration == target


# Segments that players could not hold


def copied_in_pieces_of(*mebibytes, codec="h264"):
    """Offer a film that can be cut every two seconds, into pieces of so many MiB."""
    points, sizes = array("q", (25_600 * n for n in range(len(mebibytes)))), array("q", (n << 20 for n in mebibytes))
    copy = VideoCopy("avc1.64001f", points, sizes)
    return offer(replace(video_track(), codec=codec, end=Fraction(2 * len(mebibytes)), copy=copy))


def test_a_copied_segment_that_players_could_not_hold_is_encoded_and_does_not_count_for_the_bandwidth():
    video = copied_in_pieces_of(1, 200, 2, 3).video[0]

    assert video.copied
    assert video.too_large == {1}
    assert video.peak < 9 * (3 << 20) / 2
    assert video.peak >= video.instead.peak


def test_the_notes_say_how_many_segments_are_encoded_because_they_are_too_large():
    notes = copied_in_pieces_of(1, 200, 2, 3).notes

    assert notes == ("of the copied video, 1 segments are encoded, because players could not hold them",)


def test_a_film_most_of_whose_segments_players_could_not_hold_is_not_copied():
    shown = copied_in_pieces_of(100, 200, 2, 100)

    assert not any(video.copied for video in shown.video)
    assert "a segment of it has 200 MiB, which is more than players hold" in shown.notes[0]


def test_a_film_of_another_codec_has_no_copy_when_one_segment_is_too_large_because_nothing_can_stand_in():
    assert copied_in_pieces_of(1, 2, codec="hevc").video[0].copied
    assert not copied_in_pieces_of(1, 200, codec="hevc").video[0].copied


# Memory


def test_the_memory_that_a_long_film_takes_is_told_to_a_fifth():
    tracemalloc.start()
    try:
        copy = VideoCopy("avc1.64001f", array("q", range(0, 92_160_000, 25_600)), array("q", range(3600)))
        times = array("q", range(0, 92_160_000, 512))
        film = replace(video_track(), end=Fraction(7200), frame_times=times, copy=copy)
        presentation = offer(film, audio_track(end=Fraction(7200)), audio_track(end=Fraction(7200)))
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert presentation.size_in_memory == pytest.approx(taken, rel=0.2)
    assert presentation.media.size_in_memory > len(times) * times.itemsize
