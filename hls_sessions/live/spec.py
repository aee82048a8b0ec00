"""The spec of a recording: what it is opened with, and what stays when its actor is restarted."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from hls_sessions.live.ledger import PART_TARGET

if TYPE_CHECKING:
    from fractions import Fraction
    from pathlib import Path

    from hls_sessions.live.inlet import Inlet
    from hls_sessions.live.journal import Journal
    from hls_sessions.live.ledger import Ledger


@dataclass(frozen=True, slots=True)
class RecordingSpec:
    """The values of a recording that stay when its actor is restarted."""

    journal: Journal
    """What has arrived."""
    ledger: Ledger
    """What was made of it."""
    inlet: Inlet
    """Where it arrives."""
    directory: Path
    """Where its segments are."""
    start_at: float = 0.0

    @property
    def session_id(self) -> str:
        """Its id: a random UUID, and the right to watch."""
        return self.ledger.facts.id

    @property
    def user(self) -> str | None:
        """The user whose it is."""
        return self.ledger.facts.user

    @property
    def created_at(self) -> datetime:
        """When it was opened."""
        return datetime.fromtimestamp(self.ledger.facts.created_at, UTC)

    @property
    def idle_timeout(self) -> float:
        """Seconds after which it expires when nobody sends and nobody watches."""
        return self.ledger.facts.idle_timeout

    @property
    def segment_length(self) -> float:
        """The wanted length of a segment, in seconds."""
        return self.ledger.facts.segment_length

    @property
    def part_target(self) -> Fraction | None:
        """Seconds that no part of a segment is longer than; None where segments are offered whole."""
        return PART_TARGET if self.ledger.facts.low_latency else None

    @property
    def path(self) -> Path:
        """The folder in which it is kept."""
        return self.journal.folder

    @property
    def title(self) -> str:
        """What it is called."""
        return self.ledger.facts.name

    @property
    def duration(self) -> Fraction:
        """Seconds of all segments so far."""
        return self.ledger.timeline.duration

    @property
    def notes(self) -> tuple[str, ...]:
        """What could not be shown of it."""
        parts = (f"Part {file} could not be shown: {why}." for file, why in self.ledger.done.items() if why)
        return (*parts, *(() if self.inlet.over is None else (f"The recording is over: {self.inlet.over}.",)))

    def promised(self) -> dict[str, Any]:
        """Return nothing: what was promised is in the ledger."""
        return {}
