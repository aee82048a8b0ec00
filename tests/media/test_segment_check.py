"""Which files of a run become segments. Boundaries are two seconds apart, at 25 frames a second."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
from boxes import picture

from hls_sessions.media import OFFSET, Cuts, Segment
from hls_sessions.media.segment_check import PRIMING, TOLERANCE, Refused, check_segment, is_short

FRAME = Fraction(1, 25)
ORIGIN = Fraction(10)
"""The file's time at which the presentation begins."""
TIMES = tuple(ORIGIN + 2 * n for n in range(4))
KNOWN = Cuts(TIMES, first=ORIGIN, slack=FRAME / 2, counts=(50, 50, 50))
"""Every frame's time is known."""
EXPECTED = replace(KNOWN, counts=None)
"""The frames' times are only expected."""
TRACK = b"trak"


def segment(number=1, *, late=Fraction(0), frames=50, keyframe=True, track=TRACK):
    first = 2 * number + OFFSET + late
    return Segment(
        head=100,
        track=track,
        first=first,
        end=first + frames * FRAME,
        samples=frames,
        starts_with_keyframe=keyframe,
    )


@pytest.mark.parametrize("cuts", [KNOWN, EXPECTED])
@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_segment_that_begins_at_its_boundary_passes(number, cuts):
    check_segment(segment(number), number, cuts, ORIGIN, TRACK)


def test_the_first_segment_of_all_passes_without_an_init_segment():
    check_segment(segment(), 1, KNOWN, ORIGIN, None)


def test_a_segment_without_a_keyframe_first_is_refused():
    with pytest.raises(Refused, match="its first frame is not a keyframe"):
        check_segment(segment(keyframe=False), 1, KNOWN, ORIGIN, TRACK)


def test_a_segment_of_another_codec_configuration_is_refused():
    with pytest.raises(Refused, match="its codec configuration is not the init segment's"):
        check_segment(segment(track=b"other"), 1, KNOWN, ORIGIN, TRACK)


def test_a_segment_that_brings_its_own_parameter_sets_passes_where_the_rest_is_the_init_segments():
    own = replace(segment(track=picture(parameters=b"other")), in_band=True)

    check_segment(own, 1, KNOWN, ORIGIN, picture())


def test_a_segment_that_brings_its_own_parameter_sets_is_refused_where_more_than_they_differ():
    own = replace(segment(track=picture(nal_length=2)), in_band=True)

    with pytest.raises(Refused, match="its time scale, its size or its codec is not the init segment's"):
        check_segment(own, 1, KNOWN, ORIGIN, picture())


@pytest.mark.parametrize("late", [TOLERANCE, -TOLERANCE])
def test_a_first_frame_may_be_off_by_a_millisecond(late):
    check_segment(segment(late=late), 1, KNOWN, ORIGIN, TRACK)


@pytest.mark.parametrize("late", [TOLERANCE * 2, -TOLERANCE * 2, FRAME, -FRAME, Fraction(2), Fraction(-2)])
def test_a_first_frame_that_is_further_off_is_refused(late):
    with pytest.raises(Refused, match=rf"its first frame is {float(late):+.6f} s off its boundary".replace("+", r"\+")):
        check_segment(segment(late=late), 1, KNOWN, ORIGIN, TRACK)


@pytest.mark.parametrize("late", [FRAME, Fraction(3, 2), -FRAME / 2])
def test_where_times_are_only_expected_the_first_frame_is_the_first_after_the_cut(late):
    check_segment(segment(late=late), 1, EXPECTED, ORIGIN, TRACK)


@pytest.mark.parametrize("late", [-FRAME, Fraction(2) + FRAME])
def test_where_times_are_only_expected_a_frame_of_another_segment_is_refused_all_the_same(late):
    with pytest.raises(Refused, match="off its boundary"):
        check_segment(segment(late=late), 1, EXPECTED, ORIGIN, TRACK)


def test_the_first_segment_may_begin_with_the_encoders_priming():
    check_segment(segment(0, late=-PRIMING), 0, KNOWN, ORIGIN, TRACK)


def test_no_other_segment_may_begin_with_priming():
    with pytest.raises(Refused, match="off its boundary"):
        check_segment(segment(late=-PRIMING), 1, KNOWN, ORIGIN, TRACK)


def test_a_segment_with_more_frames_than_the_file_has_there_is_refused():
    with pytest.raises(Refused, match="it holds 51 frames instead of 50"):
        check_segment(segment(frames=51), 1, KNOWN, ORIGIN, TRACK)


@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_segment_with_fewer_frames_than_the_file_has_there_is_refused(number):
    with pytest.raises(Refused, match="it holds 49 frames instead of 50"):
        check_segment(segment(number, frames=49), number, KNOWN, ORIGIN, TRACK)


def test_a_segment_with_fewer_frames_passes_where_the_source_is_known_to_be_damaged():
    check_segment(segment(frames=49), 1, KNOWN, ORIGIN, TRACK, damaged=True)


@pytest.mark.parametrize("late", [FRAME, Fraction(1)])
def test_the_first_segment_begins_at_its_boundary_like_any_other(late):
    with pytest.raises(Refused, match="off its boundary"):
        check_segment(segment(0, late=late), 0, KNOWN, ORIGIN, TRACK)


@pytest.mark.parametrize("late", [KNOWN.slack, -KNOWN.slack])
def test_the_first_segment_of_copied_audio_begins_with_the_packet_nearest_to_the_announced_beginning(late):
    copied = replace(KNOWN, counts=(0, 50, 50))

    check_segment(segment(0, late=late), 0, copied, ORIGIN, TRACK)
    with pytest.raises(Refused, match="off its boundary"):
        check_segment(segment(0, late=2 * FRAME), 0, copied, ORIGIN, TRACK)


def test_a_segment_whose_frames_cannot_be_counted_beforehand_may_hold_any_number():
    check_segment(segment(frames=51), 1, replace(KNOWN, counts=(50, 0, 50)), ORIGIN, TRACK)


@pytest.mark.parametrize(("frames", "short"), [(50, False), (49, True), (1, True)])
def test_a_segment_with_too_few_frames_may_have_been_cut_off(frames, short):
    assert is_short(segment(frames=frames), 1, KNOWN, ORIGIN) is short


@pytest.mark.parametrize(("frames", "short"), [(50, False), (49, False), (47, True), (1, True)])
def test_a_segment_that_ends_long_before_the_next_boundary_may_have_been_cut_off(frames, short):
    assert is_short(segment(frames=frames), 1, EXPECTED, ORIGIN) is short


@pytest.mark.parametrize("cuts", [EXPECTED, replace(KNOWN, counts=(50, 50, 0))])
def test_a_last_segment_without_a_count_may_have_been_cut_off_until_its_run_has_ended(cuts):
    assert is_short(segment(2), 2, cuts, ORIGIN)
    check_segment(segment(2, frames=3), 2, cuts, ORIGIN, TRACK)


def test_a_last_segment_that_is_counted_is_whole_when_it_has_all_its_frames():
    assert not is_short(segment(2), 2, KNOWN, ORIGIN)
    assert is_short(segment(2, frames=49), 2, KNOWN, ORIGIN)


@pytest.mark.parametrize("late", [FRAME, Fraction(3, 2)])
def test_a_segment_whose_beginning_is_damaged_may_begin_within(late):
    check_segment(segment(late=late, frames=10), 1, KNOWN, ORIGIN, TRACK, damaged=True)


@pytest.mark.parametrize("late", [-FRAME, Fraction(2)])
def test_a_segment_whose_beginning_is_damaged_holds_nothing_of_its_neighbours(late):
    with pytest.raises(Refused, match="off its boundary"):
        check_segment(segment(late=late, frames=10), 1, KNOWN, ORIGIN, TRACK, damaged=True)
