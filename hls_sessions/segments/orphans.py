"""Session directories whose daemon is gone, because it was killed."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from hls_sessions.segments.directory import OWNER, SegmentDirectory, is_own, read_identity

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def orphans(segments_dir: Path) -> Iterator[SegmentDirectory]:
    """Yield the session directories whose daemon is gone. Other directories are never touched."""
    try:
        found = [path for path in segments_dir.iterdir() if _is_session_id(path.name) and is_own(path)]
    except OSError:
        return
    for path in found:
        owner = read_identity(path / OWNER)
        if owner is not None and not owner.is_running():
            yield SegmentDirectory(path)


def _is_session_id(name: str) -> bool:
    try:
        return str(UUID(name)) == name
    except ValueError:
        return False
