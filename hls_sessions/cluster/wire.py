"""How messages between nodes are spelled: JSON, whose unknown fields are ignored, so that a newer node may say more."""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

T = TypeVar("T")


class Misspelled(ValueError):
    """A message is not of the form that it should be."""


_ADAPTERS: dict[Any, TypeAdapter[Any]] = {}
"""A message's form is read from its class once."""


def spell(message: Any) -> bytes:
    """Return a message as it is sent."""
    return _adapter(type(message)).dump_json(message)


def read(kind: type[T], text: bytes) -> T:
    """Return a message of this kind that was received.

    Raises:
        Misspelled: it is none.
    """
    try:
        message: T = _adapter(kind).validate_json(text)
    except ValidationError as error:
        raise Misspelled(str(error)) from error
    return message


def _adapter(kind: Any) -> TypeAdapter[Any]:
    if (known := _ADAPTERS.get(kind)) is None:
        known = _ADAPTERS[kind] = TypeAdapter(kind)
    return known
