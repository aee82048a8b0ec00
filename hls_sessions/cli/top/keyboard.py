"""The keys of a terminal, one by one, as soon as they are pressed."""

from __future__ import annotations

import codecs
import os
import re
import select
import termios
import tty
from contextlib import suppress
from typing import Final, Self

SEQUENCES: Final = {
    "A": "up",
    "B": "down",
    "C": "right",
    "D": "left",
    "F": "end",
    "H": "home",
    "1~": "home",
    "4~": "end",
    "5~": "page up",
    "6~": "page down",
    "7~": "home",
    "8~": "end",
}
"""What follows ESC [ or ESC O, and the key (ECMA-48, xterm's ctlseqs)."""

CHARACTERS: Final = {
    "\r": "enter",
    "\n": "enter",
    "\x7f": "backspace",
    "\b": "backspace",
    "\t": "tab",
    "\x1b": "escape",
}

KEY: Final = re.compile(r"\x1b[\[O]([0-9;]*[A-Za-z~])|(.)", re.DOTALL)
UNFINISHED: Final = re.compile(r"\x1b(?:[\[O][0-9;]*)?\Z")

PAUSE: Final = 0.05
"""Seconds after which an ESC is the key of this name, and not the beginning of a sequence."""


def keys_of(typed: str) -> list[str]:
    """Return the keys of what a terminal has sent: a character as it is, another key by its name.

    Sequences of unknown keys are left out.
    """
    found = []
    for sequence, character in KEY.findall(typed):
        key = CHARACTERS.get(character, character) if character else SEQUENCES.get(sequence, "")
        if key and (len(key) > 1 or key.isprintable()):
            found.append(key)
    return found


class Keyboard:
    """A terminal without echo, which sends each key at once. A context manager that leaves it as it was.

    Ctrl-C and Ctrl-Z still are signals.
    """

    def __init__(self, descriptor: int) -> None:
        """Take the keys of a terminal."""
        self._descriptor = descriptor
        self._waker = -1
        self._decoder = codecs.getincrementaldecoder("utf-8")("ignore")

    def __enter__(self) -> Self:
        self._before = termios.tcgetattr(self._descriptor)
        self._woken, self._waker = os.pipe()
        os.set_blocking(self._waker, False)
        os.set_blocking(self._woken, False)
        tty.setcbreak(self._descriptor)
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(termios.error):  # the terminal is gone
            # Keys that were typed and not read are not for the shell.
            termios.tcsetattr(self._descriptor, termios.TCSAFLUSH, self._before)
        waker, self._waker = self._waker, -1
        os.close(waker)
        os.close(self._woken)

    def wake(self) -> None:
        """Have ``read`` return. Any thread and any signal handler may call it."""
        with suppress(OSError):  # it is awake, or closed
            os.write(self._waker, b"\0")

    def read(self) -> list[str] | None:
        """Wait for keys, and return them; none when it was woken, None when the terminal is gone."""
        ready, _, _ = select.select([self._descriptor, self._woken], [], [])
        if self._woken in ready:
            os.read(self._woken, 4096)
        if self._descriptor not in ready:
            return []
        typed = ""
        while True:
            try:
                data = os.read(self._descriptor, 4096)
            except OSError:
                return None
            if not data:
                return None
            typed += self._decoder.decode(data)
            if not (UNFINISHED.search(typed) and select.select([self._descriptor], [], [], PAUSE)[0]):
                return keys_of(typed)
