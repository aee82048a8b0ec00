"""Reading the settings, with a sentence instead of a traceback when one of them cannot be."""

from __future__ import annotations

from typing import Any

import typer
from pydantic import ValidationError

from hls_sessions.cli.exits import Exit
from hls_sessions.cli.screen import complain
from hls_sessions.settings import Settings, faults_of


def read_settings(**given: Any) -> Settings:
    """Return the settings of the environment and the file, overridden by those given on the command line (not None)."""
    try:
        return load_settings(**given)
    except (OSError, ValueError) as error:
        complain(fault_of(error))
        raise typer.Exit(Exit.USAGE) from error


def load_settings(**given: Any) -> Settings:
    """Do the same for a caller that reports errors itself.

    Raises:
        OSError, ValueError: they cannot be read; ``fault_of`` says why.
    """
    return Settings(**{name: value for name, value in given.items() if value is not None})


def fault_of(error: OSError | ValueError) -> str:
    """Return in a sentence why settings cannot be read."""
    if isinstance(error, ValidationError):
        return "; ".join(f"{name}: {why}" for name, why in faults_of(error).items())
    return f"The settings cannot be read: {error}."
