"""Which content of a file an answer is about: a file that is written to again is another one."""

from __future__ import annotations

import hashlib
import os
import time
from enum import Enum
from typing import TYPE_CHECKING, Final, NamedTuple

from hls_sessions.errors import MediaNotFound

if TYPE_CHECKING:
    from pathlib import Path

    from hls_sessions.media import Media

MAY_GROW: Final = 3600.0
"""Seconds after it was last written to for which a file may be one that is still being recorded."""

SAMPLE: Final = 4096
"""Bytes that are compared at each place of a file that has grown."""


class _SizeAndTime(NamedTuple):
    path: Path
    size: int
    """Bytes."""
    modified: int
    """When it was last written to, in nanoseconds since the epoch."""


class FileVersion(_SizeAndTime):
    """A file as it is now: another size or modification time is another file."""

    inode = 0
    """Its number on its disk. Not compared, because some file systems number a file anew when it is opened again."""

    @classmethod
    def of(cls, path: Path) -> FileVersion:
        """Look at a file.

        Raises:
            MediaNotFound: it is gone.
        """
        try:
            stat = path.stat()
        except OSError as error:
            raise MediaNotFound(str(path)) from error
        found = cls(path, stat.st_size, stat.st_mtime_ns)
        found.inode = stat.st_ino
        return found


class Sight(Enum):
    """What a look at a file has found."""

    SAME = "same"
    """It is the file that was opened, or begins with it."""
    CHANGED = "changed"
    """It was replaced, or written to."""
    AWAY = "away"
    """It cannot be looked at."""


class OpenedFile:
    """A file that was opened, and may have changed since. Looking at it may take as long as its disk does.

    A recording grows while it is watched. Its bytes up to the size that it had stay as they are, and those are all that
    a session reads. So a file that has grown is the same if it was being written to, and if samples of its bytes are
    what they were. Its beginning is not compared, because a recorder writes the length there when it ends.
    """

    def __init__(self, media: Media) -> None:
        """Name a file as it was probed."""
        self.version = version_of(media)
        self._sample: bytes | None = None

    def begin(self) -> None:
        """Read the samples, if the file may grow."""
        if time.time() - self.version.modified / 1e9 < MAY_GROW:
            try:
                now = FileVersion.of(self.version.path)
                if now == self.version or self._has_grown_to(now):
                    self._sample = self._read_sample()
            except (OSError, MediaNotFound):
                pass  # without samples, a file that grows is another one

    def look(self) -> Sight:
        """Look at the file."""
        try:
            now = FileVersion.of(self.version.path)
            if now == self.version:
                return Sight.SAME
            is_same = self._sample is not None and self._has_grown_to(now) and self._read_sample() == self._sample
        except (OSError, MediaNotFound):
            return Sight.AWAY
        return Sight.SAME if is_same else Sight.CHANGED

    def _has_grown_to(self, now: FileVersion) -> bool:
        return grew(self.version, now)

    def _read_sample(self) -> bytes:
        size, digest = self.version.size, hashlib.sha256()
        with self.version.path.open("rb", buffering=0) as file:
            for place in (size // 4, size // 2, size * 3 // 4, max(0, size - SAMPLE)):
                digest.update(os.pread(file.fileno(), min(SAMPLE, size - place), place))
        return digest.digest()


def version_of(media: Media) -> FileVersion:
    """Return the version of its file that facts are of."""
    version = FileVersion(media.path, media.size, media.modified)
    version.inode = media.inode
    return version


def has_grown(version: FileVersion) -> bool:
    """Whether there is more in a file by now."""
    try:
        return grew(version, FileVersion.of(version.path))
    except MediaNotFound:
        return False


def grew(before: FileVersion, after: FileVersion) -> bool:
    """Whether one version of a file may be another one with more at its end."""
    return after.size > before.size and after.inode == before.inode
