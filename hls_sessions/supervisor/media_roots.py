"""The files that may be opened: those under the media roots, judged after their symlinks are followed.

A media root may be on a share that does not answer. It is asked for a bounded time, and delays no other root.
"""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from hls_sessions.errors import MediaNotFound, NotPlayable, OutsideRoots, Unavailable
from hls_sessions.ffmpeg import LOOKUP_PATIENCE, Lookups
from hls_sessions.media import spellings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class MediaRoots:
    """The media roots. Any thread may use it."""

    def __init__(self, roots: Iterable[Path], patience: float = LOOKUP_PATIENCE) -> None:
        """Name the roots; each must be a folder. A lookup may take ``patience`` seconds.

        Raises:
            NotADirectoryError: one of them is not.
        """
        self.roots = tuple(Path(root).expanduser().resolve() for root in roots)
        for root in self.roots:
            if not root.is_dir():
                raise NotADirectoryError(f"The media root {root} is not a folder.")
        self._patience = patience
        # Each has lookups of its own, because those of a dead share must not take the threads of the others.
        self._lookups = {root: Lookups(patience) for root in self.roots}

    def add(self, root: Path) -> None:
        """Have another folder be a root; nothing where it is one."""
        root = root.resolve()
        if root not in self._lookups:
            self._lookups[root] = Lookups(self._patience)
            self.roots = (*self.roots, root)

    def find(self, media: str | Path) -> Path:
        """Return a file's real path: relative to the first root that has it, or absolute under any.

        A root that does not answer is passed over if another has the file. Bytes of the name that are no UTF-8 may be
        percent-encoded; a file with that very name comes first.

        Raises:
            MediaNotFound: there is no such file.
            OutsideRoots: it is there or would be, but outside the roots.
            NotPlayable: it is not a regular file.
            Unavailable: the storage of the file does not answer.
        """
        name, *others = spellings(str(media))
        try:
            return self._find(name)
        except MediaNotFound:
            if not others:
                raise
        return self._find(others[0])

    def _find(self, name: str) -> Path:
        if not name or "\0" in name:
            raise MediaNotFound(name)
        outside, silent = False, None
        for root, place in self._places(name):
            try:
                found = self._lookups[root](place, partial(self._look, root, name))
            except (OSError, RuntimeError, ValueError):
                continue  # a name too long for the system, a loop of symlinks, half a surrogate pair
            except Unavailable as error:
                silent = error
                continue
            if isinstance(found, Path):
                return found
            outside = outside or not found
        if silent is not None:
            raise silent
        # The error does not say whether a file outside exists, because a caller must not learn that.
        raise OutsideRoots(name) if outside else MediaNotFound(name)

    def named(self, media: str) -> frozenset[Path]:
        """Return the real paths that a name may stand for under the roots, whether or not there are such files.

        Symlinks of a root that does not answer are not followed.
        """
        return frozenset(
            path
            for name in spellings(media)
            for root, place in self._places(name)
            for path in self._named(root, place, name)
        )

    def abandon(self) -> None:
        """Answer all callers that wait for a root with Unavailable."""
        for lookups in tuple(self._lookups.values()):
            lookups.abandon()

    @property
    def silent(self) -> int:
        """How many roots do not answer, or do not for some of their files."""
        return sum(lookups.silent > 0 for lookups in tuple(self._lookups.values()))

    @property
    def unreachable(self) -> tuple[Path, ...]:
        """The roots whose storage does not answer just now."""
        return tuple(root for root, lookups in tuple(self._lookups.items()) if lookups.silent > 0)

    def _places(self, name: str) -> Iterator[tuple[Path, Path]]:
        """Yield each root that a name is to be looked up in, and the folder in it that may be a share of its own."""
        if not os.path.isabs(name):  # noqa: PTH117 - a name may hold a zero byte
            yield from ((root, root.joinpath(*Path(name).parts[:1])) for root in self.roots)
            return
        path = Path(os.path.normpath(name))
        root = next((root for root in self.roots if path.is_relative_to(root)), None)
        if root is not None:
            yield root, root.joinpath(*path.relative_to(root).parts[:1])
        elif self.roots:
            yield self.roots[0], path.parent  # it may be a symlink to a file under a root

    def _look(self, root: Path, name: str) -> Path | bool:
        """Return the real path of a file; if there is none, whether it would be under a root."""
        path = (root / name).resolve()
        if not any(path.is_relative_to(each) for each in self.roots):
            return False
        if not path.exists():
            return True
        if not path.is_file():
            raise NotPlayable(name, "it is not a regular file")
        return path

    def _named(self, root: Path, place: Path, name: str) -> Iterator[Path]:
        try:
            yield self._lookups[root](place, (root / name).resolve)
        except (OSError, RuntimeError, ValueError):
            return  # a name too long for the system, a loop of symlinks, a zero byte
        except Unavailable:
            yield Path(os.path.normpath(root / name))
