"""The build hook: libraries of the pages are taken from npm when the package is built.

So an installed package has them, and nobody who installs a wheel needs npm. They are never committed. A source
distribution carries them too, so that a wheel can be built from it without a network.
"""

from __future__ import annotations

import base64
import hashlib
import io
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

FOLDER = "hls_sessions/web/static/vendor"
STAMP = "VERSION"
BOUND = 60.0
"""Seconds that npm may take."""


class Package(NamedTuple):
    """A package of npm's registry."""

    name: str
    version: str
    sha512: str
    """Of its archive, in base64, as the registry tells it."""
    files: dict[str, str]
    """Files in the archive, and their names here."""


PACKAGES = (
    Package(
        "hls.js",
        "1.7.4",
        "3GlxGdPvT2YHvQYOt+yOzT/DEior/qJVNIylHA77kgeoBTdQQqi70GwefNEUmHQeNGyjC8U62+bruqW/Tpm+tg==",
        {"package/dist/hls.min.js": "hls.min.js", "package/LICENSE": "LICENSE"},
    ),
    Package(
        "media-chrome",
        "4.19.4",
        "QAL48kT03+InLijPzXN1end9fcsl0/l53j1laCfbt/79vF2iZ45dovv4wQMw2q9zOLEiDwWsB718NJPhtZUBDg==",
        {"package/dist/iife/all.js": "media-chrome.js", "package/LICENSE": "LICENSE"},
    ),
    Package(
        "htm",
        "3.1.1",
        "983Vyg8NwUE7JkZ6NmOqpCZ+sh1bKv2iYTlUkzlWmA5JD2acKoxd4KVxbMmxX/85mtfdnDmTFoNKcg5DGAvxNQ==",
        {"package/preact/standalone.module.js": "htm-preact.js", "package/LICENSE": "LICENSE"},
    ),
    Package(
        "uplot",
        "1.6.32",
        "KIMVnG68zvu5XXUbC4LQEPnhwOxBuLyW1AHtpm6IKTXImkbLgkMy+jabjLgSLMasNuGGzQm/ep3tOkyTxpiQIw==",
        {
            "package/dist/uPlot.esm.js": "uplot.js",
            "package/dist/uPlot.min.css": "uplot.css",
            "package/LICENSE": "LICENSE",
        },
    ),
)


class Hook(BuildHookInterface[Any]):
    """Fetches the packages that are not there in the wanted version."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Fetch them; an editable installation without npm, or without a network, goes without them."""
        folder = Path(self.root, FOLDER)
        for package in PACKAGES:
            try:
                fetch(package, folder / package.name)
            except (OSError, subprocess.SubprocessError) as error:
                if version != "editable":
                    raise
                self.app.display_warning(f"{package.name} cannot be fetched, and pages go without it: {error}")
        build_data["artifacts"].append(f"{FOLDER}/")


def fetch(package: Package, folder: Path) -> None:
    """Put the files of a package into a folder, unless they are there.

    Raises:
        OSError: it cannot be fetched, or is another than it should be.
        subprocess.TimeoutExpired: npm takes too long.
    """
    stamp = folder / STAMP
    if stamp.is_file() and stamp.read_text().strip() == package.version:
        return
    with tempfile.TemporaryDirectory() as scratch:
        command = ["npm", "pack", "--silent", "--pack-destination", scratch, f"{package.name}@{package.version}"]
        if subprocess.run(command, stdout=subprocess.DEVNULL, timeout=BOUND, check=False).returncode:
            raise OSError(f"npm does not get {package.name}")
        [path] = Path(scratch).iterdir()
        archive = path.read_bytes()
    if base64.b64encode(hashlib.sha512(archive).digest()).decode() != package.sha512:
        raise OSError(f"{package.name} {package.version} is not what it should be")
    folder.mkdir(parents=True, exist_ok=True)
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        for member, name in package.files.items():
            content = files.extractfile(member)
            assert content is not None
            (folder / name).write_bytes(content.read())
    stamp.write_text(f"{package.version}\n")
