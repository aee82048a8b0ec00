"""The check before publishing, which decides whether a file of an encoder run becomes a segment. Pure."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from hls_sessions.media.fmp4 import same_audio, same_form
from hls_sessions.media.timeline import AAC_FRAME, AUDIO_RATE, OFFSET

if TYPE_CHECKING:
    from hls_sessions.media.fmp4 import Segment
    from hls_sessions.media.timeline import Cuts

TOLERANCE = Fraction(11, 10_000)
"""Seconds a first frame may be off: Matroska's times are whole milliseconds, so a frame may be half a one off, the
time it is counted from as well, and a tick of the written time scale comes on top."""

PRIMING = Fraction(AAC_FRAME, AUDIO_RATE)
"""Seconds by which an AAC encoder's first packet precedes its first sample."""


class Refused(Exception):
    """A file is not the segment it should be; the message says why."""


def check_segment(
    segment: Segment, number: int, cuts: Cuts, origin: Fraction, track: bytes | None, *, damaged: bool = False
) -> None:
    """See that a whole file begins with a keyframe at its boundary and belongs to its rendition's init segment.

    Args:
        segment: the content of the file.
        number: the segment it should be.
        cuts: where its rendition is cut.
        origin: the file's time at which the presentation begins.
        track: the trak box of the published init segment; None while there is none.
        damaged: whether its beginning is known to be missing from the file, so that it may begin within.

    Raises:
        Refused: it is not; the message names the fault.
    """
    if not segment.starts_with_keyframe:
        raise Refused("its first frame is not a keyframe")
    if track is not None and segment.track != track:
        # It was made by another method than the init segment (ffmpeg/methods.py).
        if not segment.in_band and not same_audio(segment.track, track):
            raise Refused("its codec configuration is not the init segment's")
        if segment.in_band and not same_form(segment.track, track):
            raise Refused("its time scale, its size or its codec is not the init segment's")
    late = segment.first - OFFSET + origin - cuts.start(number)
    earliest, latest = -TOLERANCE, TOLERANCE
    if number == 0:
        earliest -= PRIMING
    if not cuts.exact or number == 0:
        # Where frame times are only expected, or announced by a header, the first frame is the first after the cut.
        earliest, latest = earliest - cuts.slack, cuts.end(number) - cuts.start(number)
    elif damaged:
        latest = cuts.end(number) - cuts.start(number) - cuts.slack
    if not earliest <= late <= latest:
        raise Refused(f"its first frame is {float(late):+.6f} s off its boundary")
    expected = cuts.counts[number] if cuts.counts else 0
    if expected and segment.samples > expected:
        raise Refused(f"it holds {segment.samples} frames instead of {expected}")


def check_text(data: bytes) -> None:
    """See that a file is a whole segment of subtitles: a power cut leaves names without content.

    Raises:
        Refused: it is not.
    """
    if not data.startswith(b"WEBVTT\n") or not data.endswith(b"\n") or b"\0" in data:
        raise Refused("it is not whole")


def is_short(segment: Segment, number: int, cuts: Cuts, origin: Fraction) -> bool:
    """Whether a segment may have been cut off: it ends before the next boundary.

    A hole in the file looks the same, so it counts only once it is known whether its run went on to the next.
    """
    if number >= cuts.last_of_track:
        return False
    if cuts.counts and cuts.counts[number]:
        return segment.samples < cuts.counts[number]
    return segment.end - OFFSET + origin < cuts.end(number) - 3 * cuts.slack
