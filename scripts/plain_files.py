"""A folder served by the server that the daemon has, for comparison: granian and Starlette, with ranges."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER = "HLS_SESSIONS_BENCH_FOLDER"
"""The variable of the environment that tells the app its folder."""


def app() -> Starlette:
    """Return the app, for granian."""
    return Starlette(routes=[Mount("/", StaticFiles(directory=os.environ[FOLDER]))])


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a folder; yield its address."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "granian", "--interface", "asginl", "--factory", "--no-log", "--port", str(port)]
    command += ["--working-dir", str(Path(__file__).parent), f"{Path(__file__).stem}:app"]
    with subprocess.Popen(command, env=os.environ | {FOLDER: str(folder)}) as process:
        try:
            while process.poll() is None:
                with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                    break
                time.sleep(0.02)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
