"""The wheel that people install has everything that a checkout has, and that their own tests need."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
import zipfile
from importlib.metadata import Distribution, PathDistribution, distribution
from pathlib import Path
from zipfile import ZipFile

import psutil
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from hls_sessions.testing import session_directories

ROOT = Path(__file__).parent.parent
EXAMPLE = ROOT / "tests" / "example_project"
BOUND = 120


@pytest.fixture(scope="module")
def wheel_file(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=BOUND)
    [path] = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def wheel(wheel_file) -> ZipFile:
    return ZipFile(wheel_file)


@pytest.fixture
def clean_python(wheel_file, tmp_path) -> Path:
    """The Python of an environment that has the wheel, pytest, pytest-xdist and what they require, and nothing else.

    What they require is that of this environment, so that nothing is fetched. What is not declared is not there.
    """
    folder = tmp_path / "environment"
    venv.create(folder, symlinks=True)
    [packages] = folder.glob("lib/python*/site-packages")
    [metadata] = (each for each in zipfile.Path(wheel_file).iterdir() if each.name.endswith(".dist-info"))
    needed = [*requirements(PathDistribution(metadata), {"ffmpeg"}), Requirement("pytest"), Requirement("pytest-xdist")]
    for found in closure(needed):
        for file in found.files or ():
            if ".." not in file.parts:  # else it is a command
                target = packages / file
                target.parent.mkdir(parents=True, exist_ok=True)
                link(Path(found.locate_file(file)), target)
    python = folder / "bin" / "python"
    install = [sys.executable, "-m", "pip", "--python", str(python), "install", "--no-deps", "--no-index"]
    subprocess.run([*install, str(wheel_file)], check=True, capture_output=True, timeout=BOUND)
    return python


def closure(needed: list[Requirement]) -> list[Distribution]:
    """Return all that some requirements need, as it is installed here."""
    found: dict[str, Distribution] = {}
    while needed:
        requirement = needed.pop()
        name = canonicalize_name(requirement.name)
        if name not in found or requirement.extras:
            found[name] = distribution(name)
            needed += requirements(found[name], requirement.extras)
    return list(found.values())


def requirements(package: Distribution, extras: set[str]) -> list[Requirement]:
    """Return what a package requires here, with some of its extras."""
    return [
        each
        for each in map(Requirement, package.requires or ())
        if each.marker is None or any(each.marker.evaluate({"extra": extra}) for extra in ("", *extras))
    ]


def link(source: Path, target: Path) -> None:
    """Give a file another name, or copy it to another file system."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


@pytest.mark.timeout(2 * BOUND)
def test_a_project_that_installs_it_passes_its_tests_and_leaves_nothing(clean_python, tmp_path):
    project, results, temporary = (tmp_path / name for name in ("project", "results", "temporary"))
    temporary.mkdir()
    shutil.copytree(EXAMPLE, project, ignore=shutil.ignore_patterns("__pycache__"))
    files = set(project.iterdir())
    # Nothing of this run: neither its options, nor its imports, nor a ban of bytecode, without which all is slow.
    own = ("PYTEST_", "PYTHON", "HLS_SESSIONS_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(own)}

    ended = subprocess.run(
        [clean_python, "-m", "pytest", "-n", "2", "-p", "no:cacheprovider", "--basetemp", results],
        cwd=project,
        env=environment | {"TMPDIR": str(temporary)},
        capture_output=True,
        text=True,
        timeout=BOUND,
        check=False,
    )

    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "7 passed" in ended.stdout
    assert {path for path in project.iterdir() if path.name != "__pycache__"} == files
    assert list(temporary.iterdir()) == []
    folders = [path for path in (tmp_path, *results.rglob("*")) if path.is_dir()]
    assert [folder for folder in folders if session_directories(folder)] == []
    assert [each.cmdline() for each in psutil.process_iter(["cmdline"]) if str(tmp_path) in str(each.info)] == []


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
