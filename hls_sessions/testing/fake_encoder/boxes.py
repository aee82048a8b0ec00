"""Fragmented MP4 with one track (ISO/IEC 14496-12): an init segment, and fragments."""

from __future__ import annotations

_MATRIX = b"".join(number.to_bytes(4, "big") for number in (0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000))

_RATES = (96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350)
"""Sampling frequencies by their index in an AudioSpecificConfig (ISO/IEC 14496-3, 1.6.3.4)."""

SYNC, NON_SYNC = 0x02000000, 0x01010000
"""The flags of a keyframe, and of a frame that depends on another (8.8.3.1)."""


def video_init(width: int, height: int, scale: int, configuration: bytes) -> bytes:
    """Write an init segment of H.264; ``scale`` is how many ticks a second has."""
    entry = _box(
        b"avc1",
        bytes(6) + _u16(1) + bytes(16) + _u16(width) + _u16(height) + _u32(0x480000) * 2 + bytes(4) + _u16(1),
        bytes(32) + _u16(24) + b"\xff\xff",
        _box(b"avcC", configuration),
    )
    return _init(scale, b"vide", _box(b"vmhd", _u32(1), bytes(8)), entry, _u32(width << 16) + _u32(height << 16))


def audio_init(channels: int, rate: int) -> bytes:
    """Write an init segment of AAC, whose ticks are samples."""
    config = _u16(2 << 11 | _RATES.index(rate) << 7 | channels << 3)
    decoder = _descriptor(4, b"\x40\x15" + bytes(11) + _descriptor(5, config))
    esds = _box(b"esds", bytes(4), _descriptor(3, _u16(1) + b"\0" + decoder + _descriptor(6, b"\2")))
    entry = _box(b"mp4a", bytes(6) + _u16(1) + bytes(8) + _u16(channels) + _u16(16) + bytes(4) + _u32(rate << 16), esds)
    return _init(rate, b"soun", _box(b"smhd", bytes(8)), entry, bytes(8))


def fragment(time: int, samples: list[tuple[int, bytes]], *, all_sync: bool) -> bytes:
    """Write a fragment (8.8.4 to 8.8.12).

    Args:
        time: when its first sample is decoded and shown, in ticks.
        samples: how many ticks each lasts, and its bytes.
        all_sync: whether all are keyframes; else the first one alone.
    """
    flags = [SYNC if all_sync or not number else NON_SYNC for number in range(len(samples))]
    rows = b"".join(
        _u32(lasts) + _u32(len(data)) + _u32(flag) for (lasts, data), flag in zip(samples, flags, strict=True)
    )
    moof = b""
    for _ in range(2):  # its own size is where the media data begins
        moof = _box(
            b"moof",
            _box(b"mfhd", bytes(4), _u32(1)),
            _box(
                b"traf",
                _box(b"tfhd", _u32(0x020000), _u32(1)),
                _box(b"tfdt", _u32(0x01000000), time.to_bytes(8, "big", signed=True)),
                _box(b"trun", _u32(0x000701), _u32(len(samples)), _u32(len(moof) + 8), rows),
            ),
        )
    return moof + _box(b"mdat", *(data for _, data in samples))


def filled(data: bytes, seconds: float, bit_rate: int | None) -> bytes:
    """Make a segment as large as its bit rate says, by a box of free space (8.1.2), which players pass over."""
    missing = round(seconds * (bit_rate or 0) / 8) - len(data)
    return data + _box(b"free", bytes(missing - 8)) if missing >= 8 else data  # noqa: PLR2004 - an empty box


def _init(scale: int, handler: bytes, media_header: bytes, entry: bytes, size: bytes) -> bytes:
    data_info = _box(b"dinf", _box(b"dref", bytes(4), _u32(1), _box(b"url ", _u32(1))))
    empty = [_box(kind, bytes(8)) for kind in (b"stts", b"stsc", b"stco")]
    table = _box(b"stbl", _box(b"stsd", bytes(4), _u32(1), entry), *empty, _box(b"stsz", bytes(12)))
    volume = _u16(0x100 if handler == b"soun" else 0)
    track = _box(
        b"trak",
        _box(b"tkhd", _u32(3), bytes(8), _u32(1), bytes(20), volume + bytes(2), _MATRIX, size),
        _box(
            b"mdia",
            _box(b"mdhd", bytes(12), _u32(scale), bytes(4), _u16(0x55C4), bytes(2)),
            _box(b"hdlr", bytes(8), handler, bytes(13)),
            _box(b"minf", media_header, data_info, table),
        ),
    )
    header = _box(
        b"mvhd", bytes(12), _u32(1000), bytes(4), _u32(0x10000), _u16(0x100), bytes(10), _MATRIX, bytes(24), _u32(2)
    )
    extends = _box(b"mvex", _box(b"trex", bytes(4), _u32(1), _u32(1), bytes(12)))
    return _box(b"ftyp", b"iso5", _u32(512), b"iso5iso6mp41") + _box(b"moov", header, track, extends)


def _descriptor(tag: int, content: bytes) -> bytes:
    """Write a descriptor of less than 128 bytes (ISO/IEC 14496-1, 8.3.3)."""
    return bytes([tag, len(content)]) + content


def _box(kind: bytes, *content: bytes) -> bytes:
    payload = b"".join(content)
    return _u32(8 + len(payload)) + kind + payload


def _u16(number: int) -> bytes:
    return number.to_bytes(2, "big")


def _u32(number: int) -> bytes:
    return number.to_bytes(4, "big")
