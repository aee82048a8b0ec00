"""Streams as the sources of recordings send them."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from hls_sessions.ffmpeg import find

if TYPE_CHECKING:
    from pathlib import Path

BOUND = 60
SECONDS = 7
VIDEO = ("-f", "lavfi", "-i", f"testsrc2=size=128x72:rate=20:duration={SECONDS}")
AUDIO = ("-f", "lavfi", "-i", f"sine=duration={SECONDS}:sample_rate=44100")
ENCODED = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-bf", "2")
H264 = (*ENCODED, "-g", "20")
VP8 = ("-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8", "-g", "20")
FRAGMENTS = ("-f", "mp4", "-movflags", "+frag_keyframe+empty_moov+default_base_moof")
SOURCES = {
    "VP8 and Opus in WebM": (*VIDEO, *AUDIO, *VP8, "-c:a", "libopus", "-f", "webm", "-live", "1"),
    "H.264 and AAC in Matroska": (*VIDEO, *AUDIO, *H264, "-c:a", "aac", "-f", "matroska", "-live", "1"),
    "H.264 and AAC in MPEG-TS": (*VIDEO, *AUDIO, *H264, "-c:a", "aac", "-f", "mpegts"),
    "H.264 and Opus in fragmented MP4": (*VIDEO, *AUDIO, *H264, "-c:a", "libopus", *FRAGMENTS),
    "Opus in WebM": (*AUDIO, "-c:a", "libopus", "-f", "webm", "-live", "1"),
    "VP8 in WebM": (*VIDEO, *VP8, "-f", "webm", "-live", "1"),
}
RARE_KEYFRAMES = (*VIDEO, *AUDIO, *ENCODED, "-g", "250", "-c:a", "aac", "-f", "matroska", "-live", "1")


def stream(folder: Path, options: tuple[str, ...]) -> bytes:
    """Return what a source sends. The same is made once in a folder."""
    path = folder / str(hash(options))
    if not path.exists():
        subprocess.run([find(), "-v", "error", *options, path], check=True, timeout=BOUND)
    return path.read_bytes()
