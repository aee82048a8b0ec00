"""The build hook: what the pages need of others is taken from npm's registry when the package is built.

So an installed package has it, and nobody who installs one needs npm. It is never committed. A source distribution
carries it too, so that a wheel can be built from it without a network.
"""

from __future__ import annotations

import base64
import hashlib
import io
import os
import ssl
import tarfile
import time
import urllib.request
from pathlib import Path
from typing import Any, NamedTuple

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

REGISTRY = "https://registry.npmjs.org"
FOLDER = "hls_sessions/web/static/vendor"
STAMP = "VERSION"
BOUND = 60.0
PAUSES = (1.0, 4.0)
"""Seconds before a registry is asked again."""


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
)


class Hook(BuildHookInterface[Any]):
    """Fetches the packages that are not there in the wanted version."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Fetch them; an editable installation without a network goes without them."""
        folder = Path(self.root, FOLDER)
        for package in PACKAGES:
            try:
                fetch(package, folder / package.name)
            except OSError as error:
                if version != "editable":
                    raise
                self.app.display_warning(f"{package.name} cannot be fetched, and pages go without it: {error}")
        build_data["artifacts"].append(f"{FOLDER}/")


def downloaded(url: str) -> bytes:
    """Return what is at an address. A registry that does not answer is asked again.

    Raises:
        OSError: it does not answer.
    """
    # Where pip is told of certificates, they are those of this network.
    trusted = ssl.create_default_context(cafile=os.environ.get("PIP_CERT"))
    for pause in PAUSES:
        try:
            with urllib.request.urlopen(url, timeout=BOUND, context=trusted) as answer:  # noqa: S310 - its content is checked
                content: bytes = answer.read()
                return content
        except OSError:
            time.sleep(pause)
    with urllib.request.urlopen(url, timeout=BOUND, context=trusted) as answer:  # noqa: S310 - the same
        return bytes(answer.read())


def fetch(package: Package, folder: Path) -> None:
    """Put the files of a package into a folder, unless they are there.

    Raises:
        OSError: it cannot be fetched, or is another than it should be.
    """
    stamp = folder / STAMP
    if stamp.is_file() and stamp.read_text().strip() == package.version:
        return
    registry = os.environ.get("NPM_CONFIG_REGISTRY", REGISTRY).rstrip("/")
    url = f"{registry}/{package.name}/-/{package.name}-{package.version}.tgz"
    archive = downloaded(url)
    if base64.b64encode(hashlib.sha512(archive).digest()).decode() != package.sha512:
        raise OSError(f"{url} is not what it should be")
    folder.mkdir(parents=True, exist_ok=True)
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        for member, name in package.files.items():
            content = files.extractfile(member)
            assert content is not None
            (folder / name).write_bytes(content.read())
    stamp.write_text(f"{package.version}\n")
