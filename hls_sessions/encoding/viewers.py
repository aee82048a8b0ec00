"""The viewers of one rendition: their positions, and the callers who wait. Lives in the session's thread.

A caller may also wait in the background, as a download does: it is answered like a viewer, and counts as none.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from hls_sessions.otp import From

POSITIONS: Final = 8
"""How many viewers' positions are kept per rendition."""

NEIGHBOURS: Final = 2
"""A request this many segments or fewer after a position is taken for the next one of that viewer."""


class Viewers:
    """Positions are segment numbers. A caller is answered once, with a file or with an error."""

    __slots__ = ("_background", "_now", "_positions", "_waiting", "_waiting_for_init", "kept_for")

    def __init__(self, now: Callable[[], float], kept_for: float) -> None:
        """Begin without viewers.

        Args:
            now: the clock, in seconds.
            kept_for: seconds a position is kept without a request.
        """
        self.kept_for = kept_for
        self._now = now
        self._positions: dict[int, float] = {}
        """Since when a viewer is at each segment, the latest to ask last."""
        self._waiting: dict[int, list[From]] = {}
        self._background: dict[int, list[From]] = {}
        self._waiting_for_init: list[From] = []

    def __len__(self) -> int:
        """How many viewers wait."""
        return sum(not caller.abandoned for caller in chain(self._waiting_for_init, *self._waiting.values()))

    # ---- positions

    def visit(self, number: int) -> None:
        """Note that a viewer is at a segment."""
        near = next((at for at in self._positions if 0 <= number - at <= NEIGHBOURS), None)
        if near is not None:
            del self._positions[near]
        elif len(self._positions) >= POSITIONS:
            del self._positions[next(iter(self._positions))]
        self._positions[number] = self._now()

    def be_at(self, numbers: Iterable[int]) -> None:
        """Note that viewers are at these segments, the latest to ask last, and nowhere else."""
        self._positions.clear()
        for number in numbers:
            self.visit(number)

    @property
    def positions(self) -> Mapping[int, float]:
        """The segments they are at and since when, on the clock, the latest to ask last."""
        return self._positions

    @property
    def latest_first(self) -> tuple[int, ...]:
        """The segments they are at, the latest to ask first."""
        return tuple(reversed(self._positions))

    @property
    def next_forgotten(self) -> float | None:
        """When the next position is forgotten, on the clock; None if there is none."""
        return min((since + self.kept_for for since in self._positions.values()), default=None)

    # ---- waiting callers

    def wait(self, number: int, caller: From, *, background: bool = False) -> None:
        """Have a caller wait for a segment."""
        (self._background if background else self._waiting).setdefault(number, []).append(caller)

    def wait_for_init(self, caller: From) -> None:
        """Have a caller wait for the init segment."""
        self._waiting_for_init.append(caller)

    @property
    def waiting(self) -> tuple[int, ...]:
        """The segments that viewers wait for, the longest wait first."""
        return tuple(self._waiting)

    @property
    def background(self) -> tuple[int, ...]:
        """The segments that callers wait for in the background, the longest wait first."""
        return tuple(self._background)

    @property
    def wait_for_any(self) -> bool:
        """Whether a caller waits for the init segment."""
        return bool(self._waiting_for_init)

    @property
    def has_callers(self) -> bool:
        """Whether any caller waits."""
        return bool(self._waiting or self._waiting_for_init or self._background)

    def is_awaited(self, number: int) -> bool:
        """Whether any caller still waits for a segment."""
        callers = chain(self._waiting.get(number, ()), self._background.get(number, ()))
        return any(not caller.abandoned for caller in callers)

    def answer(self, number: int, file: Path) -> None:
        """Answer all callers who wait for a segment with its file."""
        for caller in (*self._waiting.pop(number, ()), *self._background.pop(number, ())):
            caller.reply(file)

    def answer_init(self, file: Path) -> None:
        """Answer all callers who wait for the init segment with its file."""
        waiting, self._waiting_for_init = self._waiting_for_init, []
        for caller in waiting:
            caller.reply(file)

    def fail(self, numbers: Iterable[int], error: Exception) -> None:
        """Answer all callers who wait for these segments with an error."""
        for number in tuple(numbers):
            for caller in (*self._waiting.pop(number, ()), *self._background.pop(number, ())):
                caller.fail(error)

    def fail_init(self, error: Exception) -> None:
        """Answer all callers who wait for the init segment with an error."""
        waiting, self._waiting_for_init = self._waiting_for_init, []
        for caller in waiting:
            caller.fail(error)

    def fail_all(self, error: Exception) -> None:
        """Answer all callers who wait with an error."""
        self.fail((*self._waiting, *self._background), error)
        self.fail_init(error)

    def forget_the_gone(self) -> None:
        """Forget callers who no longer wait, and positions without a request for ``kept_for`` seconds."""
        now = self._now()
        self._positions = {at: since for at, since in self._positions.items() if since + self.kept_for > now}
        self._waiting_for_init = [caller for caller in self._waiting_for_init if not caller.abandoned]
        for waiting in (self._waiting, self._background):
            for number, callers in list(waiting.items()):
                if all(caller.abandoned for caller in callers):
                    del waiting[number]
