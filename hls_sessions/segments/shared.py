"""The segments that sessions share: what one has made, another gets by a hard link. Any thread may use it.

Segment *i* of a rendition is the same, whoever made it. So sessions of one film put what they publish here, under a
content key, and take from here what others have published. Each file is counted once, however many sessions have it::

    <segments-dir>/hls_sessions-shared-<uuid>/    a SegmentDirectory, beside those of the sessions
        <content key>/init.mp4                    the init segment to which all segments below the key belong
        <content key>/<n>.m4s                     a hard link to the file of each session that has it

A session that evicts a segment, or ends, deletes its own link and nothing else. A file that no session has any more is
kept, because the next viewer of the film may ask for it: for ``keep`` seconds, in a share of the space that segments
may take, and only until a session needs that space. The next daemon goes on with the directory if it has the same state
folder. It checks each segment before a viewer gets it.

Where a file system has no hard links, nothing is shared: a copy of every segment would take as many bytes again for a
viewer who may never come.
"""

from __future__ import annotations

import logging
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from hls_sessions.otp import shielded
from hls_sessions.segments.directory import SegmentDirectory
from hls_sessions.segments.orphans import new_shared_directory, shared_by

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from pathlib import Path

    from hls_sessions.segments.quota import Quota

logger = logging.getLogger(__name__)


class Taken(NamedTuple):
    """A segment that a session has got."""

    size: int
    is_checked: bool
    """Whether this daemon has checked it. The session checks one that an earlier daemon has made."""


@dataclass(slots=True)
class _File:
    size: int
    used: float
    """When a session last had it, in seconds since the epoch."""
    is_checked: bool = True
    is_there: bool = True
    """Whether it can be taken. One that somebody has deleted is counted as long as a session has it."""
    users: set[str] = field(default_factory=set)
    """The sessions that have it."""


@dataclass(slots=True)
class _Content:
    """What is shared of one rendition of one film."""

    files: dict[int, _File] = field(default_factory=dict)
    init: bytes | None = None
    sessions: set[str] = field(default_factory=set)
    """The sessions that play it, whose players have the init segment."""


class SharedSegments:
    """The segments of all contents."""

    def __init__(
        self,
        segments_dir: Path,
        home: Path | None,
        quota: Quota,
        now: Callable[[], float],
        *,
        keep: float,
        lasts: bool,
    ) -> None:
        """Begin empty, or with what an earlier daemon has left.

        Args:
            segments_dir: where the directories of sessions are.
            home: the state folder, by which a daemon finds the directory of the one before; None if there is none.
            quota: counts the bytes, and says how many may be kept.
            now: the wall clock, in seconds since the epoch.
            keep: seconds for which a segment that no session has is kept; 0 for not at all.
            lasts: whether the next daemon goes on with them.
        """
        self.keep = keep
        self._lasts = lasts
        self.quota = quota
        self._now = now
        self._contents: dict[str, _Content] = {}
        self._kept = 0
        self.cannot_link = False
        """Whether the last segment that was to be shared could not be linked."""
        self._lock = threading.RLock()
        next_home = home if lasts else None
        left = shared_by(segments_dir, home, next_home)
        self._directory = left or SegmentDirectory(new_shared_directory(segments_dir), next_home)
        self._adopt()
        quota.free_kept = self.free

    def __repr__(self) -> str:
        files = sum(len(content.files) for content in self._contents.values())
        return f"<SharedSegments [{files} segments, {self.kept_bytes} bytes kept]>"

    def close(self) -> None:
        """Leave the directory to the next daemon; delete it where none goes on, or nothing is kept."""
        if self._lasts and self.keep:
            self._directory.leave()
        else:
            self._directory.destroy()

    @shielded
    def share(self, key: str, session_id: str) -> Share:
        """Return the part that a session has in a content."""
        with self._lock:
            self._contents.setdefault(key, _Content()).sessions.add(session_id)
        return Share(self, key, session_id)

    @property
    def directory(self) -> Path:
        """Where the files are."""
        return self._directory.path

    @property
    def kept_bytes(self) -> int:
        """The bytes of the segments that no session has."""
        return self._kept

    # ---- space on disk

    @shielded
    def free(self, size: int) -> int:
        """Delete segments that no session has, of ``size`` bytes in all, the least recently used first.

        Returns how many bytes they had, which may be fewer.
        """
        freed = 0
        if size > 0:
            with self._lock:
                for key, number, file in sorted(self._unused(), key=lambda each: each[2].used):
                    if freed >= size:
                        break
                    self._delete(key, number)
                    freed += file.size
        return freed

    @shielded
    def forget_unused(self) -> None:
        """Delete the segments that no session has had for ``keep`` seconds, and those that exceed what may be kept."""
        with self._lock:
            outdated = self._now() - self.keep
            for key, number, file in list(self._unused()):
                if not self.keep or file.used < outdated:
                    self._delete(key, number)
            self._free_what_exceeds()
            # A content that is played is kept though it has no segment, because all that follow need its init segment.
            for key in [key for key, each in self._contents.items() if not each.files and not each.sessions]:
                self._directory.forget(key)
                del self._contents[key]

    # ---- for shares

    @shielded
    def numbers(self, key: str) -> Collection[int]:
        """Return the segments of a content that can be taken."""
        with self._lock:
            return [number for number, file in self._of(key).files.items() if file.is_there]

    @shielded
    def init(self, key: str) -> bytes | None:
        """Return the init segment of a content; None while there is none."""
        with self._lock:
            return self._of(key).init

    @shielded
    def agree(self, key: str, init: bytes, *, may_begin: bool) -> bool:
        """Return whether an init segment is the content's. If there is none, it becomes that where it ``may_begin``.

        Raises:
            OSError: it cannot be written.
        """
        with self._lock:
            content = self._contents.setdefault(key, _Content())
            if content.init is None and may_begin:
                self._directory.publish_init(key, init)
                content.init = init
            return content.init == init

    @shielded
    def put(self, key: str, session_id: str, number: int, file: Path, size: int) -> bool:
        """Share a segment that a session has; return whether its bytes are counted here.

        Raises:
            OSError: it cannot be linked.
        """
        with self._lock:
            content = self._contents.setdefault(key, _Content())
            known = content.files.get(number)
            if known is not None:
                if not file.samefile(self._path(key, number, known)):
                    return False  # two sessions have made it at the same time
                self._use(known, session_id)
                return True
            self.cannot_link = True
            self._directory.link(self._directory.segment(key, number), file)
            self.cannot_link = False
            content.files[number] = _File(size, self._now(), users={session_id})
            self.quota.shared(size)
            if self._kept:
                self.free(self.quota.excess)  # a quick encoder makes several before it reserves bytes again
            return True

    @shielded
    def take(self, key: str, session_id: str, number: int, link: Callable[[Path, bool], None]) -> Taken | None:
        """Give a session a segment; return None if there is none.

        Args:
            key: the content.
            session_id: the session.
            number: the segment.
            link: makes the session's link to a file; it is told whether the file is checked.

        Raises:
            OSError: it cannot be linked.
        """
        with self._lock:
            file = self._of(key).files.get(number)
            if file is None or not file.is_there:
                return None
            path = self._path(key, number, file)
            if self._directory.size(path) != file.size:  # somebody has deleted it, or has put another in its place
                self._lose(key, number, file)
                return None
            link(path, file.is_checked)
            self._use(file, session_id)
            return Taken(file.size, file.is_checked)

    @shielded
    def checked(self, key: str, number: int, *, is_sound: bool) -> None:
        """Note whether a segment of an earlier daemon has passed its check. One that has not is offered no longer."""
        with self._lock:
            file = self._of(key).files.get(number)
            if file is None or (is_sound and file.is_checked):
                return
            with suppress(OSError):
                if is_sound:
                    self._directory.adopt(self._path(key, number, file))
                    file.is_checked = True
                    return
            self._lose(key, number, file)

    @shielded
    def release(self, key: str, session_id: str, numbers: Collection[int]) -> None:
        """Note that a session has deleted its links to these segments."""
        with self._lock:
            files = self._of(key).files
            for number in numbers:
                file = files.get(number)
                if file is None or session_id not in file.users:
                    continue
                file.users.remove(session_id)
                file.used = self._now()
                if not file.users:
                    self._kept += file.size
                    if not (file.is_there and self.keep):
                        self._delete(key, number)
            if numbers:
                self._directory.touch(key)
            self._free_what_exceeds()

    @shielded
    def close_session(self, session_id: str) -> None:
        """Note that a session has ended and its directory is gone."""
        with self._lock:
            for key, content in list(self._contents.items()):
                self.release(key, session_id, [n for n, file in content.files.items() if session_id in file.users])
                content.sessions.discard(session_id)

    # ---- within

    def _of(self, key: str) -> _Content:
        return self._contents.get(key) or _Content()

    def _use(self, file: _File, session_id: str) -> None:
        if not file.users:
            self._kept -= file.size
        file.users.add(session_id)

    def _free_what_exceeds(self) -> None:
        if self._kept:
            self.free(self._kept - self.quota.most_kept)

    def _unused(self) -> Iterator[tuple[str, int, _File]]:
        for key, content in self._contents.items():
            for number, file in content.files.items():
                if not file.users and not self._is_linked(key, number, file):
                    yield key, number, file

    def _is_linked(self, key: str, number: int, file: _File) -> bool:
        """Whether a session has a file that is not back yet after a restart. To delete the file would free nothing."""
        try:
            return self._path(key, number, file).stat().st_nlink > 1
        except OSError:
            return False

    def _path(self, key: str, number: int, file: _File) -> Path:
        path = self._directory.segment(key, number)
        return path if file.is_checked else self._directory.earlier(key, path.name)

    def _lose(self, key: str, number: int, file: _File) -> None:
        """Offer a file no longer. It is counted as long as a session has it."""
        file.is_there = False
        if not file.users:
            self._delete(key, number)

    def _delete(self, key: str, number: int) -> None:
        """Delete a file that no session has."""
        file = self._contents[key].files.pop(number)
        with suppress(OSError):
            self._path(key, number, file).unlink(missing_ok=True)
        self._kept -= file.size
        self.quota.shared(-file.size)

    def _adopt(self) -> None:
        """Count the files that an earlier daemon has left, or an earlier supervisor of this process."""
        directory = self._directory
        for key, used in list(directory.renditions()):
            init = directory.init(key)
            try:
                if not init.exists():
                    directory.adopt(directory.earlier(key, init.name))
                content = self._contents[key] = _Content(init=init.read_bytes())
            except OSError:
                directory.forget(key)  # without their init segment, segments are of no use
                continue
            checked = directory.published(key)
            for number, size in (directory.unchecked(key) | checked).items():
                content.files[number] = _File(size, used, is_checked=number in checked)
                self._kept += size
                self.quota.shared(size)


class Share:
    """The part of one session in one content. It is used in the session's thread."""

    __slots__ = ("_key", "_session_id", "_shared", "_untakable", "is_over")

    def __init__(self, shared: SharedSegments, key: str, session_id: str) -> None:
        self._shared = shared
        self._key = key
        self._session_id = session_id
        self._untakable: set[int] = set()
        """The segments that could not be linked, which this session makes itself."""
        self.is_over = False
        """Whether the session shares no more, because its init segment is another one."""

    @property
    def works(self) -> bool:
        """Whether other sessions can take what this one makes, and this one what they make."""
        return not self.is_over and not self._shared.cannot_link

    @property
    def numbers(self) -> Collection[int]:
        """The segments that the session can take."""
        if self.is_over:
            return ()
        return [number for number in self._shared.numbers(self._key) if number not in self._untakable]

    @property
    def init(self) -> bytes | None:
        """The init segment that all segments of the content belong to; None while there is none."""
        return None if self.is_over else self._shared.init(self._key)

    def agree(self, init: bytes, *, may_begin: bool) -> None:
        """Note which init segment the session's player has. If it is another one, the session shares no more.

        ``may_begin`` says whether all other sessions may have it, too, if it is the first.
        """
        if self.is_over:
            return
        try:
            self.is_over = not self._shared.agree(self._key, init, may_begin=may_begin)
        except OSError as error:
            logger.warning("segments are not shared: %s", error)
            self.is_over = True

    def put(self, number: int, file: Path, size: int) -> bool:
        """Share a segment that the session has; return whether its bytes are counted with those that are shared."""
        if self.is_over:
            return False
        try:
            return self._shared.put(self._key, self._session_id, number, file, size)
        except OSError as error:
            logger.debug("segment %d is not shared: %s", number, error)
            return False

    def take(self, number: int, link: Callable[[Path, bool], None]) -> Taken | None:
        """Get a segment, as ``SharedSegments.take`` does; None if there is none, or it cannot be linked."""
        if self.is_over:
            return None
        try:
            return self._shared.take(self._key, self._session_id, number, link)
        except OSError as error:
            logger.warning("segment %d that another session has cannot be linked: %s", number, error)
            self._untakable.add(number)
            return None

    def checked(self, number: int, *, is_sound: bool) -> None:
        """Note whether a segment of an earlier daemon has passed its check."""
        self._shared.checked(self._key, number, is_sound=is_sound)

    def release(self, number: int) -> None:
        """Note that the session has deleted its link to a segment."""
        self._shared.release(self._key, self._session_id, (number,))
