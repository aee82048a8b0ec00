"""The files under the media roots, as an operator looks for one to start: folder by folder, or by a part of a name."""

from __future__ import annotations

import mimetypes
import os
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hls_sessions.errors import MediaNotFound, OutsideRoots, ThumbnailFailed
from hls_sessions.ffmpeg import LOOKUP_PATIENCE, Lookups
from hls_sessions.media import spellings, thumbnails_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hls_sessions.ffmpeg import Prober, ThumbnailMaker
    from hls_sessions.media import Media, Thumbnails
    from hls_sessions.otp import Reply
    from hls_sessions.supervisor.media_roots import MediaRoots

MOST_FOUND: Final = 200
"""Files that a search finds at most."""

MOST_LISTED: Final = 5_000
"""Entries of a folder that are listed."""

MOST_SEEN: Final = 50_000
"""Entries that a search looks at."""

POSTER_AT: Final = 0.15
"""The part of a film after which its poster is taken: behind the opening titles, before anything is given away."""

MORE_EXTENSIONS: Final = frozenset(
    {".mkv", ".webm", ".ts", ".m2ts", ".mts", ".vob", ".ogm", ".opus", ".mka", ".divx", ".mxf"}
)
"""Extensions of media that the system's table of types may lack."""


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file that may be playable: its name promises that. ``path`` opens it."""

    name: str
    path: str
    size: int
    """Bytes."""


@dataclass(frozen=True, slots=True)
class FoundFolder:
    """A folder under a media root."""

    name: str
    path: str


@dataclass(frozen=True, slots=True)
class Listing:
    """A folder, or what a search has found in it. Names are in the order of the alphabet."""

    path: str
    """The folder; empty for the list of the media roots."""
    parent: str | None
    """The folder above it; None where that cannot be listed."""
    folders: tuple[FoundFolder, ...]
    files: tuple[FoundFile, ...]
    is_whole: bool
    """Whether nothing was left out because there is too much."""


class MediaBrowser:
    """Any thread may use it."""

    def __init__(
        self, roots: MediaRoots, prober: Prober, thumbnails: ThumbnailMaker, patience: float = LOOKUP_PATIENCE
    ) -> None:
        """Look through the roots; a folder has ``patience`` seconds to answer."""
        self._roots = roots
        self._prober = prober
        self.thumbnails = thumbnails
        """The maker of the pictures of all films."""
        self._lookups = Lookups(patience)

    def browse(self, folder: str = "", search: str = "") -> Listing:
        """List a folder, or find the files in it and below whose path has all words of ``search``.

        Args:
            folder: absolute; empty for the media roots.
            search: words; empty for none.

        Raises:
            MediaNotFound: there is no such folder.
            OutsideRoots: it is outside of the media roots.
            Unavailable: its storage does not answer.
        """
        words = search.casefold().split()
        roots = self._roots.roots
        if not folder and (len(roots) != 1 or words):
            if words:
                return self._found("", None, roots, words)
            return Listing("", None, tuple(FoundFolder(str(root), str(root)) for root in roots), (), is_whole=True)
        path = self._named(folder) if folder else roots[0]
        parent = "" if path in roots and len(roots) > 1 else None if path in roots else str(path.parent)
        if words:
            return self._found(str(path), parent, (path,), words)
        return self._lookups(path, partial(self._listed, path, parent))

    def ask_poster(self, media: str) -> Reply[bytes]:
        """Ask for a JPEG of a scene of a file, after it was probed.

        Raises:
            MediaNotFound, OutsideRoots, NotPlayable, Unavailable: the file cannot be opened.
            ThumbnailFailed: it has no video.
        """
        facts = self._prober.probe(self._roots.find(media))
        thumbnails = thumbnails_for(facts)
        return self.thumbnails.ask(facts, thumbnails.at(float(facts.duration) * POSTER_AT))

    def close(self) -> None:
        """Answer all callers that wait for a folder or a picture with Unavailable."""
        self._lookups.abandon()
        self.thumbnails.close()

    # ---- within

    def _listed(self, path: Path, parent: str | None) -> Listing:
        folders, files = [], []
        seen = 0
        for entry in self._entries(self._inside(path)):
            seen += 1
            if entry.is_dir():
                folders.append(FoundFolder(entry.name, entry.path))
            else:
                files += _file(entry, entry.name)
            if seen == MOST_LISTED:
                break
        return Listing(
            str(path),
            parent,
            tuple(sorted(folders, key=lambda each: each.name.casefold())),
            tuple(sorted(files, key=lambda each: each.name.casefold())),
            is_whole=seen < MOST_LISTED,
        )

    def _found(self, path: str, parent: str | None, places: tuple[Path, ...], words: list[str]) -> Listing:
        files: list[FoundFile] = []
        is_whole = True
        for place in places:
            more, whole = self._lookups(place, partial(self._search, place, words))
            files += more
            is_whole = is_whole and whole
        # A media root may be inside another one.
        files = sorted({each.path: each for each in files}.values(), key=lambda each: each.name.casefold())
        return Listing(path, parent, (), tuple(files[:MOST_FOUND]), is_whole=is_whole and len(files) <= MOST_FOUND)

    def _search(self, place: Path, words: list[str]) -> tuple[list[FoundFile], bool]:
        """Return the files below a folder whose path has all words, and whether all files were looked at."""
        top = self._inside(place)
        found: list[FoundFile] = []
        waiting, seen = [top], 0
        while waiting:
            for entry in self._entries(waiting.pop()):
                seen += 1
                if seen > MOST_SEEN or len(found) > MOST_FOUND:
                    return found, False
                if entry.is_dir(follow_symlinks=False):  # a symlink may lead round in a circle
                    waiting.append(Path(entry.path))
                    continue
                name = os.path.relpath(entry.path, top)
                if all(word in name.casefold() for word in words):
                    found += _file(entry, name)
        return found, True

    def _named(self, folder: str) -> Path:
        """Return the folder of a name, in which bytes that are no UTF-8 may be percent-encoded."""
        first, *others = (Path(os.path.normpath(name)) for name in spellings(folder))
        is_there = self._lookups(first.parent, partial(_is_folder, first))
        return first if is_there or not others else others[0]

    def _inside(self, path: Path) -> Path:
        """Return a folder as it was named, which must be under a media root when its symlinks are followed.

        Raises:
            MediaNotFound, OutsideRoots: there is no such folder.
        """
        try:
            real = path.resolve()
            is_inside = path.is_absolute() and any(real.is_relative_to(root) for root in self._roots.roots)
            if is_inside and not real.is_dir():
                raise MediaNotFound(str(path))
        except (OSError, RuntimeError, ValueError) as error:
            raise MediaNotFound(str(path)) from error
        if not is_inside:
            raise OutsideRoots(str(path))
        return path

    def _entries(self, folder: Path) -> Iterator[os.DirEntry[str]]:
        """Yield what can be opened of a folder: nothing hidden, and no symlink that leads out of the roots."""
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    if entry.name.startswith(".") or (entry.is_symlink() and not self._leads_inside(entry)):
                        continue
                    yield entry
        except OSError:
            return  # it may not be read, or is gone by now

    def _leads_inside(self, entry: os.DirEntry[str]) -> bool:
        try:
            real = Path(entry.path).resolve(strict=True)
        except (OSError, RuntimeError):
            return False
        return any(real.is_relative_to(root) for root in self._roots.roots)


def _file(entry: os.DirEntry[str], name: str) -> list[FoundFile]:
    """Return a file that may be media; nothing for any other entry, and for one that has gone meanwhile."""
    with suppress(OSError):
        if is_media(entry.name) and entry.is_file():
            return [FoundFile(name, entry.path, entry.stat().st_size)]
    return []


def thumbnails_for(facts: Media) -> Thumbnails:
    """Return the thumbnails of a film.

    Raises:
        ThumbnailFailed: it has no video.
    """
    thumbnails = thumbnails_of(facts)
    if thumbnails is None:
        raise ThumbnailFailed(str(facts.path), "it has no video")
    return thumbnails


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False  # a name too long for the system, a zero byte


def is_media(name: str) -> bool:
    """Whether a file is likely to be media, as its extension says."""
    extension = os.path.splitext(name)[1].lower()  # noqa: PTH122 - names of a folder, thousands of them
    kind = mimetypes.guess_type(f"x{extension}")[0] or ""
    return extension in MORE_EXTENSIONS or kind.startswith(("video/", "audio/"))
