"""Reading the settings, with a sentence instead of a traceback when one of them cannot be."""

from __future__ import annotations

from typing import Any

import typer
from pydantic import ValidationError

from hls_sessions.cli.exits import Exit
from hls_sessions.cli.screen import complain
from hls_sessions.settings import Settings


def read_settings(**given: Any) -> Settings:
    """Return the settings of the environment and the file, with what was given on the command line (not None)."""
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        complain("; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors()))
    except (OSError, ValueError) as error:
        complain(f"The settings cannot be read: {error}.")
    raise typer.Exit(Exit.USAGE)
