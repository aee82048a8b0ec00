"""The media file of one session, which may be replaced, grow or be away for a moment while it plays.

Whatever encoders, packagers and subtitle readers have made of the file comes to the session through here. It is passed
on when a look at the file, after it was read, has found it to be the one that was opened. So nothing of another film is
ever published, however the file was changed. A look takes as long as the disk of the file, so it is taken in a thread,
which the session alone waits for.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from hls_sessions.errors import FileChanged, MediaNotFound
from hls_sessions.ffmpeg import OpenedFile, Sight

if TYPE_CHECKING:
    from hls_sessions.errors import SessionError
    from hls_sessions.media import Media
    from hls_sessions.otp import Ref

logger = logging.getLogger(__name__)

AWAY_FOR: Final = 60.0
"""Seconds for which a file that cannot be looked at is waited for."""

BACKOFF: Final = 0.05
"""Seconds until it is looked for again; twice as long each time."""

LONGEST_BACKOFF: Final = 2.0

LONG: Final = 1.0
"""Seconds after which a look shows that the disk was away."""


@dataclass(frozen=True, slots=True)
class MadeOfFile:
    """Messages about segments and texts made of the file, which was looked at after they were sent."""

    messages: tuple[Any, ...]
    was_away: bool
    """Whether the file was away, so that a failure to read it says nothing about it."""
    error: SessionError | None
    """Why nothing of it may be used."""


class Source:
    """The file of one session. Any thread may send."""

    def __init__(self, media: Media, owner: Ref) -> None:
        """Begin to watch over a file that was probed; ``owner`` hears MadeOfFile."""
        self._file = OpenedFile(media)
        self._owner = owner
        self._messages: list[Any] = []
        self._is_looking = True
        self._closed = threading.Event()
        self._lock = threading.Lock()
        self._start(self._begin)

    def send(self, message: Any) -> None:
        """Pass a message on to the owner, once the file is known to be the one that was opened."""
        with self._lock:
            self._messages.append(message)
            if self._is_looking:
                return
            self._is_looking = True
        self._start(self._pass_on)

    def close(self) -> None:
        """Pass on no more."""
        self._closed.set()

    # ---- within

    def _start(self, work: Any) -> None:
        try:
            threading.Thread(target=work, name="source", daemon=True).start()
        except RuntimeError:  # there are as many threads as there may be
            work()

    def _begin(self) -> None:
        self._file.begin()
        self._pass_on()

    def _pass_on(self) -> None:
        while True:
            with self._lock:
                messages, self._messages = tuple(self._messages), []
                if not messages:
                    self._is_looking = False
                    return
            was_away, error = self._look()
            if self._closed.is_set():
                return
            self._owner.send(MadeOfFile(messages, was_away, error))

    def _look(self) -> tuple[bool, SessionError | None]:
        """Look at the file until it is there; return whether it was away, and the fault that was found."""
        path, began, backoff, was_away = self._file.version.path, time.monotonic(), BACKOFF, False
        while (sight := self._file.look()) is Sight.AWAY:
            if not was_away:
                logger.warning("%s is away, and is waited for", path)
            was_away = True
            if time.monotonic() - began >= AWAY_FOR or self._closed.wait(backoff):
                return True, MediaNotFound(str(path))
            backoff = min(LONGEST_BACKOFF, backoff * 2)
        error = FileChanged(str(path)) if sight is Sight.CHANGED else None
        return was_away or time.monotonic() - began >= LONG, error
