from __future__ import annotations

import pytest
from streams import RARE_KEYFRAMES, SOURCES, stream


@pytest.fixture(scope="session")
def arrives(tmp_path_factory):
    """Return a function that returns what a source sends, by its name."""
    folder = tmp_path_factory.mktemp("sources")
    sources = SOURCES | {"rare keyframes": RARE_KEYFRAMES}
    return lambda name: stream(folder, sources[name])
