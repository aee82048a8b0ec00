"""Which content of a file an answer is about: a file that is written to again is another one."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from hls_sessions.errors import MediaNotFound

if TYPE_CHECKING:
    from pathlib import Path


class FileVersion(NamedTuple):
    """A file as it is now: another size or modification time is another file."""

    path: Path
    size: int
    """Bytes."""
    modified: int
    """When it was last written to, in nanoseconds since the epoch."""

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
        return cls(path, stat.st_size, stat.st_mtime_ns)
