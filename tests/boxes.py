"""Boxes of an fMP4 segment made by hand (ISO/IEC 14496-12), with only the fields that are read."""

from __future__ import annotations

import struct

SIZE = struct.pack(">HH", 160, 90)
MDHD = struct.pack(">IIIII", 0, 0, 0, 1000, 0)


def box(kind: bytes, *content: bytes) -> bytes:
    payload = b"".join(content)
    return struct.pack(">I4s", 8 + len(payload), kind) + payload


def track(mdhd: bytes, entry: bytes = b"mp4a", *fields: bytes) -> bytes:
    """A trak box: its media header, and one sample entry."""
    stsd = box(b"stsd", bytes(8), box(entry, *fields))
    return box(b"trak", box(b"mdia", box(b"mdhd", mdhd), box(b"minf", box(b"stbl", stsd))))


def picture(*, size: bytes = SIZE, nal_length: int = 4, mdhd: bytes = MDHD, parameters: bytes = b"one") -> bytes:
    """A video track in H.264."""
    configuration = box(b"avcC", b"\x01\x64\x00\x1f", bytes([0xFC | nal_length - 1]), parameters)
    return track(mdhd, b"avc1", bytes(24), size, bytes(50), configuration)


def units(*kinds: int, length: int = 4) -> bytes:
    """NAL units of these types, of three bytes each."""
    return b"".join((3).to_bytes(length) + bytes([0x60 | kind, 0, 0]) for kind in kinds)
