"""The subtitle tracks of a file as WebVTT renditions: all of them, in one group that every variant names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hls_sessions.media.languages import language_tag
from hls_sessions.media.names import names

if TYPE_CHECKING:
    from hls_sessions.media.facts import SubtitleTrack


@dataclass(frozen=True, slots=True)
class SubtitleRendition:
    """One subtitle track, as WebVTT."""

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
    """Offer every subtitle track.

    Of tracks with the same language and purpose, only the first may be chosen automatically (RFC 8216, 4.3.4.1.1). The
    default track is one of those. A forced track is never the default: players that know forced tracks choose one by
    the language of the audio, and other players would show it to everybody.
    """
    purposes = [(language_tag(track.language), track.forced, track.hearing_impaired) for track in tracks]
    firsts = [number for number, purpose in enumerate(purposes) if purposes.index(purpose) == number]
    default = next((n for n in firsts if tracks[n].default and not tracks[n].forced), None)
    return tuple(
        SubtitleRendition(f"subtitles-{number}", track, name, number == default, number in firsts)
        for number, (track, name) in enumerate(zip(tracks, names(tracks, "Subtitles"), strict=True))
    )
