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


@pytest.mark.parametrize(
    ("library", "file", "defines", "licence"),
    [
        ("hls.js", "hls.min.js", b"Hls", b"Apache License"),
        ("media-chrome", "media-chrome.js", b"media-controller", b"Permission is hereby granted"),
        ("htm", "htm-preact.js", b"useState", b"Apache License"),
        ("uplot", "uplot.js", b"uPlot", b"The MIT License"),
        ("uplot", "uplot.css", b".uplot", b"The MIT License"),
    ],
)
def test_it_brings_the_libraries_of_the_pages_with_their_licences(wheel, library, file, defines, licence):
    vendor = f"hls_sessions/web/static/vendor/{library}"

    assert defines in wheel.read(f"{vendor}/{file}")
    assert licence in wheel.read(f"{vendor}/LICENSE")
