"""Opening a file for reading with PyAV. Tags that are no UTF-8 are no reason to refuse a file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import av

if TYPE_CHECKING:
    from collections.abc import Callable

    from av.container import InputContainer

MAJOR: Final = int(av.__version__.partition(".")[0])

LENIENT: Final = {} if MAJOR >= 19 else {"metadata_errors": "surrogateescape"}  # noqa: PLR2004 - a version
"""PyAV 19 reads such tags by itself; before, it has to be told."""


def open_input(source: Any, **options: Any) -> InputContainer:
    """Open a file, an address or a stream for reading; as ``av.open``."""
    opened: Callable[..., InputContainer] = av.open  # whose overloads do not know of both versions
    return opened(source, **LENIENT, **options)


def tag_of(tags: dict[str, str], name: str) -> str:
    """Return a tag, with a replacement character for each byte that is no UTF-8; empty if there is none."""
    return tags.get(name, "").encode("utf-8", "surrogateescape").decode("utf-8", "replace")
