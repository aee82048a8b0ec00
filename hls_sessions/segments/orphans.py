"""The directories of sessions, and of what they share: their names, and those whose daemon is gone."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final
from uuid import UUID, uuid4

from hls_sessions.errors import StorageFailed
from hls_sessions.segments.directory import OWNER, SegmentDirectory, is_locked, is_own, may_be_taken, read_identity

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SHARED: Final = "hls_sessions-shared-"
"""How the name of a directory begins that holds what sessions share."""


def orphans(segments_dir: Path) -> Iterator[SegmentDirectory]:
    """Yield the directories of sessions, and of what they shared, whose daemon is gone. Others are never touched."""
    for path in _directories(segments_dir):
        owner = read_identity(path / OWNER)
        if owner is not None and not owner.is_running() and not is_locked(path):
            yield SegmentDirectory(path)


def new_directory(segments_dir: Path) -> Path:
    """Return the path of a new session's directory. Its name is random, and tells nothing of the session."""
    return segments_dir / str(uuid4())


def new_shared_directory(segments_dir: Path) -> Path:
    """Return the path of a new directory for what sessions share."""
    return segments_dir / f"{SHARED}{uuid4()}"


def remembered_directory(segments_dir: Path, name: str) -> Path | None:
    """Return the directory of this name, which may be gone; None if it is another user's or another daemon's by now.

    The name comes from a file that may have been changed: one that no session's directory has gives None.
    """
    path = segments_dir / name
    return path if _is_uuid(name) and may_be_taken(path) else None


def shared_by(segments_dir: Path, home: Path | None, next_home: Path | None) -> SegmentDirectory | None:
    """Return the directory of what the sessions of an earlier daemon with this state folder shared; None without one.

    It is open: its files are unchecked, or gone where the machine was started since. ``next_home`` is the state folder
    by which the next daemon finds it.
    """
    if home is None:
        return None
    for path in _directories(segments_dir):
        directory = SegmentDirectory(path, next_home)
        if path.name.startswith(SHARED) and directory.is_of(home):
            with suppress(StorageFailed):
                directory.open()
                return directory
    return None


def _directories(segments_dir: Path) -> list[Path]:
    try:
        return [path for path in segments_dir.iterdir() if _is_uuid(path.name.removeprefix(SHARED)) and is_own(path)]
    except OSError:
        return []


def _is_uuid(name: str) -> bool:
    try:
        return str(UUID(name)) == name
    except ValueError:
        return False
