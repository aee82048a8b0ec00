"""The files that may be opened: those under the media roots, judged after their symlinks are followed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from hls_sessions.errors import MediaNotFound, NotPlayable, OutsideRoots

if TYPE_CHECKING:
    from collections.abc import Iterable


class MediaRoots:
    """The media roots."""

    def __init__(self, roots: Iterable[Path]) -> None:
        """Name the roots; each must be a folder.

        Raises:
            NotADirectoryError: one of them is not.
        """
        self.roots = tuple(Path(root).expanduser().resolve() for root in roots)
        for root in self.roots:
            if not root.is_dir():
                raise NotADirectoryError(f"The media root {root} is not a folder.")

    def find(self, media: str | Path) -> Path:
        """Return a file's real path: relative to the first root that has it, or absolute under any.

        Raises:
            MediaNotFound: there is no such file.
            OutsideRoots: it is there or would be, but outside the roots.
            NotPlayable: it is not a regular file.
        """
        name = str(media)
        if not name or "\0" in name:
            raise MediaNotFound(name)
        outside = False
        for root in self.roots:
            try:
                path = (root / name).resolve()
                inside = path.is_relative_to(root) or any(path.is_relative_to(other) for other in self.roots)
                there = inside and path.exists()
            except (OSError, RuntimeError, ValueError):
                continue  # a name too long for the system, a loop of symlinks, half a surrogate pair
            if there:
                if not path.is_file():
                    raise NotPlayable(name, "it is not a regular file")
                return path
            outside = outside or not inside
        # The error does not say whether a file outside exists, because a caller must not learn that.
        raise OutsideRoots(name) if outside else MediaNotFound(name)

    def named(self, media: str) -> frozenset[Path]:
        """Return the real paths that a name may stand for under the roots, whether or not there are such files."""
        return frozenset(path for root in self.roots if (path := _resolved(root, media)) is not None)


def _resolved(root: Path, name: str) -> Path | None:
    try:
        return (root / name).resolve()
    except (OSError, RuntimeError, ValueError):
        return None  # a name too long for the system, a loop of symlinks, a zero byte
