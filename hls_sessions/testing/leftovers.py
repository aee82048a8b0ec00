"""What a test left behind: processes, threads, session directories. A supervisor that was stopped leaves none."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from uuid import UUID


def child_processes() -> set[str]:
    """Return the command lines of this process's living descendants, each with its pid."""
    parents: dict[int, int] = {}
    names: dict[int, str] = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal():
            continue
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue  # it ended while we looked
        if fields[0] != "Z":
            parents[int(entry.name)] = int(fields[1])
            names[int(entry.name)] = f"{entry.name} {command.strip()[:200]}"
    return {names[pid] for pid in names if _descends(pid, os.getpid(), parents)}


def threads() -> set[threading.Thread]:
    """Return the living threads."""
    return {thread for thread in threading.enumerate() if thread.is_alive()}


def session_directories(folder: Path) -> set[str]:
    """Return the session directories in a folder."""
    return {path.name for path in folder.iterdir() if _is_uuid(path.name)} if folder.is_dir() else set()


def _descends(pid: int, ancestor: int, parents: dict[int, int]) -> bool:
    while (pid := parents.get(pid, 0)) > 1:
        if pid == ancestor:
            return True
    return False


def _is_uuid(name: str) -> bool:
    try:
        return str(UUID(name)) == name
    except ValueError:
        return False
