"""Which tracks of a Matroska are encrypted (RFC 9559, 5.1.4.1.31). libavformat reads them as if they were not.

For the probing process alone, because it opens files that may be hostile.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

HEADER, SEGMENT, TRACKS, TRACK = 0x1A45DFA3, 0x18538067, 0x1654AE6B, 0xAE
KIND, CODEC = 0x83, 0x86
ENCODINGS, ENCODING, ENCODING_TYPE, ENCRYPTION = 0x6D80, 0x6240, 0x5033, 0x5035

KINDS: Final = {1: "video", 2: "audio"}

MOST_BYTES: Final = 16 * 1024**2
"""Bytes that the description of all tracks may have."""

MOST_ELEMENTS: Final = 100_000
"""Elements before the tracks that are passed over: clusters, if the tracks are at the end."""

LONGEST_NUMBER: Final = 8
"""Bytes of the number with which an element begins, at most."""


class _Element(NamedTuple):
    identifier: int
    begins: int
    size: int | None
    """Bytes of its content; None if it says that it does not know."""


def encrypted_tracks(file: BinaryIO) -> dict[str, list[bool]]:
    """Return whether each video and each audio track is encrypted, in the order of the file.

    A file that is no Matroska, or names its tracks nowhere, has none.
    """
    found: dict[str, list[bool]] = {kind: [] for kind in KINDS.values()}
    data = _tracks(file)
    for track in _within(data, 0, len(data)):
        if track.identifier != TRACK:
            continue
        about = {each.identifier: each for each in _within(data, track.begins, _end(track))}
        kind = KINDS.get(_number(data, about[KIND])) if KIND in about else None
        if kind is not None and CODEC in about:
            found[kind].append(ENCODINGS in about and _is_encrypted(data, about[ENCODINGS]))
    return found


def _is_encrypted(data: bytes, encodings: _Element) -> bool:
    return any(
        each.identifier == ENCRYPTION or (each.identifier == ENCODING_TYPE and _number(data, each) == 1)
        for encoding in _within(data, encodings.begins, _end(encodings))
        if encoding.identifier == ENCODING
        for each in _within(data, encoding.begins, _end(encoding))
    )


def _tracks(file: BinaryIO) -> bytes:
    """Return the content of the element that describes the tracks; nothing where there is none."""
    at = 0
    for _ in range(MOST_ELEMENTS):
        file.seek(at)
        head = file.read(2 * LONGEST_NUMBER)
        element = _element(head, 0)
        if element is None:
            return b""
        begins = at + element.begins
        if element.identifier == TRACKS:
            file.seek(begins)
            return file.read(min(element.size or 0, MOST_BYTES))
        if element.identifier == SEGMENT:
            at = begins
        elif element.size is None:
            return b""
        else:
            at = begins + element.size
    return b""


def _within(data: bytes, at: int, end: int) -> Iterator[_Element]:
    """Yield the elements between two places; one that is cut off, or does not know its size, is the last."""
    while at < end and (element := _element(data, at)) is not None and element.size is not None:
        at = _end(element)
        if at <= end:
            yield element


def _element(data: bytes, at: int) -> _Element | None:
    """Return the element that begins at a place (RFC 8794, 4 to 6); None where none does."""
    identifier = _variable(data, at)
    size = None if identifier is None else _variable(data, at + identifier[1])
    if identifier is None or size is None:
        return None
    (marked, length), (size_marked, size_length) = identifier, size
    content = size_marked & (1 << 7 * size_length) - 1
    unknown = content == (1 << 7 * size_length) - 1
    return _Element(marked, at + length + size_length, None if unknown else content)


def _variable(data: bytes, at: int) -> tuple[int, int] | None:
    """Return the number of variable length at a place, with its marker, and its length; None where there is none."""
    if at >= len(data) or data[at] == 0:
        return None
    length = LONGEST_NUMBER + 1 - data[at].bit_length()
    return (int.from_bytes(data[at : at + length]), length) if at + length <= len(data) else None


def _number(data: bytes, element: _Element) -> int:
    return int.from_bytes(data[element.begins : element.begins + min(element.size or 0, LONGEST_NUMBER)])


def _end(element: _Element) -> int:
    return element.begins + (element.size or 0)
