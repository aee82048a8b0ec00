"""Reading the settings, with a sentence instead of a traceback when one of them cannot be.

They are loaded only when they are read, because ``--help`` answers sooner without them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from hls_sessions.cli.exits import Exit
from hls_sessions.cli.screen import complain

if TYPE_CHECKING:
    from hls_sessions.settings import Settings


def read_settings(**given: Any) -> Settings:
    """Return the settings of the environment and the file, overridden by those given on the command line (not None)."""
    try:
        return load_settings(**given)
    except (OSError, ValueError) as error:
        complain(f"{fault_of(error)}. See hls-sessions config.")
        raise typer.Exit(Exit.USAGE) from error


def load_settings(**given: Any) -> Settings:
    """Do the same for a caller that reports errors itself.

    Raises:
        OSError, ValueError: they cannot be read; ``fault_of`` says why.
    """
    from hls_sessions.settings import Settings  # noqa: PLC0415 - as above

    return Settings(**{name: value for name, value in given.items() if value is not None})


def fault_of(error: OSError | ValueError) -> str:
    """Return why settings cannot be read, in a sentence without its stop."""
    from pydantic import ValidationError  # noqa: PLC0415 - as above

    from hls_sessions.settings import faults_of  # noqa: PLC0415 - as above

    if isinstance(error, ValidationError):
        return "; ".join(f"{name}: {why}" for name, why in faults_of(error).items())
    return f"The settings cannot be read: {error}"
