"""For how long ended sessions and probed files are kept, as a rule over moments."""

from __future__ import annotations

from dataclasses import dataclass

HOUR = 3600.0
DAY = 24 * HOUR


@dataclass(frozen=True, slots=True)
class Retention:
    """Seconds after its end that a session is kept, and after its last use that a probed file is.

    ``anything`` bounds them all. A session that lives is always kept.
    """

    failed: float = HOUR
    completed: float = 6 * HOUR
    anything: float = DAY
    probes: float = 30 * DAY

    def of(self, state: str) -> float:
        """Return for how many seconds a session that ended in this state is kept."""
        return min({"failed": self.failed, "completed": self.completed}.get(state, self.anything), self.anything)

    def is_over(self, state: str, ended_at: float | None, now: float) -> bool:
        """Whether a session has been kept for long enough."""
        return ended_at is not None and now - ended_at >= self.of(state)
