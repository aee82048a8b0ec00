"""The H.264 level that a video needs (ITU-T H.264, table A-1), so that CODECS is known before anything is encoded."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from fractions import Fraction


class Level(NamedTuple):
    """One row of table A-1, for the High profile."""

    name: str
    idc: int
    macroblocks_per_second: int
    macroblocks: int
    bit_rate: int
    """Bits per second the High profile may use: 1.25 times the table's MaxBR."""


LEVELS = (
    Level("1.3", 13, 11_880, 396, 960_000),
    Level("2.1", 21, 19_800, 792, 5_000_000),
    Level("3.0", 30, 40_500, 1_620, 12_500_000),
    Level("3.1", 31, 108_000, 3_600, 17_500_000),
    Level("3.2", 32, 216_000, 5_120, 25_000_000),
    Level("4.0", 40, 245_760, 8_192, 25_000_000),
    Level("4.2", 42, 522_240, 8_704, 62_500_000),
    Level("5.0", 50, 589_824, 22_080, 168_750_000),
    Level("5.1", 51, 983_040, 36_864, 300_000_000),
    Level("5.2", 52, 2_073_600, 36_864, 300_000_000),
    Level("6.2", 62, 16_711_680, 139_264, 1_000_000_000),
)


def level_for(width: int, height: int, frame_rate: Fraction, bit_rate: int) -> Level:
    """Return the lowest level that allows such a video. Width and height in pixels, bit rate in bits per second."""
    across, down = ceil(width / 16), ceil(height / 16)
    macroblocks = across * down
    for level in LEVELS:
        if (
            macroblocks <= level.macroblocks
            and max(across, down) ** 2 <= 8 * level.macroblocks  # A.3.1
            and macroblocks * frame_rate <= level.macroblocks_per_second
            and bit_rate <= level.bit_rate
        ):
            return level
    return LEVELS[-1]
