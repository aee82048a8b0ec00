"""A command in a terminal of its own, as an operator sees it and types into it."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from contextlib import suppress
from typing import Self

BOUND = 30
"""Seconds after which something that did not happen counts as never."""

TAKE = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""
"""Has a process take its terminal, so that Ctrl-C and Ctrl-Z are signals to it, and become another program."""

SEQUENCE = re.compile(r"\x1b(?:\[[0-9;?]*[A-Za-z]|\][^\x07]*\x07|[()].)")


class Terminal:
    """A context manager; the command is killed if it has not ended by then."""

    def __init__(self, *arguments: str, url: str, columns: int = 120, lines: int = 24, **environment: str) -> None:
        without = {"NO_COLOR", "COLUMNS", "LINES"}
        mine = {name: value for name, value in os.environ.items() if name not in without}
        mine |= {"TERM": "xterm-256color", "HLS_SESSIONS_URL": url} | environment
        self._descriptor, its = pty.openpty()
        self.resize(columns, lines)
        self._process = subprocess.Popen(
            [sys.executable, "-c", TAKE, sys.executable, "-m", "hls_sessions", *arguments],
            stdin=its,
            stdout=its,
            stderr=its,
            start_new_session=True,
            env=mine,
        )
        os.close(its)
        self.pid = self._process.pid
        self._said = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._descriptor)

    @property
    def raw(self) -> str:
        """Everything that was sent to it."""
        return self._said.decode(errors="replace")

    @property
    def text(self) -> str:
        """The same, without what it obeys."""
        return SEQUENCE.sub("", self.raw)

    @property
    def screen(self) -> list[str]:
        """The lines that were drawn last, of a command that draws whole screens from the top."""
        return SEQUENCE.sub("", self.raw.rpartition("\x1b[H")[2]).replace("\r", "").split("\n")

    @property
    def is_as_before(self) -> bool:
        """Whether it echoes, and shows its cursor and what was there before the command."""
        modes = termios.tcgetattr(self._descriptor)[3]
        left = [self.raw.rfind(f"\x1b[?{mode}") for mode in ("25l", "25h", "1049h", "1049l")]
        return bool(modes & termios.ICANON and modes & termios.ECHO) and left[0] <= left[1] and left[2] <= left[3]

    def press(self, keys: str) -> None:
        os.write(self._descriptor, keys.encode())

    def resize(self, columns: int, lines: int) -> None:
        fcntl.ioctl(self._descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def shows(self, *texts: str) -> None:
        """Wait until the screen shows all of these."""
        self.until(lambda: all(text in "\n".join(self.screen) for text in texts))

    def until(self, happened) -> None:
        deadline = time.monotonic() + BOUND
        while not happened():
            assert time.monotonic() < deadline, f"it never happened; the terminal shows:\n{self.text[-4000:]}"
            self._read(0.1)

    def wait(self) -> int:
        """Wait for its end, and return its exit code."""
        self.until(lambda: self._process.poll() is not None)
        self._read(0)
        return self._process.returncode

    def _read(self, seconds: float) -> None:
        while select.select([self._descriptor], [], [], seconds)[0]:
            with suppress(OSError):  # the command has ended
                if data := os.read(self._descriptor, 65536):
                    self._said += data
                    seconds = 0
                    continue
            return
