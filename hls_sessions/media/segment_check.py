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
    """See that a whole file is the segment that the timeline announces, and belongs to its rendition's init segment.

    It must begin with a keyframe at its boundary and hold as many frames as were counted there.

    Args:
        segment: the content of the file.
        number: the segment it should be.
        cuts: where its rendition is cut.
        origin: the file's time at which the presentation begins.
        track: the trak box of the published init segment; None while there is none.
        damaged: whether some of its frames are known to be missing from the source, so that it may begin within and
            hold fewer.

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
    earliest, latest = _allowed(number, cuts, damaged=damaged)
    if not earliest <= late <= latest:
        raise Refused(f"its first frame is {float(late):+.6f} s off its boundary")
    # No count is known where only keyframes are (Matroska), and of an encoder's last packets of audio.
    expected = cuts.counts[number] if cuts.counts else 0
    if expected and (segment.samples > expected or (segment.samples < expected and not damaged)):
        raise Refused(f"it holds {segment.samples} frames instead of {expected}")


def _allowed(number: int, cuts: Cuts, *, damaged: bool) -> tuple[Fraction, Fraction]:
    """Return how late a first frame may be, at least and at most, in seconds."""
    earliest, latest = -TOLERANCE, TOLERANCE
    length = cuts.end(number) - cuts.start(number)
    if number == 0:
        earliest -= PRIMING
    if cuts.counts is None:
        # No index tells the times of the frames, and their rate may vary. So the first one after the cut is right.
        return earliest - cuts.slack, length
    if damaged:
        return earliest, length - cuts.slack
    if number == 0 and not cuts.counts[number]:
        # The beginning is announced by a header. For a copy of audio that is not on the grid of its packets.
        return earliest - cuts.slack, latest + cuts.slack
    return earliest, latest


def check_text(data: bytes) -> None:
    """See that a file is a whole segment of subtitles: a power cut leaves names without content.

    Raises:
        Refused: it is not.
    """
    if not data.startswith(b"WEBVTT\n") or not data.endswith(b"\n") or b"\0" in data:
        raise Refused("it is not whole")


def is_short(segment: Segment, number: int, cuts: Cuts, origin: Fraction) -> bool:
    """Whether a segment may have been cut off: it has too few frames, or ends before the next boundary.

    A hole in the file looks the same, so it counts only once it is known whether its run went on to the next. The end
    of a track is not exact to the frame, so its last segment is known to be whole only when its run has ended well.
    """
    if cuts.counts and cuts.counts[number]:
        return segment.samples < cuts.counts[number]
    return number >= cuts.last_of_track or segment.end - OFFSET + origin < cuts.end(number) - 3 * cuts.slack
