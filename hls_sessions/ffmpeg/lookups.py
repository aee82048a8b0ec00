"""Lookups of files on storage that may not answer, such as a network share whose server is gone.

Any call may block there for ever, and nothing can end it. So each is made in a thread of its own, which may be left
behind. Only a few are left behind for each place; then the place is asked nothing more until one of them returns.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import defaultdict
from concurrent.futures import Future, InvalidStateError
from concurrent.futures import TimeoutError as Late
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, TypeVar

from hls_sessions.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

logger = logging.getLogger(__name__)

T = TypeVar("T")

PATIENCE: Final = 10.0
"""Seconds that a lookup may take: a disk that sleeps needs that long to spin up."""

AT_ONCE: Final = 4
"""Lookups of one place at the same time."""

AT_ONCE_IN_ALL: Final = 64
"""Lookups of all places at the same time, because the places are named by callers."""


class Lookups:
    """Looks files up, each for a bounded time. Any thread may use it."""

    def __init__(self, patience: float = PATIENCE) -> None:
        """Give each lookup ``patience`` seconds."""
        self._patience = patience
        self._running: defaultdict[Path, dict[Future[Any], float]] = defaultdict(dict)
        """The lookups of each place whose call has not returned, and when each began."""
        self._waiting: set[Future[Any]] = set()
        """Lookups whose caller waits for the answer."""
        self._changed = threading.Condition()

    def __call__(self, place: Path, look: Callable[[], T]) -> T:
        """Return the answer of ``look``, or raise its error.

        Args:
            place: a folder whose files are likely to be on the same storage.
            look: a function that asks the file system; it may be left running in a thread.

        Raises:
            Unavailable: there was no answer in time, or ``abandon`` was called meanwhile.
        """
        answer: Future[T] = Future()
        deadline = time.monotonic() + self._patience
        with self._changed:
            self._waiting.add(answer)
        try:
            self._await_turn(place, answer, deadline)
            self._begin(place, look, answer)
            return answer.result(max(0.0, deadline - time.monotonic()))
        except Late as error:
            logger.warning("%s did not answer within %g s", place, self._patience)
            raise _silent(place) from error
        finally:
            with self._changed:
                self._waiting.discard(answer)

    def abandon(self) -> None:
        """Answer all callers that wait now with Unavailable. The calls go on in their threads."""
        with self._changed:
            for answer in self._waiting:
                with suppress(InvalidStateError):
                    answer.set_exception(Unavailable("The supervisor is stopping."))
            self._changed.notify_all()

    @property
    def silent(self) -> int:
        """How many places do not answer: a lookup there has taken longer than it may."""
        with self._changed:
            before = time.monotonic() - self._patience
            return sum(any(since <= before for since in running.values()) for running in self._running.values())

    def _await_turn(self, place: Path, answer: Future[T], deadline: float) -> None:
        """Return when another lookup of the place may begin, and note it.

        Raises:
            Unavailable: there are as many as there may be, and all of them take too long.
        """
        with self._changed:
            while not answer.done() and self._is_full(place):
                now = time.monotonic()
                running = self._running.get(place, {}).values()
                is_silent = len(running) >= AT_ONCE and max(running) <= now - self._patience
                if is_silent or not self._changed.wait(deadline - now):
                    raise _silent(place)
            self._running[place][answer] = time.monotonic()

    def _is_full(self, place: Path) -> bool:
        if len(self._running.get(place, ())) >= AT_ONCE:
            return True
        return sum(map(len, self._running.values())) >= AT_ONCE_IN_ALL

    def _begin(self, place: Path, look: Callable[[], T], answer: Future[T]) -> None:
        def call() -> None:
            try:
                found = look()
            except BaseException as error:  # noqa: BLE001 - every error is passed on as the answer
                with suppress(InvalidStateError):
                    answer.set_exception(error)
            else:
                with suppress(InvalidStateError):
                    answer.set_result(found)
            self._returned(place, answer)

        try:
            # A daemon thread, because the end of the process must not wait for it.
            threading.Thread(target=call, name="lookup", daemon=True).start()
        except RuntimeError as error:  # there are as many threads as there may be
            self._returned(place, answer)
            raise Unavailable(f"The file cannot be looked up: {error}.") from error

    def _returned(self, place: Path, answer: Future[T]) -> None:
        with self._changed:
            running = self._running[place]
            running.pop(answer, None)
            if not running:
                del self._running[place]
            self._changed.notify_all()


def _silent(place: Path) -> Unavailable:
    del place  # not named, because a caller must not learn where the media roots are
    return Unavailable("The storage of the file does not answer. Ask again later.")
