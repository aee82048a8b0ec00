"""The session directories in a folder: their names, and those whose daemon is gone, because it was killed."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID, uuid4

from hls_sessions.segments.directory import OWNER, SegmentDirectory, is_locked, is_own, may_be_taken, read_identity

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def orphans(segments_dir: Path) -> Iterator[SegmentDirectory]:
    """Yield the session directories whose daemon is gone. Other directories are never touched."""
    try:
        found = [path for path in segments_dir.iterdir() if _is_uuid(path.name) and is_own(path)]
    except OSError:
        return
    for path in found:
        owner = read_identity(path / OWNER)
        if owner is not None and not owner.is_running() and not is_locked(path):
            yield SegmentDirectory(path)


def new_directory(segments_dir: Path) -> Path:
    """Return the path of a new session's directory. Its name is random, and tells nothing of the session."""
    return segments_dir / str(uuid4())


def remembered_directory(segments_dir: Path, name: str) -> Path | None:
    """Return the directory of this name, which may be gone; None if it is another user's or another daemon's by now.

    The name comes from a file that may have been changed: one that no session's directory has gives None.
    """
    path = segments_dir / name
    return path if _is_uuid(name) and may_be_taken(path) else None


def _is_uuid(name: str) -> bool:
    try:
        return str(UUID(name)) == name
    except ValueError:
        return False
