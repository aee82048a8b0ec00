from __future__ import annotations

import pytest


@pytest.fixture
def film(hls_clip):
    """The path of a film of eight seconds: segments of 1, 1, 2, 2 and 2 seconds."""
    return hls_clip(seconds=8, size="160x90")
