"""The user's folders, by the XDG Base Directory Specification."""

from __future__ import annotations

import os
from pathlib import Path


def state_folder() -> Path:
    """Return the folder of what is kept between starts.

    Raises:
        RuntimeError: the user has no home.
    """
    return _folder("XDG_STATE_HOME", "~/.local/state")


def cache_folder() -> Path:
    """Return the folder of what can be found out again. Raises the same error."""
    return _folder("XDG_CACHE_HOME", "~/.cache")


def _folder(variable: str, default: str) -> Path:
    home = os.environ.get(variable, "")
    # By the specification, a relative path is ignored.
    base = Path(home) if home.startswith("/") else Path(default).expanduser()
    return base / "hls_sessions"
