"""The faults of a settings file, each with its line where it is known."""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path

AT = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)")
"""Where tomllib says a fault is."""


class Fault(NamedTuple):
    """A fault of a settings file."""

    line: int | None
    """From one; None where it is not known."""
    setting: str | None
    sentence: str


class Checked(NamedTuple):
    """A settings file that was read."""

    values: dict[str, Any]
    faults: list[Fault]
    lines: dict[str, int]
    """The line of each setting, where it is known."""


def check(file: Path) -> Checked:
    """Read a settings file and judge it by itself, whatever the environment holds.

    Raises:
        OSError: it cannot be read.
    """
    from hls_sessions.settings import faults_in  # noqa: PLC0415 - the other commands answer sooner without it

    data = file.read_bytes()
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        return Checked({}, [Fault(data.count(b"\n", 0, error.start) + 1, None, "It is not UTF-8.")], {})
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        return Checked({}, [_of_form(str(error), text)], {})
    lines = {name: line for name in values if (line := _line_of(name, text)) is not None}
    faults = [
        Fault(lines.get(name.partition(".")[0]), name, f"{name}: {why}.") for name, why in faults_in(values).items()
    ]
    return Checked(values, sorted(faults, key=lambda fault: fault.line or 0), lines)


def _of_form(said: str, text: str) -> Fault:
    """Return the fault of a file that is no TOML."""
    found = AT.search(said)
    line = int(found[1]) if found and found[1] else len(text.splitlines()) if found else None
    return Fault(line, None, f"It is no TOML: {AT.sub('', said)}.")


def _line_of(name: str, text: str) -> int | None:
    """Return the line on which a key or a table of this name begins."""
    key = re.escape(name)
    found = re.search(rf"""^[ \t]*(?:\[+[ \t]*)?(?:{key}|"{key}"|'{key}')[ \t]*[=.\]]""", text, re.MULTILINE)
    return text.count("\n", 0, found.start()) + 1 if found else None
