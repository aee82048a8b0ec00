from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _nothing_left(hls_nothing_left):
    """Every test gives back every process, thread and session directory it took."""
