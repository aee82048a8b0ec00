"""A presentation as HLS playlists (RFC 8216). Values in, text out.

All playlists are whole from the start (EXT-X-PLAYLIST-TYPE:VOD), so that players can seek anywhere at once. Native
players give up on a playlist that grows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hls_sessions.media.renditions import AudioRendition, CopiedVideo, Presentation, VideoRendition
    from hls_sessions.media.subtitles import SubtitleRendition

VERSION = 7
"""EXT-X-MAP outside I-frame playlists needs 6; fMP4 players look for 7."""

AUDIO_GROUP = "audio"

SURROUND_GROUP = "surround"
SUBTITLE_GROUP = "subs"

TELLS_WHAT_IS_HEARD = "public.accessibility.transcribes-spoken-dialog,public.accessibility.describes-music-and-sound"
"""CHARACTERISTICS of subtitles for the hard of hearing (RFC 8216, 4.3.4.1)."""


def master_playlist(presentation: Presentation) -> str:
    """Write the master playlist: every variant, and the audio and subtitle renditions in groups."""
    return _text(["#EXTM3U", f"#EXT-X-VERSION:{VERSION}", "#EXT-X-INDEPENDENT-SEGMENTS", *_variants(presentation)])


def media_playlist(presentation: Presentation, rendition: str, start_at: float = 0.0) -> str:
    """Write one rendition's playlist, with the true length of every segment.

    Args:
        presentation: a file as it is offered.
        rendition: the rendition's id.
        start_at: seconds from the beginning at which players are asked to begin (EXT-X-START).

    Raises:
        KeyError: there is no such rendition.
    """
    extension = presentation.offered[rendition].extension
    lines = [
        "#EXTM3U",
        f"#EXT-X-VERSION:{VERSION}",
        f"#EXT-X-TARGETDURATION:{presentation.target_duration}",
        "#EXT-X-MEDIA-SEQUENCE:0",
        "#EXT-X-PLAYLIST-TYPE:VOD",
        *([f"#EXT-X-START:TIME-OFFSET={start_at:.6f},PRECISE=YES"] if start_at else []),
        *(['#EXT-X-MAP:URI="init.mp4"'] if rendition in presentation.renditions else []),
    ]
    for number, length in enumerate(presentation.cuts(rendition).lengths()):
        lines += [f"#EXTINF:{float(length):.6f},", f"{number}.{extension}"]
    return _text([*lines, "#EXT-X-ENDLIST"])


def _variants(presentation: Presentation) -> Iterator[str]:
    yield from map(_subtitles, presentation.subtitles)
    subtitles = f',SUBTITLES="{SUBTITLE_GROUP}"' if presentation.subtitles else ""
    if not presentation.video:
        # Audio alone: each track is a variant of its own, and the first is the one that plays.
        for track in sorted(presentation.audio, key=lambda rendition: not rendition.default):
            yield (
                f"#EXT-X-STREAM-INF:BANDWIDTH={track.peak},AVERAGE-BANDWIDTH={track.average}"
                f',CODECS="{track.codecs}",NAME={_quoted(track.name)}{subtitles}'
            )
            yield f"{track.id}/index.m3u8"
        return
    groups = {AUDIO_GROUP: presentation.audio} if presentation.audio else {}
    if presentation.surround:
        groups[SURROUND_GROUP] = presentation.surround
    for group, audio in groups.items():
        yield from (_audio(track, group) for track in audio)
    # A player begins with the first variant, unless it knows which it can play. So stereo comes first.
    for group, audio in groups.items() or [("", ())]:
        for video in presentation.video:
            yield _variant(video, group, audio) + subtitles
            yield f"{video.id}/index.m3u8"


def _audio(rendition: AudioRendition, group: str) -> str:
    return (
        f'#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="{group}",NAME={_quoted(rendition.name)}{_language(rendition)}'
        f",DEFAULT={'YES' if rendition.default else 'NO'},AUTOSELECT=YES"
        f',CHANNELS="{rendition.channels}",URI="{rendition.id}/index.m3u8"'
    )


def _subtitles(rendition: SubtitleRendition) -> str:
    forced = ",FORCED=YES" if rendition.track.forced else ""
    characteristics = f',CHARACTERISTICS="{TELLS_WHAT_IS_HEARD}"' if rendition.track.hearing_impaired else ""
    return (
        f'#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID="{SUBTITLE_GROUP}",NAME={_quoted(rendition.name)}{_language(rendition)}'
        f",DEFAULT={'YES' if rendition.default else 'NO'},AUTOSELECT={'YES' if rendition.autoselect else 'NO'}"
        f'{forced}{characteristics},URI="{rendition.id}/index.m3u8"'
    )


def _language(rendition: AudioRendition | SubtitleRendition) -> str:
    language = _quoted(rendition.track.language or "")
    return "" if language == '""' else f",LANGUAGE={language}"


def _variant(video: VideoRendition | CopiedVideo, group: str, audio: tuple[AudioRendition, ...]) -> str:
    # A variant's rates include the densest rendition that may play with it (RFC 8216, 4.3.4.2).
    peak = video.peak + max((track.peak for track in audio), default=0)
    average = video.average + max((track.average for track in audio), default=0)
    codecs = ",".join([video.codecs, *dict.fromkeys(track.codecs for track in audio)])
    audio_group = f',AUDIO="{group}"' if audio else ""
    return (
        f"#EXT-X-STREAM-INF:BANDWIDTH={peak},AVERAGE-BANDWIDTH={average}"
        f",RESOLUTION={video.width}x{video.height}"
        f',FRAME-RATE={float(video.track.frame_rate):.3f},VIDEO-RANGE={video.video_range},CODECS="{codecs}"{audio_group}'
    )


def _quoted(text: str) -> str:
    """Return a quoted-string, which may hold neither line breaks nor double quotes (RFC 8216, 4.2)."""
    return '"' + "".join("'" if c == '"' else c for c in text if c.isprintable()) + '"'


def _text(lines: list[str]) -> str:
    return "\n".join(lines) + "\n"
