"""A presentation as HLS playlists (RFC 8216). Values in, text out.

All playlists are whole from the start (EXT-X-PLAYLIST-TYPE:VOD), so that players can seek anywhere at once. Native
players give up on a playlist that grows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hls_sessions.media.chapters import SESSION_DATA
from hls_sessions.media.compressed_text import CompressedText
from hls_sessions.media.languages import language_tag
from hls_sessions.media.thumbnails import thumbnails_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from hls_sessions.media.renditions import AudioRendition, CopiedVideo, Presentation, VideoRendition
    from hls_sessions.media.subtitles import SubtitleRendition

VERSION = 7
"""EXT-X-MAP outside I-frame playlists needs 6; fMP4 players look for 7."""

AUDIO_GROUP = "audio"

SURROUND_GROUP = "surround"
SUBTITLE_GROUP = "subs"
CAPTION_GROUP = "cc"

RENDITION: Final = "?rendition"
"""What the address of a track ends with in its group where the variant's own playlist is the same.

hls.js (1.7) takes a track of the variant's own address for one that it need not load, and then changes to another track
only when all that it has of this one was heard. Without an address, Shaka (4.16) offers no other track at all. The
daemon reads no such query.
"""

FIRST_ESTIMATE: Final = 5_000_000
"""Bits per second that hls.js (1.7) expects of its connection before it has loaded anything, if the first variant has
as many (``abrEwmaDefaultEstimateMax``)."""

STARTS: Final = 4
"""How many playlists are kept of each rendition, because sessions may begin at different times."""

TELLS_WHAT_IS_HEARD = "public.accessibility.transcribes-spoken-dialog,public.accessibility.describes-music-and-sound"
"""CHARACTERISTICS of subtitles for the hard of hearing (RFC 8216, 4.3.4.1)."""


def master_playlist(presentation: Presentation, variants: Collection[str] = ()) -> str:
    """Write the master playlist: the variants, and the audio and subtitle renditions in groups.

    Args:
        presentation: a file as it is offered.
        variants: the ids of the video renditions to offer; all of them where none is named.
    """
    lines = ["#EXTM3U", f"#EXT-X-VERSION:{VERSION}", "#EXT-X-INDEPENDENT-SEGMENTS"]
    if presentation.media.chapters:
        lines.append(SESSION_DATA)
    thumbnails = thumbnails_of(presentation.media)
    return _text([*lines, *_variants(presentation, variants), *([] if thumbnails is None else [thumbnails.variant()])])


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


def first_asked(presentation: Presentation) -> tuple[str, ...]:
    """Return the ids of the renditions that a player of the master playlist is expected to begin with.

    They are the best variant that hls.js (1.7) expects to load in time, else the first, and the default audio. Players
    that begin with the least variant (Chromium's own) lose nothing by it.
    """
    quick = (video for video in presentation.video if _peak(video, presentation.audio) <= FIRST_ESTIMATE)
    video = max(quick, key=lambda each: each.peak, default=next(iter(presentation.video), None))
    audio = next((track for track in presentation.audio if track.default), None)
    return tuple(rendition.id for rendition in (video, audio) if rendition is not None)


def playlist(presentation: Presentation, rendition: str | None = None, start_at: float = 0.0) -> CompressedText:
    """Return the playlist of a rendition, or the master playlist, as it is sent. It is written once and kept.

    Writing that of a long film takes tens of milliseconds. Any thread may call this.

    Args:
        presentation: a file as it is offered.
        rendition: the rendition's id; None for the master playlist.
        start_at: seconds from the beginning at which players are asked to begin; nothing of a master playlist.

    Raises:
        KeyError: there is no such rendition.
    """
    kept, key = presentation.playlists, _key(rendition, start_at)
    found = kept.get(key)
    if found is None:
        if rendition is None:
            found = CompressedText(master_playlist(presentation))
        else:
            found = CompressedText(media_playlist(presentation, rendition, start_at))
        if len(kept) >= STARTS * (1 + len(presentation.offered)):
            kept.clear()
        kept[key] = found
    return found


def is_written(presentation: Presentation, rendition: str | None = None, start_at: float = 0.0) -> bool:
    """Whether ``playlist`` need not write it any more."""
    return _key(rendition, start_at) in presentation.playlists


def _key(rendition: str | None, start_at: float) -> tuple[str | None, float]:
    return rendition, 0.0 if rendition is None else start_at


def _variants(presentation: Presentation, wanted: Collection[str]) -> Iterator[str]:
    yield from map(_subtitles, presentation.subtitles)
    if presentation.has_captions:
        yield _captions()
    groups = {AUDIO_GROUP: presentation.audio} if presentation.audio else {}
    if presentation.surround:
        groups[SURROUND_GROUP] = presentation.surround
    for group, audio in groups.items():
        for track in audio:
            changes = _plays_alone(presentation, track) and len(audio) > 1
            yield _audio(track, group, RENDITION if changes else "")
    # What all variants have. All of them say that there are no captions, or none does (RFC 8216, 4.3.4.2).
    others = f',SUBTITLES="{SUBTITLE_GROUP}"' if presentation.subtitles else ""
    others += f',CLOSED-CAPTIONS="{CAPTION_GROUP}"' if presentation.has_captions else ",CLOSED-CAPTIONS=NONE"
    # A player begins with the first variant, unless it knows which it can play. So stereo comes first.
    for group, audio in groups.items() or [("", ())]:
        for video in presentation.video:
            if not wanted or video.id in wanted:
                yield _variant(video, group, audio) + others
                yield f"{video.id}/index.m3u8"
        if not presentation.video:
            # The variant's own playlist is that of the track that is heard unasked, as in RFC 8216, 8.7.
            yield _sound_variant(group, audio) + others
            yield from (f"{track.id}/index.m3u8" for track in audio if _plays_alone(presentation, track))


def _plays_alone(presentation: Presentation, track: AudioRendition) -> bool:
    """Whether a track is the variant itself: of audio alone, the default one."""
    return not presentation.video and track.default


def _audio(rendition: AudioRendition, group: str, query: str = "") -> str:
    return (
        f'#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="{group}",NAME={_quoted(rendition.name)}{_language(rendition)}'
        f",DEFAULT={'YES' if rendition.default else 'NO'},AUTOSELECT=YES"
        f',CHANNELS="{rendition.channels}",URI="{rendition.id}/index.m3u8{query}"'
    )


def _subtitles(rendition: SubtitleRendition) -> str:
    forced = ",FORCED=YES" if rendition.track.forced else ""
    characteristics = f',CHARACTERISTICS="{TELLS_WHAT_IS_HEARD}"' if rendition.track.hearing_impaired else ""
    return (
        f'#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID="{SUBTITLE_GROUP}",NAME={_quoted(rendition.name)}{_language(rendition)}'
        f",DEFAULT={'YES' if rendition.default else 'NO'},AUTOSELECT={'YES' if rendition.autoselect else 'NO'}"
        f'{forced}{characteristics},URI="{rendition.id}/index.m3u8"'
    )


def _captions() -> str:
    # The first channel of CEA-608. Players look for the other channels themselves.
    return (
        f'#EXT-X-MEDIA:TYPE=CLOSED-CAPTIONS,GROUP-ID="{CAPTION_GROUP}",NAME="Captions"'
        ',DEFAULT=NO,AUTOSELECT=YES,INSTREAM-ID="CC1"'
    )


def _language(rendition: AudioRendition | SubtitleRendition) -> str:
    tag = language_tag(rendition.track.language)
    return "" if tag is None else f',LANGUAGE="{tag}"'


def _sound_variant(group: str, audio: tuple[AudioRendition, ...]) -> str:
    codecs = ",".join(dict.fromkeys(track.codecs for track in audio))
    peak, average = max(track.peak for track in audio), max(track.average for track in audio)
    return f'#EXT-X-STREAM-INF:BANDWIDTH={peak},AVERAGE-BANDWIDTH={average},CODECS="{codecs}",AUDIO="{group}"'


def _variant(video: VideoRendition | CopiedVideo, group: str, audio: tuple[AudioRendition, ...]) -> str:
    # A variant's rates include the densest rendition that may play with it (RFC 8216, 4.3.4.2).
    peak = _peak(video, audio)
    average = video.average + max((track.average for track in audio), default=0)
    codecs = ",".join([video.codecs, *dict.fromkeys(track.codecs for track in audio)])
    audio_group = f',AUDIO="{group}"' if audio else ""
    return (
        f"#EXT-X-STREAM-INF:BANDWIDTH={peak},AVERAGE-BANDWIDTH={average}"
        f",RESOLUTION={video.width}x{video.height}"
        f',FRAME-RATE={float(video.track.frame_rate):.3f},VIDEO-RANGE={video.video_range},CODECS="{codecs}"{audio_group}'
    )


def _peak(video: VideoRendition | CopiedVideo, audio: tuple[AudioRendition, ...]) -> int:
    return video.peak + max((track.peak for track in audio), default=0)


def _quoted(text: str) -> str:
    """Return a quoted-string, which may hold neither line breaks nor double quotes (RFC 8216, 4.2)."""
    return '"' + "".join("'" if c == '"' else c for c in text if c.isprintable()) + '"'


def _text(lines: list[str]) -> str:
    return "\n".join(lines) + "\n"
