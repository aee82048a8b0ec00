"""Names of files as text that can be sent. A name is any bytes, of which Python makes lone surrogates (PEP 383)."""

from __future__ import annotations

from typing import Final
from urllib.parse import unquote_to_bytes

_ESCAPED: Final = range(0xDC80, 0xDD00)
"""The lone surrogates that stand for bytes, from 0x80 on."""


def readable(text: str) -> str:
    """Return a text that may hold names of files, as it can be sent in UTF-8.

    In a text with bytes that are no UTF-8, these and ``%`` are percent-encoded. Any other text is returned as it is.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        return "".join(map(_percent_encoded, text))
    return text


def spellings(name: str) -> tuple[str, ...]:
    """Return the names of files that a text may mean, the likeliest first.

    A text means itself. It also means the name that ``readable`` made it of, if there is one.
    """
    try:
        data = unquote_to_bytes(name)
        data.decode()
    except UnicodeDecodeError:
        return name, data.decode(errors="surrogateescape")
    except UnicodeEncodeError:
        pass  # it holds such bytes already
    return (name,)


def _percent_encoded(character: str) -> str:
    code = ord(character)
    if character == "%" or code in _ESCAPED:
        return f"%{code & 0xFF:02X}"
    return "\N{REPLACEMENT CHARACTER}" if 0xD800 <= code < 0xE000 else character  # noqa: PLR2004 - other surrogates
