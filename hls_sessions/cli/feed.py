"""What the daemon answers, asked for again and again while a command shows it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Generic, Self, TypeVar

from hls_sessions.cli.client import Failed

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

T = TypeVar("T")

PATIENCE = 5.0
"""Seconds after which a daemon that says nothing counts as one that cannot be reached."""


class Feed(Generic[T]):
    """Asks in a thread of its own, and calls back after each answer and each failure. A context manager.

    A daemon that cannot be reached is asked again in the same way, so that the view goes on when it is back.
    """

    def __init__(self, ask: Callable[[], T], first: T, on_news: Callable[[], object], interval: float) -> None:
        """Begin with a first answer; ask every ``interval`` seconds from then on."""
        self.latest = first
        """The last answer."""
        self.trouble: str | None = None
        """Why there is no newer answer, in a sentence; None while there is one."""
        self._ask = ask
        self._on_news = on_news
        self._interval = interval
        self._wanted = threading.Event()
        self._over = False
        self._thread = threading.Thread(target=self._run, name="feed", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # It is not waited for, because it may wait for a daemon that hangs. It ends with this process.
        self._over = True
        self._wanted.set()

    def ask_now(self) -> None:
        """Have it ask at once."""
        self._wanted.set()

    def _run(self) -> None:
        while True:
            self._wanted.wait(self._interval)
            self._wanted.clear()
            if self._over:
                return
            try:
                self.latest = self._ask()
                self.trouble = None
            except Failed as failed:
                self.trouble = failed.sentence
            except Exception as error:  # noqa: BLE001 - whatever answers there: this thread goes on, and says so
                self.trouble = f"The answer cannot be understood: {error!r}."
            self._on_news()
