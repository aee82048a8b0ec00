"""The playlist of a rendition of a recording (RFC 8216), which grows until the recording is over.

The address of a segment is the same as long as there is one: at the end EXT-X-ENDLIST is added, and what was live can
be watched like any film.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hls_sessions.media import VERSION

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from fractions import Fraction

    from hls_sessions.live.ledger import Ledger
    from hls_sessions.live.timeline import GrowingTimeline, LivePart, PartialSegment

GAPS = 8
"""The version of a playlist that has EXT-X-GAP (RFC 8216bis, 8)."""

FEWEST = 3
"""Target durations that a playlist that slides must hold at least (RFC 8216, 6.2.2)."""

HOLD_BACK = 3
"""Targets of parts that players stay behind the newest one (RFC 8216bis-20, 4.4.3.8)."""


def live_master_playlist(ledger: Ledger) -> str:
    """Write the master playlist of a recording as it is now: one variant, and its audio in a group."""
    codecs = {kind: name for section in ledger.sections for kind, name in section.codecs.items()}
    size = next((section.size for section in ledger.sections if section.size is not None), None)
    lines = ["#EXTM3U", f"#EXT-X-VERSION:{VERSION}", "#EXT-X-INDEPENDENT-SEGMENTS"]
    is_both = {"video", "audio"} <= codecs.keys()
    if is_both:
        lines.append(
            '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="audio",NAME="Audio",DEFAULT=YES,AUTOSELECT=YES,URI="audio/index.m3u8"'
        )
    variant = f'BANDWIDTH={max(1, sum(ledger.peaks.values()))},CODECS="{",".join(codecs.values())}"'
    if size is not None:
        variant += f",RESOLUTION={size[0]}x{size[1]}"
    if is_both:
        variant += ',AUDIO="audio"'
    kind = "video" if "video" in codecs else "audio"
    return "\n".join([*lines, f"#EXT-X-STREAM-INF:{variant},CLOSED-CAPTIONS=NONE", f"{kind}/index.m3u8", ""])


def live_playlist(
    timeline: GrowingTimeline, kind: str, window: float = 0.0, part_target: Fraction | None = None
) -> str:
    """Write the playlist of a rendition as it is now.

    Args:
        timeline: the recording.
        kind: the rendition.
        window: seconds up to the newest segment that can be watched; 0 for everything from the beginning on.
        part_target: seconds that no part of a segment is longer than; None where segments are offered whole.
    """
    # It may grow meanwhile. Parts are looked at first, so that none is missing of what the segments do not hold yet.
    is_over, partials, segments = timeline.is_over, timeline.partials, len(timeline)
    if is_over or part_target is None:
        partials = {}
    first = timeline.oldest_within(max(window, FEWEST * timeline.target)) if window else 0
    lines = [
        "#EXTM3U",
        f"#EXT-X-VERSION:{GAPS}",
        f"#EXT-X-TARGETDURATION:{timeline.target}",
    ]
    if part_target is not None:
        target = float(part_target)
        lines.append(f"#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK={HOLD_BACK * target:g}")
        lines.append(f"#EXT-X-PART-INF:PART-TARGET={target:g}")
    lines.append(f"#EXT-X-MEDIA-SEQUENCE:{first}")
    if first:
        # That before the first segment is still there.
        gone = sum(part.first < first for part in timeline.parts[1:])
        lines.append(f"#EXT-X-DISCONTINUITY-SEQUENCE:{gone}")
    if not window:
        lines.append("#EXT-X-PLAYLIST-TYPE:EVENT")
    lines.append("#EXT-X-INDEPENDENT-SEGMENTS")
    for segment in range(first, segments):
        lines += _begin(timeline, segment, kind, opens=segment == first)
        lines += _partials(timeline, partials.get(segment, ()), segment, kind)
        lines += _segment(timeline, segment, kind)
    if is_over:
        lines.append("#EXT-X-ENDLIST")
    elif part_target is not None:
        lines += _following(timeline, segments, partials, kind, opens=first == segments)
    return "\n".join(lines) + "\n"


def init_name(part: LivePart) -> str:
    """Return the name of the init segment of a part, in the folder of its rendition."""
    return f"init-{part.number}.mp4" if part.number else "init.mp4"


def partial_name(segment: int, part: int) -> str:
    """Return the name of a part of a segment, in the folder of its rendition."""
    return f"{segment}.{part}.m4s"


def _begin(timeline: GrowingTimeline, segment: int, kind: str, *, opens: bool) -> Iterator[str]:
    """Yield what is said before a segment or its first part."""
    part = timeline.part_of(segment)
    if segment == part.first and part is not timeline.parts[0]:
        yield "#EXT-X-DISCONTINUITY"
    if segment == part.first or opens:
        if kind in part.kinds:
            yield f'#EXT-X-MAP:URI="{init_name(part)}"'
        at = timeline.began_at(segment).isoformat(timespec="milliseconds")
        yield f"#EXT-X-PROGRAM-DATE-TIME:{at.replace('+00:00', 'Z')}"


def _segment(timeline: GrowingTimeline, segment: int, kind: str) -> Iterator[str]:
    if kind not in timeline.part_of(segment).kinds:
        yield "#EXT-X-GAP"
    yield f"#EXTINF:{float(timeline.length(segment)):.6f},"
    yield f"{segment}.m4s"


def _following(
    timeline: GrowingTimeline,
    segment: int,
    partials: Mapping[int, Sequence[PartialSegment]],
    kind: str,
    *,
    opens: bool,
) -> Iterator[str]:
    """Yield the parts of the segment that follows, the one that comes next, and how far other renditions are.

    A part is whole when a frame of the next one has come. So it is known whether that one belongs to the same segment.
    """
    parts = partials.get(segment, ())
    if parts:
        yield from _begin(timeline, segment, kind, opens=opens)
        yield from _partials(timeline, parts, segment, kind)
    yield f'#EXT-X-PRELOAD-HINT:TYPE=PART,URI="{partial_name(segment, len(parts))}"'
    last = (segment, len(parts) - 1) if parts else (segment - 1, len(partials.get(segment - 1, ())) - 1)
    for other in sorted({each for part in timeline.parts for each in part.kinds} - {kind}):
        yield f'#EXT-X-RENDITION-REPORT:URI="../{other}/index.m3u8",LAST-MSN={last[0]},LAST-PART={max(last[1], 0)}'


def _partials(timeline: GrowingTimeline, parts: Sequence[PartialSegment], segment: int, kind: str) -> Iterator[str]:
    begins = timeline.begins(segment)
    for number, part in enumerate(parts):
        line = f'#EXT-X-PART:DURATION={float(part.ends - begins):.6f},URI="{partial_name(segment, number)}"'
        if kind not in part.opens:
            line += ",GAP=YES"
        elif part.opens[kind]:
            line += ",INDEPENDENT=YES"
        yield line
        begins = part.ends
