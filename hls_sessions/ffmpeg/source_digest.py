"""A digest of this package's own code, for caches: other code may find out something else."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path


@cache
def source_digest(*folders: str) -> str:
    """Return a digest of the sources in some folders of this package."""
    package = Path(__file__).parents[1]
    digest = hashlib.sha256()
    for folder in folders:
        for source in sorted((package / folder).glob("*.py")):
            digest.update(source.read_bytes())
    return digest.hexdigest()[:16]
