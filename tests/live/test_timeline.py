"""The timeline of a recording grows, and nothing in it ever changes."""

from __future__ import annotations

import re
import sys
import threading
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from itertools import pairwise

import m3u8
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hls_sessions.live import GrowingTimeline, live_playlist
from hls_sessions.live.timeline import PartialSegment

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
KINDS = ("video", "audio")

lengths = st.lists(st.integers(24_000, 192_000).map(lambda ticks: Fraction(ticks, 48_000)), min_size=1, max_size=12)
parts = st.lists(
    st.tuples(st.integers(-90_000, 9_000_000).map(lambda ticks: Fraction(ticks, 90_000)), lengths),
    min_size=1,
    max_size=4,
)
"""Of each part, when it begins on its clock and how long its segments are."""


def grown(*described, target=4) -> GrowingTimeline:
    timeline = GrowingTimeline(target)
    for number, (origin, each) in enumerate(described):
        timeline.begin_part(number, origin, NOON + timedelta(hours=number), KINDS)
        end = origin
        for length in each:
            end += length
            timeline.add(end)
    return timeline


ONE = grown((Fraction(5), [Fraction(2)] * 10))
TWO = grown((Fraction(5), [Fraction(2)] * 3), (Fraction(0), [Fraction(3, 2)] * 3))


@settings(max_examples=25)
@given(parts)
def test_segments_follow_one_another_through_all_parts(described):
    timeline = grown(*described)
    wanted = [length for _, each in described for length in each]

    assert len(timeline) == len(wanted)
    assert [timeline.length(number) for number in range(len(timeline))] == wanted
    assert timeline.duration == sum(wanted)
    firsts = [part.first for part in timeline.parts]
    assert [timeline.begins(first) for first in firsts] == [origin for origin, _ in described]


@settings(max_examples=25)
@given(parts)
def test_what_a_playlist_has_said_it_goes_on_saying(described):
    timeline, whole = GrowingTimeline(4), grown(*described)
    said = [live_playlist(timeline, "video")]
    for part in whole.parts:
        timeline.begin_part(part.number, part.origin, part.began_at, part.kinds)
        following = [other.first for other in whole.parts if other.first > part.first]
        for number in range(part.first, min(following, default=len(whole))):
            timeline.add(whole.ends[number])
            said.append(live_playlist(timeline, "video"))
    timeline.is_over = True
    said.append(live_playlist(timeline, "video"))

    assert all(after.startswith(before) for before, after in pairwise(said))
    assert said[-1].endswith("#EXT-X-ENDLIST\n")


@settings(max_examples=25)
@given(parts)
def test_a_playlist_tells_the_length_of_every_segment(described):
    timeline = grown(*described)
    read = m3u8.loads(live_playlist(timeline, "audio"))

    assert read.playlist_type == "event"
    assert read.target_duration == 4
    assert [segment.uri for segment in read.segments] == [f"{number}.m4s" for number in range(len(timeline))]
    for number, segment in enumerate(read.segments):
        assert abs(segment.duration - timeline.length(number)) < 1e-6
        assert round(segment.duration) <= read.target_duration
        assert segment.discontinuity == (number in {part.first for part in timeline.parts[1:]})
        told = segment.current_program_date_time - timeline.began_at(number)
        assert abs(told.total_seconds()) < 0.002 * (number + 1)


def test_a_part_has_an_init_segment_of_its_own():
    read = m3u8.loads(live_playlist(TWO, "video"))

    assert [segment.init_section.uri for segment in read.segments] == ["init.mp4"] * 3 + ["init-1.mp4"] * 3


def test_a_rendition_that_a_part_lacks_is_a_gap_there():
    timeline = grown((Fraction(0), [Fraction(2)]))
    timeline.begin_part(1, Fraction(0), NOON, ("audio",))
    timeline.add(Fraction(2))

    read = m3u8.loads(live_playlist(timeline, "video"))

    assert [bool(segment.gap_tag) for segment in read.segments] == [False, True]


@pytest.mark.parametrize(("window", "first"), [(0, 0), (7, 4), (12, 4), (13, 3), (100, 0)])
def test_a_playlist_may_slide_and_never_holds_less_than_players_need(window, first):
    read = m3u8.loads(live_playlist(ONE, "video", window))

    assert read.media_sequence == first
    assert [segment.uri for segment in read.segments] == [f"{number}.m4s" for number in range(first, 10)]
    assert (read.playlist_type is None) == bool(window)
    assert read.segments[0].init_section.uri == "init.mp4"
    assert read.segments[0].program_date_time == NOON + timedelta(seconds=2 * first)


def test_a_playlist_that_slides_counts_the_discontinuities_before_it():
    read = m3u8.loads(live_playlist(grown(*[(Fraction(0), [Fraction(2)] * 6)] * 3), "video", 1))

    # The second is still before the first segment.
    assert (read.media_sequence, read.discontinuity_sequence) == (12, 1)
    assert read.segments[0].discontinuity
    later = m3u8.loads(live_playlist(grown(*[(Fraction(0), [Fraction(2)] * 7)] * 3), "video", 1))
    assert (later.media_sequence, later.discontinuity_sequence) == (15, 2)
    assert read.segments[0].init_section.uri == "init-2.mp4"


def test_what_has_slid_out_of_a_playlist_does_not_come_back_at_the_end():
    timeline = grown((Fraction(0), [Fraction(2)] * 10))
    timeline.is_over = True

    read = m3u8.loads(live_playlist(timeline, "video", 12))

    assert (read.media_sequence, len(read.segments), read.is_endlist) == (4, 6, True)


@pytest.mark.parametrize("length", [Fraction(0), Fraction(-1), Fraction(46, 10)])
def test_a_segment_that_breaks_what_was_promised_is_refused(length):
    timeline = grown((Fraction(0), [Fraction(2)]))

    with pytest.raises(ValueError, match="cannot be added"):
        timeline.add(Fraction(2) + length)
    assert len(timeline) == 1


def test_nothing_is_added_when_it_is_over_or_to_an_earlier_part():
    timeline = grown((Fraction(0), [Fraction(2)]))
    with pytest.raises(ValueError, match="cannot be added"):
        timeline.begin_part(0, Fraction(0), NOON, KINDS)
    timeline.is_over = True
    with pytest.raises(ValueError, match="nothing"):
        timeline.add(Fraction(4))
    with pytest.raises(ValueError, match="cannot be added"):
        timeline.begin_part(1, Fraction(0), NOON, KINDS)


# ---- parts

HALF = Fraction(1, 2)


def add_parts(timeline, parts=4):
    """Add a segment in parts of half a second."""
    segment = len(timeline)
    begins = timeline.begins(segment)
    for number in range(1, parts + 1):
        opens = {"video": number == 1, "audio": True}
        if number == parts:
            timeline.add(begins + parts * HALF)
        timeline.add_partial(segment, PartialSegment(begins + number * HALF, opens))


def hint(playlist: str) -> tuple[int, int]:
    segment, part = re.search(r'PRELOAD-HINT:TYPE=PART,URI="(\d+)\.(\d+)\.m4s"', playlist).groups()
    return int(segment), int(part)


def test_the_parts_of_a_segment_are_named_before_it_and_those_of_the_next_after_the_last():
    timeline = grown((Fraction(0), []))
    add_parts(timeline, 2)
    timeline.add_partial(1, PartialSegment(Fraction(3, 2), {"audio": True}))

    lines = live_playlist(timeline, "video", part_target=HALF).splitlines()

    assert lines[lines.index('#EXT-X-MAP:URI="init.mp4"') + 2 :] == [
        '#EXT-X-PART:DURATION=0.500000,URI="0.0.m4s",INDEPENDENT=YES',
        '#EXT-X-PART:DURATION=0.500000,URI="0.1.m4s"',
        "#EXTINF:1.000000,",
        "0.m4s",
        '#EXT-X-PART:DURATION=0.500000,URI="1.0.m4s",GAP=YES',
        '#EXT-X-PRELOAD-HINT:TYPE=PART,URI="1.1.m4s"',
        '#EXT-X-RENDITION-REPORT:URI="../audio/index.m3u8",LAST-MSN=1,LAST-PART=0',
    ]


def test_parts_are_offered_for_three_target_durations():
    timeline = grown((Fraction(0), []))
    for _ in range(20):
        add_parts(timeline)

    named = set(re.findall(r'PART:DURATION=.*URI="(\d+)\.', live_playlist(timeline, "video", part_target=HALF)))

    assert named == {str(number) for number in range(14, 20)}


def test_at_the_end_no_part_is_offered():
    timeline = grown((Fraction(0), []))
    add_parts(timeline)
    timeline.is_over = True

    playlist = live_playlist(timeline, "video", part_target=HALF)

    assert "#EXT-X-PART:" not in playlist
    assert "PRELOAD-HINT" not in playlist
    assert playlist.endswith("#EXT-X-ENDLIST\n")


def test_a_playlist_that_is_written_while_the_timeline_grows_leaves_nothing_out():
    timeline, interval = grown((Fraction(0), [])), sys.getswitchinterval()
    growing = threading.Thread(target=lambda: [add_parts(timeline) for _ in range(300)])
    sys.setswitchinterval(1e-6)
    try:
        growing.start()
        while growing.is_alive():
            playlist = live_playlist(timeline, "video", part_target=HALF)
            whole = [int(number) for number in re.findall(r"^(\d+)\.m4s$", playlist, re.MULTILINE)]
            begun = re.findall(r'PART:DURATION=[\d.]+,URI="(\d+)\.(\d+)\.', playlist)
            segment, part = hint(playlist)
            assert whole == list(range(segment))
            assert [int(number) for of, number in begun if int(of) == segment] == list(range(part))
            assert part < 4
    finally:
        sys.setswitchinterval(interval)
        growing.join()
