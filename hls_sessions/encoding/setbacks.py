"""Setbacks of one rendition that say nothing about its segments, and the backoff after them.

An encoder may be killed by a signal from outside: the kernel's OOM killer, an operator. A process may not start, or a
file may not open, because the machine has run out of something. Each of them is tried again, with growing delays, and
is given up only after a time without any progress. Lives in the session's thread.
"""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from hls_sessions.otp import Backoff

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

HOPELESS: Final = 120.0
"""Seconds of setbacks without any segment after which the segment counts as failed."""

BACKOFF: Final = Backoff(first=0.1, factor=2.0, limit=2.0)
"""The delays of the tries after a setback. After the first kill the next try is made at once."""

RETRY: Final = Backoff(first=0.1, factor=4.0, limit=2.0)
"""The delays of the tries at a segment that has failed by itself. After the first failure it is tried at once."""

LACKING: Final = {
    errno.EMFILE: "file descriptors (RLIMIT_NOFILE)",
    errno.ENFILE: "file descriptors of the whole machine (fs.file-max)",
    errno.EAGAIN: "processes or threads (RLIMIT_NPROC, pids.max)",
    errno.ENOMEM: "memory",
}
"""Resources that may run out for a moment, by the error of the system call."""


class NoWatches(OSError):
    """No folder can be watched now. Its errno is that of another shortage, a full disk or too many open files."""


def lacking(error: BaseException | None) -> str | None:
    """Return the resource that an error or its cause says has run out; None for other errors, a full disk included."""
    match error:
        case None:
            return None
        case NoWatches():
            return "inotify watches (fs.inotify.max_user_watches, max_user_instances)"
        case OSError(errno=int() as number):
            return LACKING.get(number)
        case RuntimeError() if "start new thread" in str(error):
            return LACKING[errno.EAGAIN]
        case _:
            return lacking(error.__cause__)


AWAY: Final = (errno.ENOENT, errno.ESTALE, errno.ENOTCONN)
"""The system's errors for a file on storage that is away for a moment."""

UNOPENED: Final = "Error while opening encoder"
"""What ffmpeg says, up to 5.1, when x264 cannot start its threads. It says the same of options that are wrong."""

PATIENCE: Final = 20.0
"""Seconds for which an encoder that cannot be opened is taken for one without threads."""


def lacked(log: Sequence[str]) -> str | None:
    """Return the resource that an encoder lacked, if its log says so."""
    return next(
        (what for number, what in LACKING.items() if any(os.strerror(number) in line for line in log)),
        None,
    )


def missed(log: Sequence[str], film: Path) -> bool:
    """Whether an encoder could not open the film because it was away. It may be back by now."""
    return any(film.name in line and any(os.strerror(number) in line for number in AWAY) for line in log)


def may_have_lacked_threads(log: Sequence[str]) -> bool:
    """Whether an encoder could not be opened, so that it may have had no threads."""
    return any(UNOPENED in line for line in log)


@dataclass(frozen=True, slots=True)
class TryAgain:
    """The session's own reminder that the backoff of a rendition is over."""

    rendition: str


class Setbacks:
    """The setbacks of one rendition since it last made progress."""

    __slots__ = ("_now", "_rendition", "_send_after", "_since", "_times", "_until", "lacks")

    def __init__(
        self, rendition: str, now: Callable[[], float], send_after: Callable[[TryAgain, float], object]
    ) -> None:
        """Begin without any.

        Args:
            rendition: the rendition's id.
            now: the clock, in seconds.
            send_after: sends a reminder to the session, in so many seconds.
        """
        self._rendition = rendition
        self._now = now
        self._send_after = send_after
        self._since: float | None = None
        self._times = 0
        self._until: dict[int | None, float] = {}
        """When the next try may be made, by segment; of any segment for None."""
        self.lacks: str | None = None
        """What had run out at the last setback; None if nothing had, or since it was there again."""

    def suffer(self, lacks: str | None = None, patience: float | None = None) -> bool:
        """Note a setback, and back off. False if there is no hope any more.

        Args:
            lacks: the resource that has run out; None if there is none.
            patience: seconds without progress after which there is none; None for ``HOPELESS``.
        """
        now = self._now()
        if self._since is None:
            self._since = now
        if now - self._since >= (HOPELESS if patience is None else patience):
            self.over()
            return False
        self._times += 1
        self.lacks = lacks
        tries = self._times if lacks is not None else self._times - 1
        self._back_off(None, BACKOFF.delay(tries) if tries else 0.0)
        return True

    def failed(self, segment: int, times: int) -> None:
        """Back off from a segment that has failed by itself so many times."""
        if times > 1:
            self._back_off(segment, RETRY.delay(times - 1))

    def over(self) -> None:
        """Note that there was progress."""
        self._since, self._times, self.lacks = None, 0, None

    def back_off(self, segment: int | None = None) -> bool:
        """Whether the next try at a segment, or at any, is still to wait."""
        now = self._now()
        return any(self._until.get(which, now) > now for which in (None, segment))

    @property
    def seconds(self) -> float:
        """For how long there have been setbacks and no progress."""
        return 0.0 if self._since is None else self._now() - self._since

    def _back_off(self, segment: int | None, delay: float) -> None:
        if delay > 0:
            now = self._now()
            self._until = {which: until for which, until in self._until.items() if until > now}
            self._until[segment] = now + delay
            self._send_after(TryAgain(self._rendition), delay)
