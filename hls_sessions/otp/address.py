"""A server as the lower files of this package know it: its address, and whether it lives.

A message or an error that names a server must not import `ref.py`, because that file imports them.
"""

from __future__ import annotations

from typing import Protocol


class Address(Protocol):
    """A server, to be named, compared and asked whether it lives. In fact a `Ref`."""

    def is_alive(self) -> bool:
        """Tell whether the server has not ended yet."""
        ...
