"""The wheel that people install has everything that a checkout has."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).parent.parent
BOUND = 120


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=BOUND)
    [path] = folder.glob("*.whl")
    return ZipFile(path)


def test_it_has_every_file_of_the_package(wheel):
    package = ROOT / "hls_sessions"
    there = {
        str(path.relative_to(ROOT)) for path in package.rglob("*") if path.is_file() and "__pycache__" not in path.parts
    }

    packed = {name for name in wheel.namelist() if ".dist-info/" not in name}

    assert packed == there


def test_it_brings_the_players_library_with_its_licence(wheel):
    vendor = "hls_sessions/web/static/vendor/hls.js/"

    assert b"Hls" in wheel.read(f"{vendor}hls.min.js")
    assert b"Apache License" in wheel.read(f"{vendor}LICENSE")
