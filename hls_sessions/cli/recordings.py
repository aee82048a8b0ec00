"""``hls-sessions recordings``: the recordings that are kept."""

from __future__ import annotations

from datetime import UTC, datetime

from hls_sessions.cli.client import AsJson, Daemon, Token, Url
from hls_sessions.cli.screen import clock_time, print_json, print_rows


def recordings(url: Url = None, token: Token = None, as_json: AsJson = False) -> None:
    """List all recordings that are kept, the oldest first."""
    kept = Daemon(url, token).get("/recordings")
    if as_json:
        print_json(kept)
        return
    print_rows(
        ("RECORDING", "TITLE", "USER", "BEGAN", "LENGTH", "BYTES", "IS OVER"),
        (
            (
                each["id"],
                each["title"],
                each["user"],
                datetime.fromtimestamp(each["created_at"], UTC).isoformat(sep=" ", timespec="seconds"),
                clock_time(each["duration"]),
                f"{each['size']:,}",
                each["over"] or "no",
            )
            for each in kept
        ),
    )
