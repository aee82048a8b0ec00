"""Which thumbnails a film has, and how players are told of them."""

from __future__ import annotations

from fractions import Fraction

import m3u8
import pytest

from hls_sessions.media import Thumbnails


def film(seconds: float, origin: str = "0") -> Thumbnails:
    return Thumbnails(Fraction(origin), Fraction(seconds), 320, 180)


@pytest.mark.parametrize(
    ("seconds", "interval", "many"),
    [(0.04, 1, 1), (59.5, 1, 60), (600, 5, 120), (3600, 10, 360), (48 * 3600, 10, 17_280)],
)
def test_a_film_has_some_hundred_of_them_that_are_one_to_ten_seconds_apart(seconds, interval, many):
    assert (film(seconds).interval, len(film(seconds))) == (interval, many)


def test_each_stands_for_the_keyframe_before_the_middle_of_its_interval_on_the_files_clock():
    assert film(60, origin="7/5").one(3).times == (Fraction(7, 5) + Fraction(7, 2),)
    assert film(60).at(3.9) == film(60).one(3)


def test_a_position_before_the_beginning_or_after_the_end_is_shown_by_the_nearest():
    assert film(60).at(-5) == film(60).one(0)
    assert film(60).at(1e9) == film(60).one(59)


def test_none_is_of_a_time_after_the_end():
    assert film(59.2).one(59).times == (Fraction(59.2),)


def test_a_sheet_has_sixteen_and_the_last_one_what_is_left():
    assert [len(film(60).sheet(number).times) for number in range(film(60).sheets)] == [16, 16, 16, 12]


@pytest.mark.parametrize("number", [-1, 60])
def test_a_thumbnail_that_there_is_not_is_an_error(number):
    with pytest.raises(IndexError):
        film(60).one(number)


def test_a_sheet_that_there_is_not_is_an_error():
    with pytest.raises(IndexError):
        film(60).sheet(4)


def test_the_image_playlist_covers_the_film_to_its_end():
    playlist = m3u8.loads(film(1234.5).playlist())

    assert playlist.is_i_frames_only
    assert playlist.is_endlist
    assert len(playlist.segments) == len(film(1234.5))
    assert sum(segment.duration for segment in playlist.segments) == pytest.approx(1234.5)
    assert max(segment.duration for segment in playlist.segments) <= playlist.target_duration


def test_the_track_names_the_place_of_each_in_its_sheet():
    blocks = film(60).track().split("\n\n")

    assert blocks[1] == "00:00:00.000 --> 00:00:01.000\nsheet-0.jpg#xywh=0,0,320,180"
    assert blocks[7] == "00:00:06.000 --> 00:00:07.000\nsheet-0.jpg#xywh=640,180,320,180"
    assert blocks[17] == "00:00:16.000 --> 00:00:17.000\nsheet-1.jpg#xywh=0,0,320,180"
    assert len(blocks) == 61
