"""The playlist of a rendition of a recording (RFC 8216), which grows until the recording is over.

The address of a segment is the same as long as there is one: at the end EXT-X-ENDLIST is added, and what was live can
be watched like any film.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hls_sessions.media import VERSION

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hls_sessions.live.ledger import Ledger
    from hls_sessions.live.timeline import GrowingTimeline, LivePart

GAPS = 8
"""The version of a playlist that has EXT-X-GAP (RFC 8216bis, 8)."""

FEWEST = 3
"""Target durations that a playlist that slides must hold at least (RFC 8216, 6.2.2)."""


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


def live_playlist(timeline: GrowingTimeline, kind: str, window: float = 0.0) -> str:
    """Write the playlist of a rendition as it is now.

    Args:
        timeline: the recording.
        kind: the rendition.
        window: seconds up to the newest segment that can be watched; 0 for everything from the beginning on.
    """
    first = _first_of(timeline, window)
    lines = [
        "#EXTM3U",
        f"#EXT-X-VERSION:{VERSION if all(kind in part.kinds for part in timeline.parts) else GAPS}",
        f"#EXT-X-TARGETDURATION:{timeline.target}",
        f"#EXT-X-MEDIA-SEQUENCE:{first}",
    ]
    if first:
        lines.append(f"#EXT-X-DISCONTINUITY-SEQUENCE:{timeline.parts.index(timeline.part_of(first))}")
    if not window:
        lines.append("#EXT-X-PLAYLIST-TYPE:EVENT")
    lines.append("#EXT-X-INDEPENDENT-SEGMENTS")
    for segment in range(first, len(timeline)):
        lines += _segment(timeline, segment, kind, opens=segment == first)
    return "\n".join([*lines, *(["#EXT-X-ENDLIST"] if timeline.is_over else [])]) + "\n"


def init_name(part: LivePart) -> str:
    """Return the name of the init segment of a part, in the folder of its rendition."""
    return f"init-{part.number}.mp4" if part.number else "init.mp4"


def _segment(timeline: GrowingTimeline, segment: int, kind: str, *, opens: bool) -> Iterator[str]:
    part = timeline.part_of(segment)
    if segment == part.first and part is not timeline.parts[0]:
        yield "#EXT-X-DISCONTINUITY"
    if segment == part.first or opens:
        if kind in part.kinds:
            yield f'#EXT-X-MAP:URI="{init_name(part)}"'
        at = timeline.began_at(segment).isoformat(timespec="milliseconds")
        yield f"#EXT-X-PROGRAM-DATE-TIME:{at.replace('+00:00', 'Z')}"
    if kind not in part.kinds:
        yield "#EXT-X-GAP"
    yield f"#EXTINF:{float(timeline.length(segment)):.6f},"
    yield f"{segment}.m4s"


def _first_of(timeline: GrowingTimeline, window: float) -> int:
    """Return the first segment that is offered."""
    if not window:
        return 0
    most, first, offered = max(window, FEWEST * timeline.target), len(timeline), 0.0
    while first and offered < most:
        first -= 1
        offered += float(timeline.length(first))
    return first
