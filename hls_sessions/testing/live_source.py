"""A source of live input that a test can cut, stall and start again."""

from __future__ import annotations

import signal
import socket
import subprocess
from typing import TYPE_CHECKING, Final

from hls_sessions.ffmpeg import find

if TYPE_CHECKING:
    from pathlib import Path

BOUND: Final = 10.0
"""Seconds that a process may take to end."""


class LiveSource:
    """A film that is sent at its own pace, from its beginning, to one program that fetches it (RTMP on loopback)."""

    def __init__(self, film: Path) -> None:
        """Name a film of H.264 and AAC; ``start`` begins to send it."""
        self._film = film
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.url = f"rtmp://127.0.0.1:{probe.getsockname()[1]}/live/film"
            """Where it can be fetched."""
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Wait for a program that fetches it, and send the film from its beginning."""
        self.cut()
        command = [find(), "-v", "error", "-nostdin", "-re", "-i", str(self._film), "-c", "copy", "-f", "flv"]
        self._process = subprocess.Popen([*command, "-listen", "1", self.url])  # noqa: S603 - an argument list, no shell

    def stall(self) -> None:
        """Send nothing more for now; the connection stays."""
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Send again."""
        self._signal(signal.SIGCONT)

    def cut(self) -> None:
        """Break the connection off, as a camera without power does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(BOUND)
            self._process = None

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)
