"""``hls-sessions stats``: figures over all sessions of a daemon."""

from __future__ import annotations

from typing import Any

from hls_sessions.cli.client import AsJson, Daemon, Token, Url
from hls_sessions.cli.screen import clock_time, counted, print_facts, print_json


def stats(url: Url = None, token: Token = None, as_json: AsJson = False) -> None:
    """Show figures over all sessions: those that live, and those that have ended and are kept."""
    found = Daemon(url, token).get("/stats")
    if as_json:
        print_json(found)
    else:
        print_facts(_facts(found))


def _facts(found: dict[str, Any]) -> dict[str, object]:
    first = found["first_segment"]
    return {
        "sessions": f"{found['living']} of {found['max_sessions']} live ({found['utilisation']:.0%})",
        "known": f"{found['sessions']}, with those that have ended and are kept",
        "by state": _counts(found["by_state"]),
        "by age": _counts(found["by_age"]),
        "average age": None if found["average_age"] is None else clock_time(found["average_age"]),
        "oldest": _aged(found["oldest"]),
        "newest": _aged(found["newest"]),
        "stuck": ", ".join(found["stuck"]) or "none",
        "encoders": f"{found['encoders']}, {found['encoders_held']} of them held",
        "waiting": found["viewers_waiting"],
        **counted(found),
        "restarts": _counts(found["restarts"]) or "none",
        "first segment": None if not first["count"] else _waits(first),
        "kept": f"{found['kept_bytes']} bytes of segments that no session has any more",
    }


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{number} {name}" for name, number in counts.items() if number)


def _aged(aged: dict[str, Any] | None) -> str | None:
    return None if aged is None else f"{aged['session_id']}, {clock_time(aged['age'])}"


def _waits(waits: dict[str, float]) -> str:
    shown = ", ".join(f"{name} {waits[name]:.2f} s" for name in ("median", "average", "p95", "longest"))
    return f"{shown} ({waits['count']} viewers)"
