"""The text tracks of a file as WebVTT renditions: all of them, in one group that every variant names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hls_sessions.media.names import names

if TYPE_CHECKING:
    from hls_sessions.media.facts import SubtitleTrack


@dataclass(frozen=True, slots=True)
class SubtitleRendition:
    """One text track, as WebVTT."""

    id: str
    track: SubtitleTrack
    name: str
    default: bool
    """Whether players show it unasked."""
    autoselect: bool
    """Whether players may choose it because of the viewer's languages."""

    kind = "subtitles"
    extension = "vtt"
    codecs = "wvtt"
    peak = 0
    """Bits per second it adds to a variant: none worth counting."""


def subtitle_renditions(tracks: tuple[SubtitleTrack, ...]) -> tuple[SubtitleRendition, ...]:
    """Offer every text track.

    Of tracks that players cannot tell apart by language and purpose, the first may be chosen by itself
    (RFC 8216, 4.3.4.1.1). One that is shown unasked is among those; a forced one is not shown unasked, because
    players that know of forced tracks choose it with the sound's language, and others would show it for all.
    """
    purposes = [(track.language, track.forced, track.hearing_impaired) for track in tracks]
    firsts = [number for number, purpose in enumerate(purposes) if purposes.index(purpose) == number]
    default = next((n for n in firsts if tracks[n].default and not tracks[n].forced), None)
    return tuple(
        SubtitleRendition(f"subtitles-{number}", track, name, number == default, number in firsts)
        for number, (track, name) in enumerate(zip(tracks, names(tracks, "Subtitles"), strict=True))
    )
