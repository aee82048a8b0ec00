"""A small Matroska made by hand (RFC 9559): raw video and sound, so that no encoder is needed."""

from __future__ import annotations

import struct

FRAMES, RATE = 25, 25
"""Frames of the video, and how many are shown in a second."""
SAMPLES = 8000
"""Samples of the sound in a second."""

TRACK = 0xAE


def element(identifier: int, *content: bytes) -> bytes:
    payload = b"".join(content)
    return identifier.to_bytes((identifier.bit_length() + 7) // 8) + (1 << 56 | len(payload)).to_bytes(8) + payload


def number(identifier: int, value: int) -> bytes:
    return element(identifier, value.to_bytes(8))


def decimal(identifier: int, value: float) -> bytes:
    return element(identifier, struct.pack(">d", value))


def matroska(
    *parts: bytes,
    info: bytes = b"",
    tracks: tuple[bytes, ...] = (),
    seconds: float = 1.0,
    clusters: tuple[bytes, ...] = (),
) -> bytes:
    """A film of a second, if no other tracks and clusters are given, with more in its information and before these."""
    head = element(0x1A45DFA3, number(0x4286, 1), element(0x4282, b"matroska"), number(0x4287, 4), number(0x4285, 2))
    about = element(0x1549A966, number(0x2AD7B1, 1_000_000), decimal(0x4489, seconds * 1000), info)
    made = clusters or tuple(_cluster(start, start + 5) for start in range(0, FRAMES, 5))
    return head + element(0x18538067, about, element(0x1654AE6B, *(tracks or (video(), audio()))), *parts, *made)


def video(
    *more: bytes, codec: bytes = b"V_UNCOMPRESSED", width: int = 16, height: int = 16, shown: bytes = b""
) -> bytes:
    """The track of the pictures, with more about it, and about how they are shown."""
    picture = element(0xE0, number(0xB0, width), number(0xBA, height), element(0x2EB524, b"I420"), shown)
    return _track(1, codec, picture, number(0x23E383, 10**9 // RATE), *more)


def audio(*more: bytes, rate: float = SAMPLES) -> bytes:
    """The track of the sound, with more about it."""
    return _track(2, b"A_PCM/INT/LIT", element(0xE1, decimal(0xB5, rate), number(0x9F, 1), number(0x6264, 16)), *more)


def _track(kind: int, codec: bytes, *about: bytes) -> bytes:
    return element(TRACK, number(0xD7, kind), number(0x73C5, kind), number(0x83, kind), element(0x86, codec), *about)


def cluster(at: int, content: bytes = bytes(16 * 16 * 3 // 2), track: int = 1) -> bytes:
    """A cluster of one packet at a time in milliseconds."""
    return element(0x1F43B675, number(0xE7, at), element(0xA3, bytes([0x80 | track, 0, 0, 0x80]), content))


def _cluster(first: int, end: int) -> bytes:
    at = first * 1000 // RATE
    picture, sound = bytes(16 * 16 * 3 // 2), bytes(2 * SAMPLES // RATE)
    blocks = (
        element(0xA3, bytes([0x80 | track]), struct.pack(">hB", (frame - first) * 1000 // RATE, 0x80), content)
        for frame in range(first, end)
        for track, content in ((1, picture), (2, sound))
    )
    return element(0x1F43B675, number(0xE7, at), *blocks)
