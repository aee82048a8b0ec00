"""Which versions of ffmpeg have known security holes."""

from __future__ import annotations

import pytest

from hls_sessions.ffmpeg import known_holes

PIXELS = "CVE-2026-8461"


@pytest.mark.parametrize(
    ("version", "has"),
    [
        ("5.1.9-0+deb12u1", True),
        ("5.1.10", False),
        ("n7.1.4-3", True),
        ("7.1.5", False),
        ("7.0.9", True),  # a branch that was given up
        ("8.0", True),
        ("8.1.2", False),
        ("9.0.2-static https://johnvansickle.com/ffmpeg/", False),
        ("N-120000-g0123456789", False),  # a checkout of any day
    ],
)
def test_a_hole_is_in_all_versions_before_the_one_of_its_branch_that_mended_it(version, has):
    assert (PIXELS in {hole.names for hole in known_holes(version)}) is has
