"""Where a file is cut: at real frames, at even steps, in exact numbers."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hls_sessions.media import AudioTrack, Media, VideoCopy, VideoTrack, timeline
from hls_sessions.media.timeline import RAMP

AAC = Fraction(1024, 48_000)
"""Seconds in one AAC frame at 48 kHz."""


def video_track(times, time_base=Fraction(1, 12_800), *, end=None, rate=Fraction(25), indexed=True) -> VideoTrack:
    """Video whose frames begin at these ticks; the last is shown as long as the one before it."""
    end = times[-1] + (times[-1] - times[-2] if len(times) > 1 else 1) if end is None else end
    return VideoTrack(
        index=0,
        codec="h264",
        width=320,
        height=180,
        time_base=time_base,
        start=times[0] * time_base,
        end=end * time_base,
        frame_rate=rate,
        frame_times=array("q", times) if indexed else None,
    )


def steady(rate: str, seconds: float, *, start: Fraction = Fraction(0), indexed=True) -> VideoTrack:
    """Video of a constant frame rate, each frame at its own tick of 1/90000 s."""
    fps, base = Fraction(rate), Fraction(1, 90_000)
    frames = max(1, int(Fraction(seconds) * fps))
    times = [int(start / base) + round(number / fps / base) for number in range(frames + 1)]
    return video_track(times[:-1], base, end=times[-1], rate=fps, indexed=indexed)


def audio_track(start=Fraction(0), end=Fraction(10)) -> AudioTrack:
    return AudioTrack(index=1, codec="aac", channels=2, sample_rate=44_100, start=start, end=end)


def film(video: VideoTrack | None = None, *audio: AudioTrack) -> Media:
    return Media(Path("/films/one.mp4"), "mov,mp4", Fraction(0), video, audio)


def seconds(cuts) -> list[float]:
    return [float(time) for time in cuts.times]


# The ramp and the even steps after it


def test_the_first_segments_last_half_a_second_each_then_one_and_the_others_two():
    assert seconds(timeline(film(steady("24", 9))).video) == [0, 0.5, 1, 2, 4, 6, 8, 9]


def test_longer_segments_keep_the_short_beginning():
    cuts = timeline(film(steady("24", 16)), Fraction(6)).video

    assert seconds(cuts) == [0, 0.5, 1, 2, 8, 14, 16]


def test_no_segment_of_the_ramp_is_longer_than_the_others():
    assert seconds(timeline(film(steady("24", 4)), Fraction(1)).video) == [0, 0.5, 1, 2, 3, 4]


def test_a_file_that_begins_later_on_its_own_clock_is_cut_the_same_from_there():
    cuts = timeline(film(steady("24", 5, start=Fraction(100)))).video

    assert seconds(cuts) == [100, 100.5, 101, 102, 104, 105]


def test_audio_alone_is_cut_at_the_same_steps():
    (cuts,) = timeline(film(None, audio_track(end=Fraction(5)))).audio

    assert [float(time) for time in cuts.times] == pytest.approx([0, 0.5, 1, 2, 4, 5], abs=float(AAC))


# Boundaries are real frames


@pytest.mark.parametrize("rate", ["25", "30000/1001", "24000/1001", "60", "50", "12", "1", "1/3", "1/10"])
@pytest.mark.parametrize("indexed", [True, False], ids=["indexed", "reckoned"])
def test_every_boundary_is_the_time_of_a_frame(rate, indexed):
    video = steady(rate, 40)
    frames = {tick * video.time_base for tick in video.frame_times}

    cuts = timeline(film(steady(rate, 40, indexed=indexed))).video

    assert set(cuts.times[:-1]) <= frames
    assert cuts.exact == indexed


@pytest.mark.parametrize("rate", ["30000/1001", "24000/1001"])
def test_boundaries_are_the_frames_nearest_to_the_wanted_grid(rate):
    video = steady(rate, 20)

    cuts = timeline(film(video)).video

    wanted = [0, Fraction(1, 2), 1, 2, 4, 6, 8, 10, 12, 14, 16, 18]
    nearest = [min(video.frame_times, key=lambda tick: abs(tick * video.time_base - time)) for time in wanted]
    assert cuts.times[:-1] == tuple(tick * video.time_base for tick in nearest)


def test_boundaries_are_exact_in_the_ticks_of_the_file():
    cuts = timeline(film(steady("30000/1001", 5))).video

    assert cuts.times[2:4] == (Fraction(1001, 1000), Fraction(2002, 1000))
    assert all(isinstance(time, Fraction) for time in cuts.times)


def test_irregular_frames_are_cut_at_the_ones_nearest_to_the_grid():
    hundredths = Fraction(1, 100)
    video = video_track([0, 30, 95, 130, 190, 380, 395, 420, 590, 640], hundredths)

    assert seconds(timeline(film(video)).video) == [0, 0.3, 0.95, 1.9, 3.95, 5.9, 6.9]


def test_a_frame_that_is_shown_for_long_makes_one_long_segment():
    video = video_track([0, 25, 50, 1000, 1025], Fraction(1, 25), rate=Fraction(25))

    assert seconds(timeline(film(video)).video) == [0, 1, 2, 40, 42]


def test_frames_shown_for_longer_than_a_segment_are_cut_only_where_they_begin():
    cuts = timeline(film(steady("1/5", 20))).video

    assert seconds(cuts) == [0, 5, 10, 15, 20]
    assert cuts.counts == (1, 1, 1, 1)


def test_a_film_of_one_frame_is_one_segment():
    cuts = timeline(film(video_track([0], end=512))).video

    assert cuts.times == (0, Fraction(1, 25))
    assert cuts.counts == (1,)


def test_a_film_of_one_frame_without_an_index_is_one_segment():
    cuts = timeline(film(video_track([0], end=512, indexed=False))).video

    assert cuts.times == (0, Fraction(1, 25))
    assert cuts.counts is None


def test_a_film_shorter_than_its_first_segment_is_one_segment():
    assert seconds(timeline(film(steady("25", 0.4))).video) == [0, 0.4]


def test_a_last_piece_that_is_not_worth_a_request_joins_the_one_before_it():
    assert seconds(timeline(film(steady("50", 4.36))).video) == [0, 0.5, 1, 2, 4.36]
    assert seconds(timeline(film(steady("50", 4.40))).video) == [0, 0.5, 1, 2, 4, 4.40]


@pytest.mark.parametrize(("shortest", "ticks"), [(1, 0.25), (2, 0.25), (4, 1.25), (10, 4.25)])
def test_a_cut_is_asked_for_less_than_half_the_shortest_frame_early_and_at_no_tick(shortest, ticks):
    video = video_track([0, 10, 40, 50, 50 + shortest, 100, 230], Fraction(1, 100))

    assert timeline(film(video)).video.slack * 100 == ticks


# Audio


def test_audio_is_cut_at_the_first_aac_frame_at_or_after_each_cut_of_the_video():
    cut = timeline(film(steady("25", 10), audio_track()))

    for boundary, time in zip(cut.video.times[1:-1], cut.audio[0].times[1:-1], strict=True):
        assert 0 <= time - boundary < AAC
        assert (time / AAC).denominator == 1


def test_the_grid_of_audio_counts_from_its_first_sample():
    start = Fraction(100_001, 48_000)

    (cuts,) = timeline(film(steady("25", 10), audio_track(start=start))).audio

    assert {((time - start) / AAC).denominator for time in cuts.times[cuts.leading : -1]} == {1}


def test_audio_that_starts_between_two_samples_counts_from_the_nearest():
    (cuts,) = timeline(film(None, audio_track(start=Fraction(2_023, 1000)), audio_track())).audio[:1]

    assert cuts.first == Fraction(97_104, 48_000)


def test_the_time_before_late_audio_is_cut_like_the_rest_and_the_audio_begins_a_segment():
    cut = timeline(film(steady("25", 20), audio_track(start=Fraction(7), end=Fraction(20))))

    (cuts,) = cut.audio
    assert cuts.leading == 6
    assert cuts.times[:7] == (0, Fraction(1, 2), 1, 2, 4, 6, 7)
    assert cuts.start(0) == 0
    assert cuts.first == cuts.start(6) == 7
    assert 8 <= cuts.times[7] < 8 + AAC
    assert cuts.longest() < 2 + AAC


def test_the_first_segment_of_late_audio_holds_no_priming():
    (late,) = timeline(film(steady("25", 20), audio_track(start=Fraction(7), end=Fraction(20)))).audio

    assert late.counts[: late.leading] == (0,) * late.leading
    assert late.counts[late.leading] == (late.times[late.leading + 1] - late.first) / AAC


def test_the_first_segment_of_late_video_lasts_until_it_begins_and_audio_is_cut_all_the_same():
    cut = timeline(film(steady("25", 10, start=Fraction(3)), audio_track(end=Fraction(13))))

    assert cut.video.leading == 0
    assert cut.video.start(0) == 0  # its first frame is shown from the beginning on
    assert cut.video.times[:2] == (0, 4)
    assert [int(time) for time in cut.audio[0].times[:6]] == [0, 0, 1, 2, 4, 6]


def test_audio_that_is_hardly_late_begins_with_silence():
    (cuts,) = timeline(film(steady("25", 20), audio_track(start=Fraction(1, 3), end=Fraction(20)))).audio

    assert cuts.leading == 0
    assert cuts.first == cuts.start(0) == 0


def test_audio_that_ends_early_is_followed_by_segments_without_it_to_the_end_of_the_film():
    cut = timeline(film(steady("25", 20), audio_track(end=Fraction(5))))

    (cuts,) = cut.audio
    assert cuts.times[-1] == 20
    assert cuts.trailing == len(cuts) - 5
    assert list(cuts.made) == [0, 1, 2, 3, 4]
    assert cuts.end(cuts.last_of_track) >= 5


def test_the_last_frame_of_video_that_ends_early_is_held_to_the_end_of_the_film_in_even_segments_of_one_frame():
    alone = timeline(film(steady("25", 5))).video

    cuts = timeline(film(steady("25", 5), audio_track(end=Fraction(13)))).video

    assert cuts.times[: len(alone)] == alone.times[:-1]
    assert cuts.times[len(alone) :] == (5, 7, 9, 11, 13)
    assert cuts.held == 4
    assert cuts.counts == (*alone.counts, 1, 1, 1, 1)
    assert cuts.last_of_track == len(alone) - 1


@pytest.mark.parametrize("codec", ["hevc", "av1", "vp9"])
def test_video_that_ends_early_is_not_copied_if_its_last_frame_cannot_be_encoded_to_its_codec(codec):
    copy = VideoCopy(codec, array("q", range(0, 64_000, 12_800)), array("q", range(5)))
    video = replace(steady("25", 5), codec=codec, copy=copy)

    cut = timeline(film(video, audio_track(end=Fraction(13))))

    assert cut.copied is None
    assert cut.uncopied == "it ends before the audio does"
    assert timeline(film(video, audio_track(end=Fraction(5)))).copied is not None


def test_video_that_ends_hardly_before_the_audio_is_cut_as_if_it_were_alone():
    alone = timeline(film(steady("25", 5))).video

    assert timeline(film(steady("25", 5), audio_track(end=Fraction(21, 4)))).video == alone


def test_audio_that_outlasts_the_video_is_cut_where_the_last_frame_is_held():
    cut = timeline(film(steady("25", 5), audio_track(end=Fraction(13))))

    assert [int(time) for time in cut.audio[0].times] == [0, 0, 1, 2, 4, 5, 7, 9, 11, 13]


def test_a_last_piece_of_audio_shorter_than_two_frames_joins_the_one_before():
    (cuts,) = timeline(film(None, audio_track(end=4 + 2 * AAC))).audio

    assert len(cuts) == 4
    assert cuts.times[-1] == 4 + 2 * AAC


def test_audio_shorter_than_an_aac_frame_is_one_segment():
    (cuts,) = timeline(film(None, audio_track(end=Fraction(1, 100)))).audio

    assert cuts.times == (0, Fraction(1, 100))


def test_a_segment_of_audio_says_how_many_aac_frames_it_holds():
    (cuts,) = timeline(film(None, audio_track())).audio

    grid = [round(time / AAC) for time in cuts.times[:-1]]
    # The first also holds the encoder's priming, and the last is as long as the audio turns out to be.
    assert cuts.counts == (grid[1] + 1, *(after - before for before, after in pairwise(grid[1:])), 0)


# Asking


def test_the_segment_at_a_time_is_the_one_shown_then():
    cuts = timeline(film(steady("24", 9))).video

    assert [cuts.at(time) for time in (0, 0.49, 0.5, 0.99, 1, 1.5, 2, 3.99, 4, 8.5)] == [0, 0, 1, 1, 2, 2, 3, 3, 4, 6]


def test_a_time_is_counted_from_the_beginning_of_the_presentation():
    assert timeline(film(steady("25", 9, start=Fraction(100)))).video.at(4.5) == 4


def test_after_the_end_the_last_segment_is_shown():
    cuts = timeline(film(steady("25", 9))).video

    assert cuts.at(9) == cuts.at(1e6) == len(cuts) - 1


def test_before_the_beginning_the_first_segment_is_shown():
    assert timeline(film(steady("25", 9))).video.at(-0.5) == 0


def test_a_reach_of_seconds_ends_at_the_last_segment_that_begins_within_it():
    cuts = timeline(film(steady("24", 20))).video

    assert cuts.reaching(0, 0.5) == 0
    assert cuts.reaching(0, 5) == 4
    assert cuts.reaching(3, 5) == 5


def test_a_reach_never_goes_past_the_last_segment():
    cuts = timeline(film(steady("25", 9))).video

    assert cuts.reaching(0, 1e6) == cuts.reaching(len(cuts) - 1, 1) == len(cuts) - 1


def test_only_the_last_segment_is_the_last():
    cuts = timeline(film(steady("25", 9))).video

    assert [cuts.is_last(number) for number in range(len(cuts))] == [False] * 6 + [True]


def test_a_segment_ends_where_the_next_begins():
    cuts = timeline(film(steady("30000/1001", 9))).video

    assert all(cuts.end(number) == cuts.start(number + 1) for number in range(len(cuts) - 1))


# Properties of every file


@st.composite
def video_tracks(draw) -> VideoTrack:
    base = draw(st.sampled_from([Fraction(1, n) for n in (25, 600, 1000, 12_800, 30_000, 90_000)]))
    steps = st.integers(1, int(8 / base))
    steady_step = draw(steps)
    regular = st.lists(st.just(steady_step), max_size=150)
    gaps = draw(st.one_of(regular, st.lists(steps, max_size=40)))
    times = [draw(st.integers(0, 10**6))]
    for gap in gaps:
        times.append(times[-1] + gap)
    # The frame rate that a container announces need not be true.
    rate = draw(st.one_of(st.just(1 / (steady_step * base)), st.fractions(Fraction(1, 10), 240, max_denominator=1001)))
    return video_track(times, base, end=times[-1] + draw(steps), rate=rate, indexed=draw(st.booleans()))


@st.composite
def audio_tracks(draw) -> AudioTrack:
    start = draw(st.fractions(0, 50, max_denominator=90_000))
    return audio_track(start, start + draw(st.fractions(Fraction(1, 1000), 60, max_denominator=90_000)))


@st.composite
def films(draw) -> Media:
    video = draw(st.one_of(st.none(), video_tracks()))
    return film(video, *draw(st.lists(audio_tracks(), min_size=0 if video else 1, max_size=2)))


lengths = st.fractions(1, 12, max_denominator=1000)


def every(cut):
    return [*([cut.video] if cut.video else []), *cut.audio]


@given(films(), lengths)
def test_boundaries_strictly_increase_from_the_origin_to_the_end_of_the_film(media, length):
    cut = timeline(media, length)

    assert cut.origin == min(track.start for track in media.tracks)
    for cuts in every(cut):
        assert cuts.times[0] == cut.origin
        assert media.end - Fraction(2, 5) < cuts.times[-1] <= media.end
        assert all(before < after for before, after in pairwise(cuts.times))


@given(films(), lengths)
def test_the_lengths_of_a_tracks_segments_add_up_to_the_films(media, length):
    cut = timeline(media, length)

    for cuts in every(cut):
        assert sum(cuts.lengths()) == cuts.times[-1] - cut.origin
        assert len(list(cuts.lengths())) == len(cuts)
        assert max(cuts.lengths()) == cuts.longest() <= cut.longest


@given(video_tracks().filter(lambda video: video.frame_times), lengths)
def test_every_frame_is_in_exactly_one_segment_and_every_segment_has_frames(video, length):
    cuts = timeline(film(video), length).video

    frames = [tick * video.time_base for tick in video.frame_times]
    segments = [bisect_right(cuts.times, frame) - 1 for frame in frames]
    assert cuts.counts == tuple(segments.count(number) for number in range(len(cuts)))
    assert min(cuts.counts) > 0
    assert sum(cuts.counts) == len(frames)


@given(video_tracks().filter(lambda video: video.frame_times), lengths)
def test_every_segment_begins_with_a_real_frame(video, length):
    cuts = timeline(film(video), length).video

    frames = {tick * video.time_base for tick in video.frame_times}
    assert {cuts.start(number) for number in range(len(cuts))} <= frames


@given(video_tracks().filter(lambda video: video.frame_times), lengths)
def test_a_cut_asked_for_its_slack_early_falls_between_two_frames(video, length):
    cuts = timeline(film(video), length).video

    frames = [tick * video.time_base for tick in video.frame_times]
    for number in range(1, len(cuts)):
        asked = cuts.start(number) - cuts.slack
        rounded = round(asked / video.time_base) * video.time_base
        assert frames[bisect_right(frames, asked)] == cuts.start(number)
        assert frames[bisect_left(frames, rounded)] == cuts.start(number)


@given(films(), lengths)
def test_every_cut_of_audio_is_on_its_own_grid_of_aac_frames(media, length):
    for track, cuts in zip(media.audio, timeline(media, length).audio, strict=True):
        begins = track.start if track.start - media.start > RAMP[0] else media.start
        assert abs(cuts.first - begins) <= Fraction(1, 96_000)
        own = cuts.times[cuts.leading + 1 :]
        assert {((time - cuts.first) / AAC).denominator for time in own[:-1]} <= {1}
        assert all(time > cuts.first for time in own)


@given(films().filter(lambda media: media.video and media.audio), lengths)
def test_no_audio_is_cut_before_the_video_is_while_both_last(media, length):
    cut = timeline(media, length)

    for cuts in cut.audio:
        within = [time for time in cuts.times[cuts.leading + 1 : -1] if media.video.start < time < cut.video.times[-1]]
        assert all(any(0 <= time - boundary < AAC for boundary in cut.video.times[1:-1]) for time in within)


@given(st.integers(1, 10), st.fractions(Fraction(1), Fraction(120), max_denominator=1001))
def test_steady_video_has_no_segment_longer_than_wanted_by_more_than_a_frame(length, rate):
    cuts = timeline(film(steady(str(rate), 30)), Fraction(length)).video

    assert cuts.longest() <= length + 1 / rate + Fraction(1, 90_000)
