"""The counters of a session, each declared once: rows, totals, figures, metrics and screens are made from this table.

A new counter is a field of ``Sums``, a call of ``Counters.add`` with its name in ``session/record.py``, and an entry in
the MIGRATIONS of ``store/schema.py``, which adds its column to existing databases.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence  # noqa: TC003 - the HTTP edge reads Sums' types at run time
from dataclasses import dataclass, field, fields
from typing import Any, Final, NamedTuple


class Counter(NamedTuple):
    """One counter, and how it is shown."""

    name: str
    """The field of Sums, of rows, and of the JSON of a session and of all."""
    unit: str
    """The unit after a number; empty if the label says it."""
    help: str
    """A sentence for Prometheus."""
    metric: str
    """The name for Prometheus, without prefix and suffix (https://prometheus.io/docs/practices/naming/)."""
    label: str
    """The name on screens; counters with the same label share a line."""


def _counter(unit: str, help_: str, *, metric: str, label: str, start: float = 0) -> Any:
    return field(default=start, metadata={"counter": (unit, help_, metric, label)})


@dataclass(frozen=True, slots=True, kw_only=True)
class Sums:
    """The counters of a session at one moment. They only grow, over all of its actors and daemons."""

    segments_made: int = _counter(
        "segments", "Segments that were made and passed their check.", metric="segments_made", label="made"
    )
    bytes_made: int = _counter("bytes", "Bytes of them.", metric="made_bytes", label="made")
    segments_shared: int = _counter(
        "segments",
        "Segments that another session of the film had, and that were not made again.",
        metric="segments_shared",
        label="shared",
    )
    segments_served: int = _counter(
        "segments", "Segments that were handed to viewers.", metric="segments_served", label="served"
    )
    bytes_served: int = _counter("bytes", "Bytes of them.", metric="served_bytes", label="served")
    segments_refused: int = _counter(
        "segments", "Segments that did not pass their check.", metric="segments_refused", label="refused"
    )
    encoder_failures: int = _counter("", "Encoders that failed.", metric="encoder_failures", label="failed runs")
    encoder_seconds: float = _counter(
        "processor seconds",
        "Processor time of encoders.",
        metric="encoder_cpu_seconds",
        label="encoder time",
        start=0.0,
    )
    restarts: Mapping[str, int] = field(default_factory=dict)
    """Restarts of the actor, of the daemon, and of encoders by cause."""


COUNTERS: Final = tuple(
    Counter(each.name, *each.metadata["counter"]) for each in fields(Sums) if "counter" in each.metadata
)
"""All of them, in the order in which they are shown."""


def sums_of(sums: Sums) -> dict[str, Any]:
    """Return the fields of Sums, by name, of any object that has them."""
    return {each.name: getattr(sums, each.name) for each in fields(Sums)}


def added(many: Sequence[Sums]) -> dict[str, Any]:
    """Return the counters of many, added up, by name; without restarts."""
    return {counter.name: sum(getattr(each, counter.name) for each in many) for counter in COUNTERS}
