"""How much a file may claim to hold. A few bytes may claim years, and the daemon cuts all of them into segments."""

from __future__ import annotations

from fractions import Fraction
from typing import Any, Final

LONGEST: Final = 48 * 3600
"""Seconds that a film may last. Its playlists are a line for each two seconds of a track."""

LONGEST_TOGETHER: Final = 200 * 3600
"""Seconds that all tracks of a film may last together: a hundred tracks of a feature film."""

SAMPLE_RATES: Final = range(1000, 4_000_001)
"""Samples of audio in a second. To bring the whole of a packet to another rate takes memory for that many more; the
fastest there is is DSD512, which is decoded to 2.8 million."""

FLATTEST: Final = 100
"""How many times wider than high, or higher than wide, a pixel may be."""


class TooMuch(Exception):
    """A file claims to hold more than is played; the message says what."""


def keep_within_bounds(answer: dict[str, Any]) -> None:
    """Take the audio that claims too much out of a prober's answer, and note it.

    Raises:
        TooMuch: no track is left, or the film is too long.
    """
    kept: list[dict[str, Any]] = []
    why_not = []
    tracks = [] if answer["video"] is None else [answer["video"]]
    together = sum(map(_length, tracks))
    for track in answer["audio"]:
        if track["sample_rate"] not in SAMPLE_RATES:
            why = f"its sample rate is {track['sample_rate']} Hz"
        elif kept and together + _length(track) > LONGEST_TOGETHER:
            why = f"there are more than {LONGEST_TOGETHER // 3600} hours of tracks before it"
        else:
            kept.append(track)
            together += _length(track)
            continue
        why_not.append(f"the audio (stream {track['index']}) is left out: {why}")
    answer["audio"] = kept
    answer["notes"] += why_not
    tracks += kept
    if not tracks:
        raise TooMuch("; ".join(why_not))
    length = max(Fraction(track["end"]) for track in tracks) - min(Fraction(track["start"]) for track in tracks)
    if length > LONGEST:
        raise TooMuch(f"it claims to last {int(length) // 3600:,} hours, and {LONGEST // 3600} are played at most")


def _length(track: dict[str, Any]) -> Fraction:
    return Fraction(track["end"]) - Fraction(track["start"])
