"""The demuxers that a file from elsewhere may be opened with. libavformat has some 370, and some of them open more."""

from __future__ import annotations

from typing import Final

import av

NOT_MEDIA: Final = {
    *("hls", "dash", "webm_dash_manifest", "concat", "imf", "sdp", "rtp", "rtsp", "sap"),
    *("image2", "alias_pix", "brender_pix", "vobsub", "dvdvideo"),
    *("avisynth", "vapoursynth", "lavfi", "sbg", "ffmetadata", "tty"),
}
"""Demuxers of text, and of lists, scripts and names that point at other files or hosts: a media file names nothing but
itself."""

MEDIA: Final = ",".join(
    sorted({name for names in av.formats_available for name in names.split(",")} - NOT_MEDIA)  # a demuxer has many
)
"""All other demuxers, for ``format_whitelist``: none of NOT_MEDIA is opened, not even inside of another."""

SEGMENTS: Final = "mov,mpegts,aac,mp3,ac3,eac3"
"""The demuxers of media segments (RFC 8216, section 3)."""
