"""The segment directory of one session: publish, find, destroy.

::

    <segments-dir>/<uuid>/               0700, with a random name of its own
        owner                            the daemon's process, as "pid start-time boot"; below it, a line for each, its
                                         state folder and the namespace of its process ids; locked (flock(2)) for as
                                         long as the daemon uses the directory
        <rendition>/init.mp4             published; init-<n>.mp4 of the further parts of a recording
        <rendition>/<n>.m4s              published, by an atomic rename after the check
        <rendition>/<n>.<k>.m4s          published: a part of a segment of a recording
        <rendition>/<n>.vtt              the same, of a subtitle track
        <rendition>/earlier/<name>       published by an earlier daemon; seen by nobody until it is checked
        <rendition>/run-<k>/<n>.m4s      a run's output; seen by nobody
        <rendition>/run-<k>/pid          the run's process, as "pid start-time boot"
        packager/run-<k>/…               the same of a packager, which makes the copied segments of all renditions

The disk is a cache: any segment may be deleted at any time and made again. That is why no segment is synced to it.
A segment that was written before the machine last started is not taken over, because half of it may be missing.

The name is not the session's id, because anyone may list ``/tmp`` and the command lines of processes, and the id is the
right to watch. In ``/tmp`` anyone may also make a directory, and write pids to be killed in it. So a directory counts
only if it is this user's and nobody else may write to it. ``is_own`` judges that. Without it, nothing in a directory is
read, deleted or written, and no process that it names is ended.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
import stat
import threading
import time
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hls_sessions.errors import StorageFailed
from hls_sessions.ffmpeg import ProcessId, boot_id

if TYPE_CHECKING:
    from collections.abc import Iterator

OWNER = "owner"
PID = "pid"
EARLIER = "earlier"
INIT = "init.mp4"

OTHERS: Final = stat.S_IWGRP | stat.S_IWOTH
"""The rights of other users to put something into a directory."""

NOT_OWN: Final = "it is another user's, or others may write to it"

LEFT_FOR = 1800.0
"""Seconds after its last use for which a directory is left to the daemon whose state folder it names."""


class SegmentDirectory:
    """Where one session keeps its segments."""

    def __init__(self, path: Path, home: Path | None = None) -> None:
        """Name a directory; ``open`` makes it. ``home`` is the state folder from which the daemon's sessions go on."""
        self.path = path
        self._folders: dict[str, Path] = {}
        self._home = b"" if home is None else os.fsencode(home)

    def open(self) -> None:
        """Make the directory, or take over the one that an earlier actor of the same session left.

        Files that another daemon has published are put into ``earlier`` until they are checked, because nobody watched
        over them meanwhile. They are deleted if the machine was started since.

        Raises:
            StorageFailed: it cannot be made, is another user's, or another daemon uses it.
        """
        try:
            if _is_anything(self.path):
                self._take_over()
            self._open_own()
        except BlockingIOError as error:
            raise StorageFailed(str(self.path), "another daemon uses it") from error
        except OSError as error:
            raise StorageFailed(str(self.path), error.strerror or str(error)) from error

    def leave(self) -> None:
        """Leave it to the next daemon."""
        HELD.release(self.path)

    def is_left_to_another(self, home: Path | None) -> bool:
        """Whether another daemon may still use it, and it was last used less than ``LEFT_FOR`` seconds ago.

        It names another state folder than ``home``, or was made where process ids mean other processes.
        """
        try:
            theirs = (self.path / OWNER).read_bytes().splitlines()[1:]
            used = max(path.lstat().st_mtime for path in (self.path, *self.path.iterdir()))
        except OSError:
            return False
        others = bool(theirs and theirs[0]) and theirs[0] != (b"" if home is None else os.fsencode(home))
        elsewhere = len(theirs) > 1 and theirs[1] != pid_namespace()
        return (others or elsewhere) and time.time() - used < LEFT_FOR

    def is_of(self, home: Path) -> bool:
        """Whether its daemon's sessions go on from this state folder."""
        try:
            return (self.path / OWNER).read_bytes().splitlines()[1] == os.fsencode(home)
        except (OSError, IndexError):
            return False

    def destroy(self) -> None:
        """Delete it and everything in it, if it is this user's."""
        if is_own(self.path):
            shutil.rmtree(self.path, ignore_errors=True)
            # That needs descriptors, and one that was just made may be there because there were none.
            with contextlib.suppress(OSError):
                (self.path / OWNER).unlink(missing_ok=True)
                self.path.rmdir()
        HELD.release(self.path)

    def size(self, file: Path) -> int | None:
        """Return the bytes of one of its files; None if the file is not there, or the directory is another user's."""
        if is_own(self.path):
            with contextlib.suppress(OSError):
                return file.stat().st_size
        return None

    def segment(self, rendition: str, number: int, extension: str = "m4s") -> Path:
        """Return the path of a segment, once it is published."""
        return self._folder(rendition) / f"{number}.{extension}"

    def partial(self, rendition: str, number: int, part: int) -> Path:
        """Return the path of a part of a segment of a recording, once it is published."""
        return self._folder(rendition) / f"{number}.{part}.m4s"

    def init(self, rendition: str, part: int = 0) -> Path:
        """Return the path of a rendition's init segment, once it is published; of a recording, that of a part."""
        return self._folder(rendition) / (f"init-{part}.mp4" if part else INIT)

    def earlier(self, rendition: str, name: str) -> Path:
        """Return the path of an earlier daemon's file, by its public name, until it is adopted."""
        return self.path / rendition / EARLIER / name

    def published(self, rendition: str, extension: str = "m4s") -> dict[int, int]:
        """Return the size in bytes of each published segment, by its number."""
        return _sizes(self.path / rendition, extension)

    def unchecked(self, rendition: str, extension: str = "m4s") -> dict[int, int]:
        """Return the same for segments that an earlier daemon has published and that have not been checked since."""
        return _sizes(self.path / rendition / EARLIER, extension)

    def adopt(self, earlier: Path) -> None:
        """Make a file of an earlier daemon visible again.

        Raises:
            OSError: it is not there, or cannot be made visible.
        """
        earlier.replace(earlier.parent.parent / earlier.name)

    def forget(self, rendition: str) -> None:
        """Delete all files of a rendition."""
        if is_own(self.path):
            shutil.rmtree(self.path / rendition, ignore_errors=True)

    def new_run(self, rendition: str, run: int) -> Path:
        """Make an empty folder for a run to write to.

        Raises:
            OSError: it cannot be made.
        """
        self._open_own()
        folder = self.path / rendition / f"run-{run}"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        return folder

    def runs(self) -> Iterator[Path]:
        """Yield the folders of all runs, of this actor and of earlier ones."""
        if is_own(self.path):
            with contextlib.suppress(OSError):
                yield from self.path.glob("*/run-*")

    def clear_runs(self) -> None:
        """Delete the folders of all runs. Their processes must have ended."""
        for folder in list(self.runs()):
            shutil.rmtree(folder, ignore_errors=True)

    def publish(self, rendition: str, number: int, data: bytes | memoryview, extension: str = "m4s") -> None:
        """Make a segment visible.

        Raises:
            OSError: it cannot be written; nothing has become visible.
        """
        self._write(self.segment(rendition, number, extension), data)

    def publish_init(self, rendition: str, data: bytes | memoryview, part: int = 0) -> None:
        """Make an init segment visible.

        Raises:
            OSError: it cannot be written; nothing has become visible.
        """
        self._write(self.init(rendition, part), data)

    def publish_file(self, path: Path, file: Path) -> None:
        """Make a segment visible under its path, whose file is written already, by moving the file on the same disk.

        Raises:
            OSError: it cannot be moved; nothing has become visible.
        """
        self._open_own()
        path.parent.mkdir(exist_ok=True)
        file.replace(path)

    def link(self, path: Path, file: Path) -> None:
        """Make a file visible under a path of the directory, by a hard link.

        Raises:
            OSError: it cannot be linked.
        """
        self._open_own()
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            path.hardlink_to(file)
        except FileExistsError:
            path.unlink()
            path.hardlink_to(file)

    def touch(self, rendition: str) -> None:
        """Note that the files of a rendition were used now."""
        with contextlib.suppress(OSError):
            os.utime(self.path / rendition)

    def renditions(self) -> Iterator[tuple[str, float]]:
        """Yield the name of each rendition's folder, with when it was last used, in seconds since the epoch."""
        with contextlib.suppress(OSError), os.scandir(self.path) as folders:
            yield from ((folder.name, folder.stat().st_mtime) for folder in folders if folder.is_dir())

    def _folder(self, rendition: str) -> Path:
        if (folder := self._folders.get(rendition)) is None:
            folder = self._folders[rendition] = self.path / rendition
        return folder

    def _open_own(self) -> None:
        """See that the directory is there, this user's, and held by this process. All that is written asks this first.

        It is made again where somebody has tidied up /tmp. One that somebody else has put in its place is left alone.

        Raises:
            OSError: it cannot be made, or is another user's.
            BlockingIOError: another daemon holds it.
        """
        if is_own(self.path) and HELD.has(self.path):
            return
        HELD.release(self.path)  # of a directory that somebody has deleted
        with contextlib.suppress(FileExistsError):
            self.path.mkdir(mode=0o700, parents=True)
        if not is_own(self.path):
            raise PermissionError(errno.EACCES, NOT_OWN)
        HELD.take(self.path)
        self._sign()

    def _sign(self) -> None:
        owner = f"{ProcessId.of(os.getpid())}\n".encode()
        (self.path / OWNER).write_bytes(owner + self._home + b"\n" + pid_namespace())

    def _take_over(self) -> None:
        """Hold a directory that is there, and put the files that another daemon has published into ``earlier``.

        They are deleted unless they are surely written to their end, and so is all that does not belong. The folders of
        runs stay, because their processes are yet to be ended.

        Raises:
            OSError: it cannot be done, or the directory is another user's.
            BlockingIOError: another daemon holds it.
        """
        if not is_own(self.path):
            if not _is_ours(self.path) or _is_folder(self.path):
                raise PermissionError(errno.EACCES, NOT_OWN)
            self.path.unlink()  # a file of ours in its place
            return
        owner = self.path / OWNER
        if _is_folder(owner):
            shutil.rmtree(owner)
        HELD.take(self.path)
        identity = read_identity(owner)
        if identity == ProcessId.of(os.getpid()):
            return
        self.path.chmod(0o700)
        whole = identity is not None and identity.boot_id == boot_id()
        for rendition in self.path.iterdir():
            if _is_folder(rendition):
                _set_back(rendition, whole=whole)
            elif rendition != owner:
                rendition.unlink()
        self._sign()

    def _write(self, path: Path, data: bytes | memoryview) -> None:
        """Write a file so that readers see all of it or nothing."""
        self._open_own()
        path.parent.mkdir(exist_ok=True)
        part = path.with_name(f"{path.name}.part")
        try:
            part.write_bytes(data)
            part.replace(path)
        except OSError:
            part.unlink(missing_ok=True)
            raise


@cache
def pid_namespace() -> bytes:
    """Return the namespace in which the daemon's process ids count (pid_namespaces(7)); empty where it is not told.

    A daemon in a container cannot see the processes of another, and would take the other daemon for gone.
    """
    try:
        return os.fsencode(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return b""


def record_process(folder: Path, identity: ProcessId | None) -> None:
    """Write a run's process into its folder, so that it can be found and ended after a crash."""
    (folder / PID).write_text(str(identity or ""))


def end_processes(directory: SegmentDirectory) -> int:
    """Kill the processes recorded in the folders of a directory's runs; return how many still ran."""
    killed = 0
    for folder in directory.runs():
        identity = read_identity(folder / PID)
        killed += identity is not None and identity.kill()
    return killed


def read_identity(file: Path) -> ProcessId | None:
    """Return the process that a file names; None when it names none, or cannot be read."""
    try:
        return ProcessId.parse(file.read_bytes().partition(b"\n")[0].decode())
    except (OSError, UnicodeDecodeError):
        return None


def _set_back(rendition: Path, *, whole: bool) -> None:
    earlier = rendition / EARLIER
    if _is_anything(earlier) and not _is_folder(earlier):
        earlier.unlink()
    earlier.mkdir(exist_ok=True)
    for file in rendition.iterdir():
        if _is_folder(file):
            if file != earlier and not file.match("run-*"):
                shutil.rmtree(file)
        elif whole and stat.S_ISREG(file.lstat().st_mode) and _is_published(file.name):
            file.replace(earlier / file.name)
        else:
            file.unlink()


def _is_published(name: str) -> bool:
    stem, _, extension = name.rpartition(".")
    is_init = extension == "mp4" and (stem == "init" or stem.removeprefix("init-").isdecimal())
    return is_init or (stem.isdecimal() and extension in {"m4s", "vtt"})


def _sizes(folder: Path, extension: str) -> dict[int, int]:
    sizes: dict[int, int] = {}
    with contextlib.suppress(OSError), os.scandir(folder) as files:
        for file in files:
            stem, _, suffix = file.name.rpartition(".")
            if suffix == extension and stem.isdecimal():
                with contextlib.suppress(OSError):  # it was deleted a moment ago
                    sizes[int(stem)] = file.stat().st_size
    return sizes


def _is_anything(path: Path) -> bool:
    """Whether this path exists, even as a symlink to nowhere."""
    return os.path.lexists(path)


def is_own(path: Path) -> bool:
    """Whether a path is a directory, and no symlink, of this user's that nobody else may write to."""
    try:
        status = path.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid() and not status.st_mode & OTHERS


def may_be_taken(path: Path) -> bool:
    """Whether a session's directory may be here: nothing is, or it is this user's and no other daemon holds it."""
    if is_own(path):
        return not is_locked(path)
    return not _is_anything(path) or (_is_ours(path) and not _is_folder(path))


def _is_ours(path: Path) -> bool:
    return path.lstat().st_uid == os.geteuid()


def _is_folder(path: Path) -> bool:
    """Whether a path is a directory, and no symlink to one. In a directory of one's own it cannot be another's."""
    try:
        return stat.S_ISDIR(path.lstat().st_mode)
    except OSError:
        return False


class _Held:
    """The directories that this process holds, each by a lock on its ``owner``. Any thread may use it.

    A lock tells of a daemon that lives in another container, whose pids mean nothing here, or on another machine that
    shares the disk. The kernel gives it back with its process, however that ends; no child inherits the descriptor.
    """

    def __init__(self) -> None:
        self._locks: dict[Path, int] = {}
        self._lock = threading.Lock()

    def has(self, directory: Path) -> bool:
        return directory in self._locks

    def take(self, directory: Path) -> None:
        """Lock a directory of this user's; do nothing if this process holds it.

        Raises:
            BlockingIOError: another process holds it.
            OSError: it cannot be opened.
        """
        with self._lock:
            if directory in self._locks:
                return
            owner = os.open(directory / OWNER, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
            try:
                fcntl.flock(owner, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(owner)
                raise
            except OSError:
                pass  # a file system without locks: others go by the pid
            self._locks[directory] = owner

    def release(self, directory: Path) -> None:
        with self._lock:
            owner = self._locks.pop(directory, None)
        if owner is not None:
            os.close(owner)


HELD: Final = _Held()


def is_locked(directory: Path) -> bool:
    """Whether another process, wherever it runs, holds a directory of this user's."""
    if HELD.has(directory):
        return False
    try:
        owner = os.open(directory / OWNER, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        fcntl.flock(owner, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False  # a file system without locks
    finally:
        os.close(owner)
    return False
