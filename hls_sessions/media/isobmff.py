"""The boxes of the ISO base media file format (ISO/IEC 14496-12, 4.2): read in memory or in a file, and written."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, BinaryIO, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

_HEADER: Final = struct.Struct(">I4s")
_LARGE_SIZE: Final = struct.Struct(">Q")
_VERSION: Final = struct.Struct(">I")


class Box(NamedTuple):
    """One box: its type, and where in some bytes it lies."""

    data: memoryview
    kind: bytes
    start: int
    """Offset of the box's first byte, its size field."""
    payload: int
    """Offset of the payload."""
    end: int
    error: type[ValueError]
    """Raised when something is wrong with the box, with a message that continues "it cannot be used: ..."."""

    @property
    def content(self) -> memoryview:
        """The payload."""
        return self.data[self.payload : self.end]

    def boxes(self, skip: int = 0) -> Iterator[Box]:
        """Yield the boxes in it, after so many bytes of fields of its own.

        A size of zero means the rest of this box, as it does at the end of a file. Fewer bytes than a box header are
        ignored, because QuickTime ends some lists of boxes with four zero bytes.
        """
        return _walk(self.data, self.payload + skip, self.end, self.error, strict=False)

    def find(self, kind: bytes, skip: int = 0) -> Box | None:
        """Return the first box of a type in it; None when there is none."""
        for box in self.boxes(skip):
            if box.kind == kind:
                return box
        return None

    def child(self, kind: bytes, skip: int = 0) -> Box:
        """Return the first box of a type in it; raise ``error`` when there is none."""
        found = self.find(kind, skip)
        if found is None:
            raise self.error(f"its {kind.decode('latin-1')} box is missing")
        return found

    def number(self, layout: str, at: int) -> int:
        """Read one number, in a layout of struct's, so many bytes into the payload."""
        start = self.payload + at
        if start + struct.calcsize(layout) > self.end:
            raise self.error(f"its {self.kind.decode('latin-1')} box is too short")
        return int(struct.unpack_from(layout, self.data, start)[0])


def write_box(kind: bytes, *payload: bytes | memoryview) -> bytes:
    """Return a box with this payload."""
    content = b"".join(payload)
    return _HEADER.pack(len(content) + _HEADER.size, kind) + content


def write_full_box(kind: bytes, version: int, flags: int, *payload: bytes) -> bytes:
    """Return a box that has a version and flags (4.2)."""
    return write_box(kind, _VERSION.pack(version << 24 | flags), *payload)


def read_boxes(data: bytes | memoryview, error: type[ValueError]) -> Iterator[Box]:
    """Yield the boxes that fill some bytes to the last one; raise ``error`` where they do not."""
    return _walk(memoryview(data), 0, len(data), error, strict=True)


def read_box(file: BinaryIO, kind: bytes, most: int, error: type[ValueError]) -> Box:
    """Find the first box of a type at the top level of a file, and read it and nothing else.

    Raises:
        error: there is none, or it has more than ``most`` bytes.
        OSError: the file cannot be read.
    """
    at, end = 0, file.seek(0, 2)
    while at + _HEADER.size <= end:
        file.seek(at)
        found, payload, size = _header(file.read(_HEADER.size + _LARGE_SIZE.size), 0, end - at)
        if not payload <= size <= end - at:
            break
        if found == kind:
            if size > most:
                raise error(f"its {kind.decode('latin-1')} box is too large")
            file.seek(at)
            data = memoryview(file.read(size))
            return Box(data, kind, 0, payload, len(data), error)
        at += size
    raise error(f"it has no {kind.decode('latin-1')} box")


def _walk(data: memoryview, start: int, end: int, error: type[ValueError], *, strict: bool) -> Iterator[Box]:
    while start < end:
        room = end - start
        if room < _HEADER.size:
            if strict:
                raise error("a box is cut short")
            return
        kind, payload, size = _header(data, start, 0 if strict else room)
        if not payload <= size <= room:
            raise error(f"its {kind.decode('latin-1')} box is cut short")
        yield Box(data, kind, start, start + payload, start + size, error)
        start += size


def _header(data: bytes | memoryview, at: int, rest: int) -> tuple[bytes, int, int]:
    """Return a box's type, how many bytes its header has, and how many it has in all; ``rest`` where that says zero."""
    size, kind = _HEADER.unpack_from(data, at)
    if size == 1 and at + _HEADER.size + _LARGE_SIZE.size <= len(data):
        [size] = _LARGE_SIZE.unpack_from(data, at + _HEADER.size)
        return kind, _HEADER.size + _LARGE_SIZE.size, size
    return kind, _HEADER.size, size or rest
