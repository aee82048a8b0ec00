"""The answers of the probing process as bytes, for a cache that outlives the daemon.

The prober's caller brings the cache. In the daemon it is the database.
"""

from __future__ import annotations

import json
import zlib
from array import array
from importlib.metadata import version
from itertools import accumulate
from operator import sub
from typing import TYPE_CHECKING, Any, Protocol

from hls_sessions.ffmpeg.source_digest import source_digest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hls_sessions.ffmpeg.file_version import FileVersion


class ProbeCache(Protocol):
    """Keeps answers by the version of the file they are about. Its methods must not raise; any thread may call them."""

    def recall(self, file: FileVersion) -> bytes | None:
        """Return the answer that was kept; None when there is none."""
        ...

    def keep(self, file: FileVersion, answer: bytes) -> None:
        """Keep an answer."""
        ...


def pack(facts: str, arrays: Sequence[array[int]]) -> bytes | None:
    """Return an answer as bytes: its facts, as JSON, and its arrays; None for one that is better asked for again.

    Of the arrays the differences are kept. Those of times hardly differ: a few KB for the frames of two hours.
    """
    try:
        steps = [array("q", map(sub, numbers, (0, *numbers))) for numbers in arrays]
    except OverflowError:
        return None  # nonsense of a damaged file
    head = json.dumps({"maker": _maker(), "lengths": [len(each) for each in steps]})
    return zlib.compress(b"\n".join([head.encode(), facts.encode(), b"".join(each.tobytes() for each in steps)]))


def unpack(data: bytes) -> tuple[dict[str, Any], list[array[int]]] | None:
    """Return the answer that was packed; None when it was damaged, or is that of another version of the worker."""
    try:
        head, facts, rest = zlib.decompress(data).split(b"\n", 2)
        kept = json.loads(head)
        if kept["maker"] != _maker():
            return None
        steps, lengths = array("q", rest), kept["lengths"]
        if len(steps) != sum(lengths):
            return None
        ends = zip(lengths, accumulate(lengths), strict=True)
        answer: dict[str, Any] = json.loads(facts)
        return answer, [array("q", accumulate(steps[end - length : end])) for length, end in ends]
    except (zlib.error, ValueError, KeyError, TypeError, OverflowError):
        return None


def _maker() -> str:
    """Name the code that reads the files, because other code, or another PyAV, may answer otherwise."""
    return f"{source_digest('ffmpeg', 'ffmpeg/probing', 'media')} av {version('av')}"  # the code that the worker runs
