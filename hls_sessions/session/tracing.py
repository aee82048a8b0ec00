"""Traces for OpenTelemetry: a span for each segment that a viewer waited for, and one within it for each phase.

Spans are made when a segment is there, with the times that were noted on its way, so that nothing waits for them. They
go to the provider that the program around this package has set up, or nowhere. Without the package
``opentelemetry-api`` there are none.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hls_sessions.encoding import AwaitedSegment

NAME: Final = "hls_sessions"
"""The name of the instrumentation, which begins the names of all attributes."""

SEGMENT: Final = "segment"
"""The name of the span of a segment. The others are named after their phases."""


def traced(session_id: str, awaited: AwaitedSegment) -> Any:
    """Make the spans of a segment that was published; return the context for further spans, None without traces."""
    if (trace := _api()) is None:
        return None
    begun = _nanoseconds(awaited.at.timestamp())
    span = trace.get_tracer(NAME).start_span(
        SEGMENT,
        attributes={
            f"{NAME}.session": session_id,
            f"{NAME}.rendition": awaited.rendition,
            f"{NAME}.segment": awaited.segment,
        },
        start_time=begun,
    )
    context = trace.set_span_in_context(span)
    _trace_phases(context, begun, awaited.phases)
    span.end(begun + _nanoseconds(awaited.seconds))
    return context


def traced_sending(context: Any, awaited: AwaitedSegment, phases: Mapping[str, float]) -> None:
    """Make the spans of what followed when a segment had been published."""
    if _api() is not None:
        _trace_phases(context, _nanoseconds(awaited.at.timestamp() + awaited.seconds), phases)


@cache
def _api() -> Any:
    """Return OpenTelemetry's API; None where it is not installed, which the extra ``otel`` does."""
    try:
        from opentelemetry import trace  # noqa: PLC0415 - the commands, which trace nothing, answer sooner without it
    except ImportError:
        return None
    return trace


def _trace_phases(context: Any, begun: int, phases: Mapping[str, float]) -> None:
    tracer = _api().get_tracer(NAME)
    for phase, seconds in phases.items():
        span = tracer.start_span(phase, context, start_time=begun)
        begun += _nanoseconds(seconds)
        span.end(begun)


def _nanoseconds(seconds: float) -> int:
    return round(seconds * 1e9)
