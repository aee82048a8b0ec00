"""One watchdog observer for all sessions: tells of each file of a run when it begins, and when it is complete."""

from __future__ import annotations

import contextlib
import errno
import logging
from pathlib import Path
from typing import TYPE_CHECKING

from watchdog.events import FileClosedEvent, FileCreatedEvent, FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer

from hls_sessions.encoding.setbacks import NoWatches
from hls_sessions.otp import GenServer

if TYPE_CHECKING:
    from collections.abc import Callable

    from watchdog.observers.api import BaseObserver, ObservedWatch

    from hls_sessions.otp import ExitReason


# watchdog logs an error when a watch ends while its last event is on the way. This happens all the time here, because
# the watch on a run's folder ends together with its encoder.
logging.getLogger("watchdog.observers.inotify").setLevel(logging.CRITICAL)


class Watcher:
    """Watches folders. Any thread may use it, while its server runs."""

    def __init__(self) -> None:
        self._observer: BaseObserver | None = None
        self._ends: dict[Path, Callable[[], None]] = {}
        """The function that ends the watch on each folder."""

    def start(self) -> None:
        """Begin to watch. A watcher that still runs, because its server was killed, is stopped first."""
        self.stop()
        self._observer = Observer()
        self._observer.start()

    def stop(self) -> None:
        """Stop watching everything."""
        if self._observer is not None:
            self._observer.stop()
            self._observer.join()
            self._observer = None
            self._ends.clear()

    def watch(
        self,
        folder: Path,
        on_closed: Callable[[Path], None],
        on_created: Callable[[Path], None] = lambda _: None,
    ) -> Callable[[], None]:
        """Watch a folder, and return a function that ends the watch.

        The folder is not watched recursively. It must be watched before anything is written to it, so that no file is
        missed.

        Args:
            folder: the folder.
            on_closed: is called with each file that is no longer written to. It is called in the observer's thread, so
                it must be quick.
            on_created: is called with each file that is new, in the same thread.

        Raises:
            NoWatches: the system's limit of watches is reached.
            OSError: the folder is gone, or there are no more threads.
            RuntimeError: the watcher is being restarted. All processes that depend on it will be restarted, too.
        """
        observer = self._observer
        if observer is None:
            raise RuntimeError("the segment watcher is not running")
        try:
            watch = observer.schedule(
                _Handler(on_closed, on_created), str(folder), event_filter=[FileClosedEvent, FileCreatedEvent]
            )
        except OSError as error:
            # inotify(7) has limits of its own, and says ENOSPC or EMFILE as for a full disk or too many open files.
            if error.errno == errno.ENOSPC or "inotify" in str(error.strerror):
                raise NoWatches(error.errno, "the limit of inotify watches is reached") from error
            raise
        except RuntimeError as error:  # a thread could not be started
            raise OSError(errno.EAGAIN, str(error)) from error

        def end() -> None:
            self._ends.pop(folder, None)
            _unwatch(observer, watch)

        self._ends[folder] = end
        return end

    def forget(self, directory: Path) -> None:
        """End all watches below a directory, because its owner may have been killed before it could."""
        for folder, end in list(self._ends.items()):
            if folder.is_relative_to(directory):
                end()


class WatcherServer(GenServer):
    """Owns the watcher's thread in the supervision tree."""

    def init(self, watcher: Watcher) -> None:
        """Start watching."""
        self._watcher = watcher
        watcher.start()

    def terminate(self, reason: ExitReason) -> None:  # noqa: ARG002 - the same for all reasons
        """Stop watching."""
        self._watcher.stop()


class _Handler(FileSystemEventHandler):
    def __init__(self, on_closed: Callable[[Path], None], on_created: Callable[[Path], None]) -> None:
        self._on_closed = on_closed
        self._on_created = on_created

    def on_created(self, event: FileSystemEvent) -> None:
        self._on_created(Path(str(event.src_path)))

    def on_closed(self, event: FileSystemEvent) -> None:
        self._on_closed(Path(str(event.src_path)))


def _unwatch(observer: BaseObserver, watch: ObservedWatch) -> None:
    # The watch is gone already when the observer was stopped or the folder deleted.
    with contextlib.suppress(KeyError, OSError):
        observer.unschedule(watch)
