"""The names of copied tracks in CODECS (RFC 6381), and whether players can be expected to take them.

The names are made from the decoder configuration in the file, so they tell its true content.
"""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fractions import Fraction

H264_PROFILES = {66: "Baseline", 77: "Main", 100: "High"}
"""Profiles that every player of the encoded ladder decodes, because that is High (ITU-T H.264, A.2)."""

H264_LEVEL = 52
"""The highest level of H.264 that is copied: the one that the ladder advertises for 2160p60."""

HEVC_PROFILES = {1, 2}
"""Main and Main 10 (ITU-T H.265, A.3)."""

AAC_RATES = (96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350)
"""Samples per second by their index (ISO/IEC 14496-3, table 1.18)."""

AAC_CHANNELS = range(1, 7)
"""Channel configurations that are one fixed layout each, up to 5.1 (table 1.19)."""

# The levels of the VP9 bitstream: number, luma samples a second, luma samples a frame.
_VP9_LEVELS = (
    (10, 829_440, 36_864),
    (11, 2_764_800, 73_728),
    (20, 4_608_000, 122_880),
    (21, 9_216_000, 245_760),
    (30, 20_736_000, 552_960),
    (31, 36_864_000, 983_040),
    (40, 83_558_400, 2_228_224),
    (41, 160_432_128, 2_228_224),
    (50, 311_951_360, 8_912_896),
    (51, 588_251_136, 8_912_896),
    (52, 1_176_502_272, 8_912_896),
    (60, 1_176_502_272, 35_651_584),
    (61, 2_353_004_544, 35_651_584),
    (62, 4_706_009_088, 35_651_584),
)


class NotCopied(Exception):
    """A track cannot be copied; the message says why."""


def video_codecs(codec: str, configuration: bytes, depth: int, size: tuple[int, int], frame_rate: Fraction) -> str:
    """Return the CODECS name of a video track.

    Args:
        codec: its codec, as ffmpeg spells it.
        configuration: its decoder configuration record (avcC, hvcC, av1C); nothing is needed for VP9.
        depth: bits per component; 0 for video that is not 4:2:0.
        size: width and height in pixels.
        frame_rate: frames per second.

    Raises:
        NotCopied: players cannot be expected to take it.
    """
    match codec:
        case "h264":
            return _avc(configuration, depth)
        case "hevc":
            return _hevc(configuration, depth)
        case "av1":
            return _av1(configuration, depth)
        case "vp9":
            return _vp9(depth, size, frame_rate)
        case _:
            raise NotCopied(f"players do not take {codec}")


def audio_codecs(codec: str, configuration: bytes, sample_rate: int) -> str:
    """Return the CODECS name of an audio track.

    Args:
        codec: its codec, as ffmpeg spells it.
        configuration: its AudioSpecificConfig (ISO/IEC 14496-3, 1.6.2.1).
        sample_rate: samples per second that are heard.

    Raises:
        NotCopied: players cannot be expected to take it, or its packets are not of 1024 samples.
    """
    if codec != "aac":
        raise NotCopied(f"players do not take {codec}")
    if len(configuration) < 2:  # noqa: PLR2004 - object type, rate, channels, frame length
        raise NotCopied("it does not carry its parameters as MP4 does")
    bits = int.from_bytes(configuration[:2])
    kind, rate, channels, short = bits >> 11, bits >> 7 & 15, bits >> 3 & 15, bits >> 2 & 1
    # HE-AAC may announce LC and half of the rate that is heard.
    if kind != 2 or rate >= len(AAC_RATES) or AAC_RATES[rate] != sample_rate or short:  # noqa: PLR2004 - LC
        raise NotCopied("it is not AAC of low complexity")
    if channels not in AAC_CHANNELS:
        raise NotCopied("its channels are in no common order")
    return "mp4a.40.2"


def _avc(configuration: bytes, depth: int) -> str:
    if len(configuration) < 7 or configuration[0] != 1:  # noqa: PLR2004 - an avcC box (ISO/IEC 14496-15, 5.3.3)
        raise NotCopied("it does not carry its parameters as MP4 does")
    profile, constraints, level = configuration[1:4]
    if profile not in H264_PROFILES or depth != 8:  # noqa: PLR2004 - bits
        raise NotCopied("players do not take its profile of H.264")
    if level > H264_LEVEL:
        raise NotCopied(f"players do not take H.264 of level {level / 10:g}")
    return f"avc1.{profile:02x}{constraints:02x}{level:02x}"


def _hevc(configuration: bytes, depth: int) -> str:
    if len(configuration) < 23 or configuration[0] != 1:  # noqa: PLR2004 - an hvcC box (ISO/IEC 14496-15, 8.3.3)
        raise NotCopied("it does not carry its parameters as MP4 does")
    space, tier, profile = configuration[1] >> 6, configuration[1] >> 5 & 1, configuration[1] & 31
    if profile not in HEVC_PROFILES or depth not in {8, 10}:
        raise NotCopied("players do not take its profile of HEVC")
    # Annex E.3: the compatibility flags in reverse bit order, the constraint bytes without trailing zeros.
    compatible = int(f"{int.from_bytes(configuration[2:6]):032b}"[::-1], 2)
    constraints = configuration[6:12].rstrip(b"\0")
    parts = [
        "hvc1",
        f"{['', 'A', 'B', 'C'][space]}{profile}",
        f"{compatible:X}",
        f"{'LH'[tier]}{configuration[12]}",
        *(f"{byte:X}" for byte in constraints),
    ]
    return ".".join(parts)


def _av1(configuration: bytes, depth: int) -> str:
    if len(configuration) < 4 or configuration[0] != 0x81:  # noqa: PLR2004 - an av1C box (AV1-ISOBMFF, 2.3)
        raise NotCopied("it does not carry its parameters as MP4 does")
    profile, level, tier = configuration[1] >> 5, configuration[1] & 31, configuration[2] >> 7
    if profile != 0 or depth not in {8, 10}:
        raise NotCopied("players do not take its profile of AV1")
    return f"av01.{profile}.{level:02d}{'MH'[tier]}.{depth:02d}"


def _vp9(depth: int, size: tuple[int, int], frame_rate: Fraction) -> str:
    if depth not in {8, 10}:
        raise NotCopied("players do not take its profile of VP9")
    # Of 4:2:0, profile 0 has 8 bits, and profile 2 has more.
    profile = 0 if depth == 8 else 2  # noqa: PLR2004 - bits
    frame = size[0] * size[1]
    rate = ceil(frame * frame_rate)
    level = next((idc for idc, most, largest in _VP9_LEVELS if rate <= most and frame <= largest), 62)
    return f"vp09.{profile:02d}.{level:02d}.{depth:02d}"
