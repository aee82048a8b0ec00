"""The signals that end a program, noted instead, so that it can give the terminal back as it was."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType, TracebackType

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class EndingSignals:
    """A context manager for the main thread. ``on_signal`` must be safe in a signal handler."""

    def __init__(self, on_signal: Callable[[], object]) -> None:
        self.number: int | None = None
        """The first of them that has come."""
        self._on_signal = on_signal

    def __enter__(self) -> Self:
        self._before = {number: signal.signal(number, self._note) for number in ENDING}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    @property
    def exit_code(self) -> int:
        """0 after Ctrl-C, by which an operator leaves; else that which a shell gives to a process that was ended."""
        return 0 if self.number in {None, signal.SIGINT} else 128 + (self.number or 0)

    def _note(self, number: int, _: FrameType | None) -> None:
        self.number = self.number or number
        self._on_signal()
