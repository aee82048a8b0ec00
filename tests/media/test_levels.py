"""The level told in CODECS, against table A-1 of ITU-T H.264."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hls_sessions.media.levels import LEVELS, level_for

# Level: MaxMBPS, MaxFS, MaxBR. MaxBR counts 1,000 bits for the Main profile and 1,250 for High (A.3.3).
TABLE_A_1 = {
    "1": (1_485, 99, 64),
    "1.1": (3_000, 396, 192),
    "1.2": (6_000, 396, 384),
    "1.3": (11_880, 396, 768),
    "2": (11_880, 396, 2_000),
    "2.1": (19_800, 792, 4_000),
    "2.2": (20_250, 1_620, 4_000),
    "3.0": (40_500, 1_620, 10_000),
    "3.1": (108_000, 3_600, 14_000),
    "3.2": (216_000, 5_120, 20_000),
    "4.0": (245_760, 8_192, 20_000),
    "4.1": (245_760, 8_192, 50_000),
    "4.2": (522_240, 8_704, 50_000),
    "5.0": (589_824, 22_080, 135_000),
    "5.1": (983_040, 36_864, 240_000),
    "5.2": (2_073_600, 36_864, 240_000),
    "6": (4_177_920, 139_264, 240_000),
    "6.1": (8_355_840, 139_264, 480_000),
    "6.2": (16_711_680, 139_264, 800_000),
}


@pytest.mark.parametrize("level", LEVELS, ids=lambda level: level.name)
def test_a_level_is_a_row_of_the_table_for_the_high_profile(level):
    per_second, macroblocks, bit_rate = TABLE_A_1[level.name]

    assert level.macroblocks_per_second == per_second
    assert level.macroblocks == macroblocks
    assert level.bit_rate == bit_rate * 1_250
    assert level.idc == round(float(level.name) * 10)


def test_each_level_holds_all_that_the_one_before_holds():
    for before, after in pairwise(LEVELS):
        assert all(low <= high for low, high in zip(before[2:], after[2:], strict=True))


@pytest.mark.parametrize(
    ("video", "name"),
    [
        ((352, 288, 30, 500_000), "1.3"),
        ((352, 288, 30, 961_000), "2.1"),
        ((352, 288, 31, 500_000), "2.1"),
        ((352, 304, 25, 500_000), "2.1"),
        ((1280, 720, 30, 5_000_000), "3.1"),
        ((1280, 720, Fraction(30001, 1000), 5_000_000), "3.2"),
        ((1920, 1080, 30, 10_000_000), "4.0"),
        ((1920, 1080, 30, 26_000_000), "4.2"),
        ((4096, 2304, 24, 50_000_000), "5.1"),
        ((7680, 4320, 60, 100_000_000), "6.2"),
    ],
)
def test_the_lowest_level_that_holds_size_rate_and_bits_is_told(video, name):
    width, height, rate, bits = video

    assert level_for(width, height, Fraction(rate), bits).name == name


def test_a_part_of_a_macroblock_counts_as_a_whole_one():
    assert level_for(352, 289, Fraction(25), 500_000).name == "2.1"


def test_a_wide_strip_needs_a_level_whose_rows_are_that_long():
    # A.3.1: neither side is longer than the square root of eight times MaxFS.
    assert level_for(4096, 16, Fraction(25), 500_000).name == "4.0"
    assert level_for(16, 4096, Fraction(25), 500_000).name == "4.0"


def test_video_that_no_level_holds_is_told_as_the_highest():
    assert level_for(16_384, 16_384, Fraction(60), 10**9).name == "6.2"


@given(
    st.integers(1, 8192),
    st.integers(1, 4320),
    st.fractions(1, 120, max_denominator=1001),
    st.integers(1, 300_000_000),
)
def test_more_of_anything_never_lowers_the_level(width, height, rate, bits):
    level = level_for(width, height, rate, bits).idc

    assert level_for(width + 16, height, rate, bits).idc >= level
    assert level_for(width, height + 16, rate, bits).idc >= level
    assert level_for(width, height, rate * 2, bits).idc >= level
    assert level_for(width, height, rate, bits * 2).idc >= level
