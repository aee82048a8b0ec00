"""What was found out about an ffmpeg, kept in the user's cache folder: asking it takes longer than all else at a start.

An answer is a small file of JSON. It is good for the same binary (by path, size, time of modification and inode), the
same libraries and the same code of ours, and for whatever else the question depends on. A file that anybody but this
user may have written is ignored, because the answers decide how ffmpeg is confined. So is one that cannot be read: no
fault of the cache is an error.

A script, and a program of another name (the launchers of snap and of version managers), run an ffmpeg that may change
while their own file does not. Of them nothing is kept.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import stat
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from hls_sessions.ffmpeg.source_digest import source_digest
from hls_sessions.user_folders import cache_folder

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger(__name__)

FORMAT: Final = 1
"""The version of the files."""

LONGEST: Final = 7 * 86400.0
"""Seconds that an answer is good for at most: what it depends on, and is not looked at, seldom changes."""

LARGEST: Final = 1024**2
"""Bytes that a file may have."""

LIBRARIES: Final = "/etc/ld.so.cache"
"""Is written anew whenever a library is installed (ldconfig(8))."""

ELF: Final = b"\x7fELF"


def remembered(
    path: str,
    question: str,
    ask: Callable[[], Any],
    *about: Any,
    good_for: Callable[[Any], float] = lambda _: LONGEST,
) -> Any:
    """Return the answer to a question about an ffmpeg: the one that was kept, else that of ``ask``, which is kept.

    Args:
        path: the path of the ffmpeg.
        question: a name for the question.
        ask: returns the answer, plain values that JSON can hold. An error of it is passed on, and nothing is kept.
        about: what the answer depends on besides the binary, in plain values.
        good_for: returns for how many seconds an answer is good, at most ``LONGEST``; 0 for one that is not kept.
    """
    key = _key(path, question, about)
    file = None if key is None else _file(path, question)
    if key is None or file is None:
        return ask()
    kept = _read(file)
    now = time.time()
    # One that is good for longer than any was kept before the clock was set back.
    if kept is not None and kept["key"] == key and now < kept["until"] <= now + LONGEST:
        return kept["answer"]
    answer = ask()
    if seconds := good_for(answer):
        _write(file, {"key": key, "until": time.time() + seconds, "answer": answer})
    return answer


def is_script(path: str) -> bool:
    """Whether a program is a script, or cannot be read, and so may be one."""
    try:
        with Path(path).open("rb") as file:
            return file.read(len(ELF)) != ELF
    except OSError:
        return True


def _key(path: str, question: str, about: tuple[Any, ...]) -> Any:
    """Return all that an answer depends on; None for a binary of which nothing is kept."""
    binary = identity(path)
    if binary is None:
        return None
    variables = [os.environ.get(name) for name in ("LD_LIBRARY_PATH", "LD_PRELOAD")]
    own = source_digest("ffmpeg", "ffmpeg/encoders", "media")
    # As it will be read: a tuple becomes a list.
    return json.loads(json.dumps([FORMAT, own, path, binary, _identity(LIBRARIES), variables, question, about]))


def identity(path: str) -> list[object] | None:
    """Return what tells a binary from others; None for one of which nothing is kept."""
    program = os.path.realpath(path)
    if "ffmpeg" not in os.path.basename(program) or is_script(program):  # noqa: PTH119 - no object needed
        return None
    return _identity(program)


def _identity(path: str) -> list[object] | None:
    try:
        found = os.stat(path)  # noqa: PTH116 - no object needed
    except OSError:
        return None
    return [path, found.st_size, found.st_mtime_ns, found.st_ino]


def _file(path: str, question: str) -> Path | None:
    try:
        folder = cache_folder() / "ffmpeg"
    except RuntimeError:  # the user has no home
        return None
    return folder / f"{hashlib.sha256(os.fsencode(f'{question} {path}')).hexdigest()[:32]}.json"


def _read(file: Path) -> dict[str, Any] | None:
    """Return what a file holds; None unless it can be trusted."""
    try:
        _must_be_ours(file.parent.lstat())
        with open(file, "rb", opener=_without_links) as opened:
            _must_be_ours(os.fstat(opened.fileno()))
            kept = json.loads(opened.read(LARGEST))
        return {"key": kept["key"], "until": float(kept["until"]), "answer": kept["answer"]}
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        logger.warning("%s is ignored: %s", file, error)
        return None


def _without_links(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)


def _must_be_ours(found: os.stat_result) -> None:
    """Check that nobody but this user can have written a file or folder.

    Raises:
        PermissionError: somebody can.
    """
    if found.st_uid != os.geteuid() or found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise PermissionError("others may have written to it")


def _write(file: Path, kept: dict[str, Any]) -> None:
    """Write a file as a whole, and delete those that are good no more."""
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _must_be_ours(file.parent.lstat())
        with tempfile.NamedTemporaryFile("w", dir=file.parent, suffix=".part", delete=False) as part:
            try:
                json.dump(kept, part)
                part.flush()
                Path(part.name).replace(file)
            except OSError:
                Path(part.name).unlink(missing_ok=True)
                raise
        for other in file.parent.iterdir():
            with suppress(OSError):
                if other.lstat().st_mtime < time.time() - LONGEST:
                    other.unlink()
    except OSError as error:
        logger.info("%s cannot be written: %s", file, error)
