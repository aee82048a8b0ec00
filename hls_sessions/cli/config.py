"""``hls-sessions config``: check a settings file, or show the settings in effect and where each comes from."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hls_sessions.cli.client import AsJson
from hls_sessions.cli.exits import Exit
from hls_sessions.cli.options import fault_of, load_settings
from hls_sessions.cli.screen import complain, print_json, print_rows
from hls_sessions.cli.settings_check import check

if TYPE_CHECKING:
    from hls_sessions.cli.settings_check import Checked

OTHERS = ("CONFIG", "URL")
"""The variables with the prefix of settings that name none."""


def config(
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="A settings file (TOML) to check.", dir_okay=False)
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check a settings file, and say each fault with its line. Exits with 2 when there is one.

    Without a file: show the settings that a daemon started here and now would have, and where each comes from. Those of
    a running daemon are shown by "settings".
    """
    if file is not None:
        checked = _read(file)
        _print_checked(file, checked, as_json)
        raise typer.Exit(Exit.USAGE if checked.faults else Exit.OK)
    _show(as_json)


def _read(file: Path) -> Checked:
    try:
        return check(file)
    except OSError as error:
        complain(f"{str(file)!r} cannot be read: {error.strerror}.")
        raise typer.Exit(Exit.USAGE) from error


def _print_checked(file: Path, checked: Checked, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "file": str(file),
                "settings": _hidden(checked.values),
                "faults": [fault._asdict() for fault in checked.faults],
            }
        )
        return
    _complain_of(file, checked)
    if not checked.faults:
        many = len(checked.values)
        typer.echo(f"{file}: {many} setting{'s' if many != 1 else ''}, no fault")


def _complain_of(file: Path, checked: Checked) -> None:
    for fault in checked.faults:
        complain(f"{file}:{fault.line}: {fault.sentence}" if fault.line else f"{file}: {fault.sentence}")


def _show(as_json: bool) -> None:
    from hls_sessions.settings import CONFIG, PREFIX, Settings  # noqa: PLC0415 - the other commands answer sooner without it

    named = os.environ.get(CONFIG)
    file = Path(named) if named else None
    checked = _read(file) if file else None
    if file and checked and checked.faults:
        _complain_of(file, checked)
        raise typer.Exit(Exit.USAGE)
    try:
        settings, origins = load_settings(), Settings.origins()
    except (OSError, ValueError) as error:
        complain(f"{fault_of(error)}.")
        raise typer.Exit(Exit.USAGE) from error
    _complain_of_variables()
    values = settings.model_dump(mode="json")
    lines = checked.lines if checked else {}
    if as_json:
        print_json(
            {
                name: {
                    "value": value,
                    "from": origins[name],
                    "line": lines.get(name) if origins[name] == "file" else None,
                }
                for name, value in values.items()
            }
        )
        return

    def place(name: str) -> str:
        match origins[name]:
            case "environment":
                return f"environment ({PREFIX}{name.upper()})"
            case "file":
                return f"{file}:{lines[name]}" if name in lines else str(file)
            case origin:
                return origin

    print_rows(
        ("SETTING", "VALUE", "FROM"),
        ((name, _shown(value), place(name)) for name, value in values.items()),
    )


def _complain_of_variables() -> None:
    """Say which variables of the environment look like a setting and are none: they have no effect."""
    from hls_sessions.settings import PREFIX, Settings, no_such_setting  # noqa: PLC0415 - as above

    for variable in sorted(os.environ):
        name = variable.upper().removeprefix(PREFIX)
        if name != variable.upper() and name not in OTHERS and name.lower() not in Settings.model_fields:
            complain(f"{variable} has no effect: {no_such_setting(name)}.")


def _hidden(values: dict[str, Any]) -> dict[str, Any]:
    """Return settings as they are in a file, without the token itself."""
    return {name: "hidden" if name == "token" else value for name, value in values.items()}


def _shown(value: object) -> object:
    return (", ".join(map(str, value)) or None) if isinstance(value, list) else value
