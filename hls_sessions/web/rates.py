"""How often each caller may do something: a token bucket for each, as large as what a minute brings."""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

MINUTE: Final = 60.0

MOST_CALLERS: Final = 10_000
"""Callers that are remembered. One that is forgotten begins anew."""


class Rates:
    """The buckets of all callers. Used in one event loop."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        """Begin with full buckets; ``now`` is in seconds."""
        self._now = now
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        """What is left in each, and when that was so; the one that was used last comes last."""

    def take(self, caller: str, per_minute: int) -> float:
        """Take one from a caller's bucket; return 0, or in how many seconds there will be one if it is empty."""
        now = self._now()
        left, since = self._buckets.pop(caller, (float(per_minute), now))
        left = min(per_minute, left + (now - since) * per_minute / MINUTE)
        wait = 0.0 if left >= 1 else (1 - left) * MINUTE / per_minute
        self._buckets[caller] = left if wait else left - 1, now
        while len(self._buckets) > MOST_CALLERS:
            self._buckets.popitem(last=False)
        return wait
