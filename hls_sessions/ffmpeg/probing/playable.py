"""What the ffmpeg that plays can do with a file, judged before anything is promised.

Files are probed by PyAV, which brings a libav of its own. The ffmpeg that plays is another one, and often an older one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from hls_sessions.ffmpeg.binary import Binary

FLAC_DEPTH: Final = 24
"""Bits of a sample of FLAC that every ffmpeg decodes."""

DEEP_FLAC: Final = (6, 0)
"""The first ffmpeg that decodes more (its Changelog, 32-bit FLAC)."""


class NothingPlays(Exception):
    """The ffmpeg that plays can make nothing of a file; the message says why."""


def leave_out_unplayable(answer: dict[str, Any], binary: Binary) -> None:
    """Take the tracks that this ffmpeg cannot decode out of a prober's answer, and note why.

    Raises:
        NothingPlays: it does not know the container, or no track is left.
    """
    if binary.demuxers and not binary.demuxers & {answer["container"], *answer["container"].split(",")}:
        raise NothingPlays(f"this ffmpeg ({binary.version}) does not read its container ({answer['container']})")
    why_not = [] if answer["video"] is None else [why for why in [_why_not(answer["video"], binary)] if why]
    if why_not:
        answer["notes"].append(f"the video is left out: {why_not[0]}")
        answer["video"] = None
    kept = []
    for track in answer["audio"]:
        if (why := _why_not(track, binary)) is None:
            kept.append(track)
        else:
            why_not.append(why)
            answer["notes"].append(f"the audio (stream {track['index']}) is left out: {why}")
    answer["audio"] = kept
    if answer["video"] is None and not kept:
        raise NothingPlays("; ".join(why_not))


def _why_not(track: dict[str, Any], binary: Binary) -> str | None:
    """Return why this ffmpeg cannot decode a track; None when it can, as far as is known before it tries."""
    codec = track["codec"]
    if binary.decoders and codec not in binary.decoders:
        return f"this ffmpeg ({binary.version}) has no decoder for {codec}"
    if codec == "flac" and _flac_depth(track["configuration"]) > FLAC_DEPTH and binary.release < DEEP_FLAC:
        return f"this ffmpeg ({binary.version}) decodes FLAC of {FLAC_DEPTH} bits at most"
    return None


def _flac_depth(configuration: str) -> int:
    """Return the bits of a sample, from the stream information (RFC 9639, section 8.2); 0 when it is not known."""
    information = bytes.fromhex(configuration)
    if len(information) < 14:  # noqa: PLR2004 - where they are
        return 0
    return ((information[12] & 1) << 4 | information[13] >> 4) + 1
