"""Which segments of one rendition are copied, and which cannot be. Lives in the session's thread."""

from __future__ import annotations

from collections import Counter
from itertools import groupby
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

ATTEMPTS: Final = 3
"""How often a packager tries a segment before it is encoded. After so many segments that could not be copied, if none
ever could, no segment is copied any more."""

Number: TypeAlias = int | None
"""A segment's number; None stands for the init segment."""


class Copies:
    """The copied segments of one rendition."""

    __slots__ = ("_encoded", "_failed", "_failures", "_has_stand_in", "_has_worked", "asked", "given_up")

    def __init__(self, encoded: Iterable[int] = (), *, has_stand_in: bool) -> None:
        """Begin with all segments.

        Args:
            encoded: those that are always encoded: they come after the video has ended and show its last frame, or
                are larger than players hold.
            has_stand_in: whether a segment that cannot be copied can be encoded.
        """
        self._has_stand_in = has_stand_in
        self.asked: set[Number] = set()
        """The segments that a packager was asked for, each with a reservation."""
        self.given_up: str | None = None
        """Why nothing is copied any more."""
        self._encoded = frozenset(encoded)
        self._failed: dict[int, str] = {}
        """The segments that could not be copied, and why."""
        self._failures: Counter[Number] = Counter()
        self._has_worked = False

    def __contains__(self, number: object) -> bool:
        """Whether a segment is copied, as far as is known."""
        return self.given_up is None and number not in self._failed and number not in self._encoded

    @property
    def uncopied(self) -> frozenset[int]:
        """The segments that are encoded because they cannot be copied."""
        return self._encoded.union(self._failed)

    def could_not(self, number: int) -> bool:
        """Whether a segment was to be copied, and could not be."""
        return number not in self._encoded and number not in self

    def is_last_try(self, number: Number) -> bool:
        """Whether a segment is given up when it fails once more."""
        return self._failures[number] >= ATTEMPTS - 1

    def made(self, number: Number) -> None:
        """Note that a segment was copied."""
        self._has_worked = True
        self._failures.pop(number, None)

    def failed(self, number: Number, reason: str) -> bool:
        """Note that a segment could not be copied; return whether it has now failed too often."""
        self._failures[number] += 1
        if self._failures[number] < ATTEMPTS:
            return False
        del self._failures[number]
        if not self._has_stand_in:
            return True  # this segment cannot be encoded either; others are still tried
        if number is None:
            self.given_up = reason
        else:
            self._failed[number] = reason
            if len(self._failed) >= ATTEMPTS and not self._has_worked:
                self.given_up = reason
        return True

    def until(self, number: int) -> int | None:
        """Return the last segment of a stretch that cannot be copied; None if it goes on to the end."""
        if self.given_up is not None:
            return None
        uncopied = self.uncopied
        while number + 1 in uncopied:
            number += 1
        return number

    @property
    def notes(self) -> Iterator[str]:
        """The segments that are not copied and why, a sentence for each stretch of neighbours with the same reason."""
        numbered = enumerate(sorted(self._failed.items()))
        for (_, reason), group in groupby(numbered, key=lambda item: (item[1][0] - item[0], item[1][1])):
            numbers = [number for _, (number, _) in group]
            where = f"segment {numbers[0]}" if len(numbers) == 1 else f"segments {numbers[0]} to {numbers[-1]}"
            yield f"copy was given up at {where}: {reason}."
        if self.given_up is not None:
            yield f"copy was given up: {self.given_up}."
