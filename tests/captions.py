"""Closed captions in H.264: the message that carries them, and films that have it in every frame."""

from __future__ import annotations

import re
import subprocess

from hls_sessions.ffmpeg import find

CC_DATA = bytes.fromhex("b5 0031 47413934 03 42 ff fc9420 fd8080 ff")
"""A message registered by ITU-T T.35 (ATSC A/53, part 4, 6.2.3): "resume caption loading" in the first channel."""

_SEI = b"\0\0\0\1\x06\x04" + bytes([len(CC_DATA)]) + CC_DATA + b"\x80"
_SLICE = re.compile(rb"\x00?\x00\x00\x01(?=[\x01\x21\x41\x61\x25\x45\x65])")
"""Where a coded slice begins (ITU-T H.264, table 7-1: types 1 and 5)."""


def captioned(clip, path):
    """Copy a film of H.264 without reordered frames, with captions in every frame, and without sound."""
    raw = path.with_suffix(".h264")
    subprocess.run([find(), "-v", "error", "-y", "-i", clip, "-map", "0:v", "-c", "copy", raw], check=True)
    raw.write_bytes(_SLICE.sub(lambda start: _SEI + start[0], raw.read_bytes()))
    subprocess.run([find(), "-v", "error", "-y", "-framerate", "25", "-i", raw, "-c", "copy", path], check=True)
    return path
