"""When the frames of a film are shown, read from its container: MP4 and MOV frame by frame, Matroska by its rate."""

from __future__ import annotations

HEAD = 1 << 20
"""Bytes at the beginning of a Matroska file in which its header is looked for."""


class Unknown(Exception):
    """The frames of a film cannot be told; the message says why."""


def frame_times(path: str, demuxer: str, stream: int, tick: float) -> list[int]:
    """Return when each frame of a film is shown, in order, in ticks.

    Args:
        path: the film.
        demuxer: its container, as ffmpeg spells it.
        stream: the index of the video stream.
        tick: the seconds that a tick lasts.

    Raises:
        Unknown: the container is another one, or has no such tables.
        OSError: it cannot be read.
    """
    if demuxer == "mov":
        return sorted(_mp4_times(path, stream))
    if demuxer == "matroska":
        return _matroska_times(path, tick)
    raise Unknown(f"the fake ffmpeg reads video in MP4, MOV and Matroska, not in {demuxer}")


def _mp4_times(path: str, stream: int) -> list[int]:
    """Read the sample tables of a track, and its edit list (ISO/IEC 14496-12, 8.6)."""
    moov = _moov(path)
    tracks = [body for kind, body in _boxes(moov) if kind == b"trak"]
    if stream >= len(tracks):
        raise Unknown(f"the film has no track {stream}")
    track = dict(_boxes(tracks[stream]))
    media = dict(_boxes(track[b"mdia"]))
    tables = dict(_boxes(dict(_boxes(media[b"minf"]))[b"stbl"]))
    lasting = _runs(tables[b"stts"])
    if not lasting:
        raise Unknown("the film is fragmented, and the fake ffmpeg reads whole tables alone")
    time, times = _begins(track, _time_scale(media[b"mdhd"]), _time_scale(dict(_boxes(moov))[b"mvhd"])), []
    for lasts in lasting:
        times.append(time)
        time += lasts
    shifts = _runs(tables[b"ctts"]) if b"ctts" in tables else [0] * len(times)
    return [time + (shift - (1 << 32) if shift >> 31 else shift) for time, shift in zip(times, shifts, strict=True)]


def _moov(path: str) -> bytes:
    with open(path, "rb") as file:  # noqa: PTH123 - pathlib takes long to import
        while header := file.read(8):
            size, kind = int.from_bytes(header[:4], "big"), header[4:]
            size, read = (int.from_bytes(file.read(8), "big"), 16) if size == 1 else (size, 8)
            if kind == b"moov":
                return file.read(size - read if size else -1)
            if not size:
                break
            file.seek(size - read, 1)
    raise Unknown("the film has no moov box")


def _boxes(data: bytes) -> list[tuple[bytes, bytes]]:
    found, at = [], 0
    while at + 8 <= len(data):
        size = int.from_bytes(data[at : at + 4], "big") or len(data) - at
        found.append((data[at + 4 : at + 8], data[at + 8 : at + size]))
        at += max(8, size)
    return found


def _runs(table: bytes) -> list[int]:
    """Read a table of how often each value comes in a row."""
    values: list[int] = []
    for at in range(8, 8 + 8 * int.from_bytes(table[4:8], "big"), 8):
        values += [int.from_bytes(table[at + 4 : at + 8], "big")] * int.from_bytes(table[at : at + 4], "big")
    return values


def _time_scale(header: bytes) -> int:
    at = 20 if header[0] else 12
    return int.from_bytes(header[at : at + 4], "big")


def _begins(track: dict[bytes, bytes], scale: int, movie_scale: int) -> int:
    """Return when the first sample is decoded: later by an empty edit, earlier by what the next edit leaves out."""
    begins = 0
    edits = dict(_boxes(track.get(b"edts", b""))).get(b"elst", bytes(8))
    width = 8 if edits[0] else 4
    for at in range(8, 8 + (2 * width + 4) * int.from_bytes(edits[4:8], "big"), 2 * width + 4):
        from_time = int.from_bytes(edits[at + width : at + 2 * width], "big", signed=True)
        if from_time >= 0:
            return begins - from_time
        begins += int.from_bytes(edits[at : at + width], "big") * scale // movie_scale
    return begins


def _matroska_times(path: str, tick: float) -> list[int]:
    """Space frames evenly from zero on: a Matroska tells its length and its frame rate in its header (RFC 9559)."""
    with open(path, "rb") as file:  # noqa: PTH123 - pathlib takes long to import
        head = file.read(HEAD)
    frame = _element(head, b"\x23\xe3\x83")  # DefaultDuration, in nanoseconds; video comes first
    scale = _element(head, b"\x2a\xd7\xb1")  # TimestampScale
    length = _float(head, b"\x44\x89")  # Duration, in that scale
    if not frame or not scale or length is None:
        raise Unknown("the film does not tell its length and frame rate in its header")
    return [round(number * frame / 1e9 / tick) for number in range(round(length * scale / frame))]


def _element(head: bytes, name: bytes) -> int | None:
    at = head.find(name)
    if at < 0:
        return None
    size = head[at + len(name)] & 0x7F
    return int.from_bytes(head[at + len(name) + 1 : at + len(name) + 1 + size], "big")


def _float(head: bytes, name: bytes) -> float | None:
    """Read a number of eight bytes, as IEEE 754 has it."""
    at = head.find(name + b"\x88")
    if at < 0:
        return None
    bits = int.from_bytes(head[at + len(name) + 1 : at + len(name) + 9], "big")
    exponent, fraction = bits >> 52 & 0x7FF, bits & (1 << 52) - 1
    return float((1 + fraction / (1 << 52)) * 2.0 ** (exponent - 1023))
