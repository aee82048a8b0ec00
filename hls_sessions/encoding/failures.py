"""How often segments of one rendition could not be encoded, and which method is used now.

A segment that failed too often with one method is tried with the next. If the last method fails too, the segment is
impossible if the file does not hold it; else its encoder has failed. Lives in the session's thread.
"""

from __future__ import annotations

import logging
from collections import Counter
from typing import TYPE_CHECKING, Final

from hls_sessions.errors import quoted_log

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hls_sessions.encoding.run import EncoderRun
    from hls_sessions.ffmpeg import Exit, Method

logger = logging.getLogger(__name__)

ATTEMPTS: Final = 3
"""How often a segment is tried with one method."""


class Failures:
    """One rendition's failures, by segment number."""

    __slots__ = ("_attempts", "_cannot_decode", "_damaged", "_left", "_lost", "_methods", "_rendition")

    def __init__(self, rendition: str, methods: Sequence[Method]) -> None:
        """Begin with the first of the methods to encode; there may be none."""
        self._rendition = rendition
        self._methods = methods
        self._left: list[str] = []
        """Why each method before the current one was given up, in sentences."""
        self._cannot_decode = False
        self._attempts: Counter[int] = Counter()
        self._damaged = 0
        """How many segments were made without some of their frames."""
        self._lost: dict[int, str] = {}
        """The segments whose encoder was lost before they were made, and the cause."""

    # ---- the method

    @property
    def method(self) -> Method:
        """The method in use."""
        return self._methods[len(self._left)]

    @property
    def can_encode(self) -> bool:
        """Whether there is any method."""
        return bool(self._methods)

    @property
    def _last(self) -> Method:
        """The last method that is tried at single segments. Silence in place of all of them comes after it."""
        return next(method for method in reversed(self._methods) if not method.silent)

    def is_last(self, method: Method) -> bool:
        """Whether no method is left that could be tried in place of this one."""
        return method is self._last

    def fall_silent(self, reason: str) -> bool:
        """Change to silence, because nothing else has made anything; return whether there is such a method."""
        last = self._methods[-1]
        if not last.silent or self.method is last:
            return False
        why = f"nothing of it can be played, so it is silent: {reason}."
        self._left = [why] * (len(self._methods) - 1)
        self._attempts.clear()
        logger.warning("%s: %s", self._rendition, why, extra={"rendition": self._rendition})
        return True

    def is_spent(self, run: EncoderRun, exit_: Exit, *, has_published: bool) -> bool:
        """Whether a failed run's method is to be replaced: it failed too often, or has never made a segment.

        A signal from outside is no fault of the method.

        Args:
            run: the run that failed.
            exit_: how its process ended.
            has_published: whether any segment of the rendition is on disk.
        """
        if run.method is not self.method or run.method is self._last or run.method.silent:
            return False
        never_worked = not has_published and (run.fault is not None or not exit_.was_killed)
        return never_worked or self._attempts[run.next] >= ATTEMPTS

    def step_down(self, run: EncoderRun, reason: str, exit_: Exit) -> None:
        """Change to the next method, for good."""
        why = f"{run.method} was given up at segment {run.next}: {reason}.{quoted_log([exit_.cause])}"
        self._left.append(why)
        self._attempts.clear()
        logger.warning("%s goes on with %s: %s", self._rendition, self.method, why, extra=run.about)

    def note(self, run: EncoderRun) -> None:
        """Note whether a run could not decode all of its source."""
        self._cannot_decode = self._cannot_decode or run.could_not_decode

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences on methods that were given up, and on damage of the source."""
        damage = ("parts of it cannot be decoded.",) if self._cannot_decode else ()
        return *dict.fromkeys(self._left), *damage

    # ---- failures

    def count(self, number: int, cause: str, method: Method) -> None:
        """Count a failure of a method at a segment.

        Args:
            number: the segment.
            cause: why, in a word or two, to count by.
            method: the method that failed. A method that was given up does not count against the current one.
        """
        self._attempts[number] += method is self.method
        self._lost[number] = cause

    def made(self, number: int) -> None:
        """Note that a segment was made."""
        self._attempts.pop(number, None)
        self._lost.pop(number, None)

    def replaced(self, number: int) -> str | None:
        """Note that another run is at a segment; return the cause by which the one before was lost, if one was."""
        return self._lost.pop(number, None)

    def lost(self, number: int, cause: str) -> None:
        """Note that the encoder of a segment was lost through no fault of its own; that is no failure."""
        self._lost[number] = cause

    def exhaust(self, number: int) -> None:
        """Have a segment count as failed too often."""
        self._attempts[number] = max(self._attempts[number], ATTEMPTS)

    def try_anew(self, number: int) -> None:
        """Forget that a segment failed too often, because a viewer asks for it."""
        if self.is_given_up(number):
            del self._attempts[number]

    def attempts(self, number: int) -> int:
        """Return how often a segment has failed."""
        return self._attempts[number]

    def is_given_up(self, number: int) -> bool:
        """Whether a segment has failed too often."""
        return self._attempts[number] >= ATTEMPTS

    def are_of_the_source(self, number: int, method: Method) -> bool:
        """Whether a segment may miss frames, because the source is damaged there and the rest can be played.

        So it is on its last try with the last method. Where several segments were made like this, the index of the
        source announces frames that cannot be decoded, and to try three times would change nothing.
        """
        is_last_try = self._attempts[number] >= ATTEMPTS - 1 or self._damaged >= ATTEMPTS
        return method is self._last and is_last_try

    def made_damaged(self) -> None:
        """Note that a segment was made without some of its frames."""
        self._damaged += 1

    @property
    def given_up(self) -> set[int]:
        """The segments that have failed too often."""
        return {number for number, times in self._attempts.items() if times >= ATTEMPTS}
