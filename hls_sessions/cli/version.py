"""``hls-sessions --version``: the versions of everything that decides how films are played here."""

from __future__ import annotations

import platform
import sqlite3
from typing import Final

import typer

from hls_sessions.cli.options import fault_of, load_settings
from hls_sessions.cli.screen import print_facts

LIBRARIES: Final = ("pykka", "fastapi", "granian")


def print_version(wanted: bool) -> None:
    """Print the versions and end, where that is wanted."""
    if wanted:
        print_facts(_versions())
        raise typer.Exit


def _versions() -> dict[str, str]:
    # They are loaded for this alone, as is all that spells ffmpeg: commands answer sooner without.
    from importlib.metadata import version  # noqa: PLC0415

    from hls_sessions.ffmpeg import libav_versions, sandbox_here  # noqa: PLC0415

    return {
        "hls_sessions": version("hls_sessions"),
        "Python": f"{platform.python_version()} ({platform.python_implementation()})",
        "ffmpeg": _ffmpeg(),
        "PyAV": f"{version('av')} ({', '.join(f'{name} {number}' for name, number in libav_versions().items())})",
        **{name: version(name) for name in LIBRARIES},
        "SQLite": sqlite3.sqlite_version,
        "kernel": f"{platform.system()} {platform.release()} ({platform.machine()})",
        "sandbox": sandbox_here(),
    }


def _ffmpeg() -> str:
    from hls_sessions.errors import FfmpegNotFound  # noqa: PLC0415 - as above
    from hls_sessions.ffmpeg import ask_version, find  # noqa: PLC0415 - as above

    try:
        path = find(load_settings().ffmpeg)
        return f"{ask_version(path)} ({path})"
    except FfmpegNotFound as error:
        return str(error)
    except (OSError, ValueError) as error:
        return fault_of(error)
