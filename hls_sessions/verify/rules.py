"""RFC 8216's rules for playlists and WebVTT segments, each with its section. Text in, findings out."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from m3u8 import M3U8

    from hls_sessions.verify.findings import Report

FLOAT_DURATIONS = 3
"""The protocol version that allows EXTINF to be a decimal (section 7)."""
MAP_ANYWHERE = 6
"""The protocol version that allows EXT-X-MAP in ordinary playlists (section 7)."""

_CUE_TIME = r"(?:(\d{2,}):)?([0-5]\d):([0-5]\d)\.(\d{3})"
_CUE_TIMES = re.compile(rf"{_CUE_TIME}[ \t]+-->[ \t]+{_CUE_TIME}(?:[ \t]|$)")
"""When a cue is shown (https://www.w3.org/TR/webvtt1/#webvtt-cue-timings)."""


def judge_text(text: str, where: str, report: Report) -> None:
    """Judge a playlist by the rules for every playlist."""
    lines = text.splitlines()
    if not lines or lines[0] != "#EXTM3U":
        report.add(where, "4.3.1.1", "It does not begin with #EXTM3U.")
    versions = [line for line in lines if line.startswith("#EXT-X-VERSION:")]
    if len(versions) > 1:
        report.add(where, "4.3.1.2", "It has more than one EXT-X-VERSION.")
    if "\ufeff" in text:
        report.add(where, "4.1", "It has a byte order mark.")


def judge_master(playlist: M3U8, where: str, report: Report) -> None:
    """Judge a master playlist: variants, and the groups of renditions they name."""
    groups = {(media.type, media.group_id) for media in playlist.media}
    names = Counter((media.type, media.group_id, media.name) for media in playlist.media)
    defaults = Counter((media.type, media.group_id) for media in playlist.media if media.default == "YES")
    for (kind, group, name), times in names.items():
        if times > 1:
            report.add(where, "4.3.4.1.1", f"{times} renditions of the {kind} group {group!r} are called {name!r}.")
    for (kind, group), times in defaults.items():
        if times > 1:
            report.add(where, "4.3.4.1.1", f"{times} renditions of the {kind} group {group!r} are the default.")
    for variant in playlist.playlists:
        info = variant.stream_info
        if not info.bandwidth:
            report.add(where, "4.3.4.2", f"The variant {variant.uri} announces no BANDWIDTH.")
        elif info.average_bandwidth and info.average_bandwidth > info.bandwidth:
            report.add(where, "4.3.4.2", f"The variant {variant.uri} has a higher average than peak bandwidth.")
        for kind, group in (("AUDIO", info.audio), ("SUBTITLES", info.subtitles)):
            if group and (kind, group) not in groups:
                report.add(
                    where, "4.3.4.2", f"The variant {variant.uri} names the {kind} group {group!r}: there is none."
                )


def judge_media(playlist: M3U8, where: str, report: Report, *, whole: bool = True) -> None:
    """Judge a media playlist; if it is to be the whole of a recording, it must have an end."""
    target = playlist.target_duration
    if not target:
        report.add(where, "4.3.3.1", "It has no EXT-X-TARGETDURATION.")
    if whole and not playlist.is_endlist:
        report.add(where, "4.3.3.4", "It has no EXT-X-ENDLIST, so it is not the whole of a recording.")
    version = int(playlist.version or 1)
    if version < FLOAT_DURATIONS and any(s.duration != int(s.duration) for s in playlist.segments):
        report.add(where, "7", f"EXTINF has decimals, which needs version {FLOAT_DURATIONS}; it says {version}.")
    if version < MAP_ANYWHERE and playlist.segment_map:
        report.add(where, "7", f"EXT-X-MAP needs version {MAP_ANYWHERE}; it says {version}.")
    for number, segment in enumerate(playlist.segments):
        if target and int(segment.duration + 0.5) > target:
            report.add(
                where, "4.3.3.1", f"Segment {number} lasts {segment.duration:g} s, over the target of {target} s."
            )


def judge_webvtt(text: str, where: str, report: Report) -> None:
    """Judge a segment of subtitles (section 3.5)."""
    lines = text.removeprefix("\ufeff").splitlines()
    if not lines or lines[0].split(maxsplit=1)[:1] != ["WEBVTT"]:
        report.add(where, "3.5", "It does not begin with WEBVTT.")
        return
    header = lines[: lines.index("")] if "" in lines else lines
    if not any(line.startswith("X-TIMESTAMP-MAP=") for line in header):
        report.add(where, "3.5", "It has no X-TIMESTAMP-MAP, so its cues are not on the clock of the other renditions.")
    for line in lines[len(header) :]:
        times = _CUE_TIMES.match(line)
        if "-->" in line and (
            times is None or _milliseconds(*times.groups()[:4]) >= _milliseconds(*times.groups()[4:])
        ):
            report.add(where, "3.5", f"A cue is shown at no time: {line!r}.")


def _milliseconds(hours: str | None, minutes: str, seconds: str, milliseconds: str) -> int:
    return (int(hours or 0) * 3600 + int(minutes) * 60 + int(seconds)) * 1000 + int(milliseconds)
