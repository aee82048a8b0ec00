"""Durations as people type them."""

from __future__ import annotations

import pytest
import typer

from hls_sessions.cli.duration import duration


@pytest.mark.parametrize(
    ("typed", "seconds"),
    [("90", 90), ("0", 0), ("1.5", 1.5), ("30s", 30), ("30m", 1800), ("1h", 3600), ("1h30m", 5400), ("2d", 172_800)],
)
def test_a_duration_is_a_number_of_seconds_or_has_units(typed, seconds):
    assert duration(typed) == seconds


@pytest.mark.parametrize("typed", ["", "h", "1x", "1h x", "-5", "inf", "nan", "1h30", "1 h"])
def test_anything_else_is_none(typed):
    with pytest.raises(typer.BadParameter, match="is no duration"):
        duration(typed)
