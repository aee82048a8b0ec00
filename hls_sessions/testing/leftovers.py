"""The leftovers of a test: processes, threads, session directories. A supervisor that was stopped leaves none."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import TYPE_CHECKING
from uuid import UUID

import psutil

from hls_sessions.segments import SHARED

if TYPE_CHECKING:
    from pathlib import Path


_spared: set[int] = set()
"""The pids of processes that outlive a test on purpose."""


def spare(pid: int) -> None:
    """Take a process that tests share, and all that it starts, for no leftovers of any test."""
    _spared.add(pid)


def child_processes() -> set[str]:
    """Return the command lines of this process's living descendants, each with its pid, but for those to ``spare``."""
    found, spared = set(), set(_spared)
    for child in psutil.Process().children(recursive=True):  # parents come before their children
        with suppress(psutil.NoSuchProcess):  # it has ended meanwhile, or was not waited for yet
            if child.pid in spared or child.ppid() in spared:
                spared.add(child.pid)
            else:
                found.add(f"{child.pid} {' '.join(child.cmdline()).strip()[:200]}")
    return found


def threads() -> set[threading.Thread]:
    """Return the living threads."""
    return {thread for thread in threading.enumerate() if thread.is_alive()}


def session_directories(folder: Path) -> set[str]:
    """Return the session directories in a folder."""
    return {path.name for path in folder.iterdir() if _is_uuid(path.name)} if folder.is_dir() else set()


def shared_directories(folder: Path) -> set[str]:
    """Return the directories in a folder that hold what sessions share."""
    return {path.name for path in folder.glob(f"{SHARED}*")} if folder.is_dir() else set()


def _is_uuid(name: str) -> bool:
    try:
        return str(UUID(name)) == name
    except ValueError:
        return False
