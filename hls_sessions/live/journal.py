"""The journal of one recording: what has arrived, unchanged, in the order in which it came.

::

    <recordings-dir>/<id>/         0700
        part-0.webm                one stream, from its first byte to its last
        part-1.webm                the stream of a source that came back with another one

Bytes are acknowledged when they are in the file: no crash of a process loses them. At most a second later they are on
the disk (``syncer.py``), so a power cut loses no more than that. The size of the last file is where its source goes on.
"""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from hls_sessions.errors import RecordingFull, StorageFailed, WrongOffset

if TYPE_CHECKING:
    from pathlib import Path

PREFIX: Final = "part-"


@dataclass(frozen=True, slots=True)
class Part:
    """One stream of a recording."""

    number: int
    path: Path
    size: int
    """Bytes that have arrived of it."""

    @property
    def extension(self) -> str:
        """The extension of its file, without the dot."""
        return self.path.suffix[1:]


class Journal:
    """The parts of one recording. Any thread may read it; one at a time may write.

    Of two writers at one offset the second is refused, because its bytes are there already.
    """

    def __init__(self, folder: Path, most: int) -> None:
        """Take over the parts that are in a folder.

        Args:
            folder: the folder; it is made if it is not there.
            most: bytes that all parts may have together.

        Raises:
            StorageFailed: it cannot be made or read.
        """
        self.folder = folder
        self._most = most
        self._lock = threading.Lock()
        self._file: int | None = None
        """The file of the last part, while it is written to."""
        self._unsynced = False
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._parts = sorted(map(_read, folder.glob(f"{PREFIX}*.*")), key=lambda part: part.number)
        except (OSError, ValueError) as error:
            raise _failed(folder, error) from error

    def __repr__(self) -> str:
        return f"<Journal {self.folder} [{len(self._parts)} parts, {self.size} bytes]>"

    @property
    def parts(self) -> tuple[Part, ...]:
        """All parts, the oldest first."""
        with self._lock:
            return tuple(self._parts)

    @property
    def size(self) -> int:
        """Bytes of all parts."""
        return sum(part.size for part in self.parts)

    def begin(self, extension: str) -> Part:
        """Begin another part; what comes from now on is of another stream.

        Raises:
            StorageFailed: its file cannot be made.
        """
        self.close()
        with self._lock:
            number = self._parts[-1].number + 1 if self._parts else 0
            path = self.folder / f"{PREFIX}{number}.{extension}"
            try:
                self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
            except OSError as error:
                raise _failed(path, error) from error
            self._parts.append(Part(number, path, 0))
            try:
                self._sync_folder()
            except OSError as error:
                raise _failed(path, error) from error
            return self._parts[-1]

    def append(self, offset: int, data: bytes | memoryview) -> int:
        """Add bytes to the last part, and return its new size: they are acknowledged.

        Args:
            offset: where they belong in it.
            data: the bytes.

        Raises:
            WrongOffset: they belong elsewhere than at its end.
            RecordingFull: it would be larger than it may be. Nothing of them is added.
            StorageFailed: they cannot be written, or not all of them; the size is that of what is there.
        """
        with self._lock:
            part = self._parts[-1]
            if offset != part.size:
                raise WrongOffset(offset, part.size)
            if sum(each.size for each in self._parts) + len(data) > self._most:
                raise RecordingFull(self._most)
            written = 0
            try:
                if self._file is None:
                    self._file = os.open(part.path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
                while written < len(data):
                    written += os.write(self._file, data[written:])
            except OSError as error:
                raise _failed(part.path, error) from error
            finally:
                self._unsynced = self._unsynced or written > 0
                self._parts[-1] = Part(part.number, part.path, part.size + written)
            return self._parts[-1].size

    def sync(self) -> None:
        """Bring all that was added to the disk. It may take long, and holds up nobody who adds more.

        Raises:
            StorageFailed: it cannot be written.
        """
        with self._lock:
            if self._file is None or not self._unsynced:
                return
            try:
                file = os.dup(self._file)  # it may be closed meanwhile
            except OSError as error:
                raise _failed(self.folder, error) from error
            self._unsynced = False
        try:
            os.fdatasync(file)
        except OSError as error:
            self._unsynced = True
            raise _failed(self.folder, error) from error
        finally:
            os.close(file)

    def close(self) -> None:
        """Bring everything to the disk, and write no more until ``append`` is called again."""
        self.sync()
        with self._lock:
            self._close()

    # ---- within

    def _close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _sync_folder(self) -> None:
        folder = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _read(path: Path) -> Part:
    return Part(int(path.stem.removeprefix(PREFIX)), path, path.stat().st_size)


def _failed(path: Path, error: OSError | ValueError) -> StorageFailed:
    return StorageFailed(str(path), getattr(error, "strerror", None) or str(error))
