"""The screen while it is shown: drawn anew after each key, each answer of the daemon and each change of its size."""

from __future__ import annotations

import os
import signal
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console, Group
from rich.live import Live

from hls_sessions.cli.client import Failed
from hls_sessions.cli.feed import Feed
from hls_sessions.cli.signals import EndingSignals
from hls_sessions.cli.top.keyboard import Keyboard
from hls_sessions.cli.top.look import look
from hls_sessions.cli.top.picture import picture
from hls_sessions.cli.top.rows import Pace, rows_of
from hls_sessions.cli.top.view import Mode, Verb, View

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

    from hls_sessions.cli.client import Daemon
    from hls_sessions.cli.top.look import Look
    from hls_sessions.cli.top.view import Action


class Display:
    """Draws, and does what keys say, in the main thread. Others ask the daemon, and act, because it may be slow."""

    def __init__(self, daemon: Daemon, first: Look, interval: float) -> None:
        """Show a first look at a quiet daemon, and ask it every ``interval`` seconds for another."""
        self._daemon = daemon
        self._view = View()
        self._pace = Pace()
        self._keyboard = Keyboard(sys.stdin.fileno())
        self._feed = Feed(lambda: look(daemon, self._log_of), first, self._keyboard.wake, interval)
        self._taken: Look | None = None
        self._console = Console(highlight=False)
        self._is_left = False
        self._is_suspended = False

    def run(self) -> int:
        """Run until the operator quits or a signal comes. Return the exit code; the terminal is as it was before."""
        with EndingSignals(self._keyboard.wake) as signals, self._feed, self._other_signals():
            while not self._is_over(signals):
                with self._keyboard, self._live() as live:
                    while not self._is_over(signals) and not self._is_suspended:
                        self._draw(live)
                        self._obey(self._keyboard.read())
                if self._is_suspended:
                    self._suspend()
        return signals.exit_code

    def _is_over(self, signals: EndingSignals) -> bool:
        return self._is_left or signals.number is not None

    # ---- drawing

    def _live(self) -> Live:
        return Live(
            console=self._console, screen=True, auto_refresh=False, redirect_stdout=False, redirect_stderr=False
        )

    def _draw(self, live: Live) -> None:
        now = self._feed.latest
        if now is not self._taken:
            self._taken = now
            self._pace.note(now.at, now.sessions)
            self._view.take(rows_of(now.sessions, now.recordings, self._pace))
        width, height = os.get_terminal_size(sys.stdout.fileno())
        self._console.size = (width, height)  # COLUMNS and LINES do not follow the terminal
        lines = picture(self._view, now, self._feed.trouble, self._daemon.url, width, height)
        live.update(Group(*lines), refresh=True)

    @property
    def _log_of(self) -> str | None:
        return self._view.selected if self._view.mode is Mode.DETAILS else None

    # ---- doing

    def _obey(self, keys: list[str] | None) -> None:
        if keys is None:  # the terminal is gone
            self._is_left = True
            return
        for key in keys:
            action = self._view.press(key)
            if action is not None:
                self._do(action)

    def _do(self, action: Action) -> None:
        match action.verb:
            case Verb.QUIT:
                self._is_left = True
            case Verb.LOOK:
                self._feed.ask_now()
            case _:
                # A thread that waits for a daemon that hangs ends with this process.
                threading.Thread(target=self._act, args=(action,), name="act", daemon=True).start()

    def _act(self, action: Action) -> None:
        session = action.session_id or ""
        try:
            match action.verb:
                case Verb.STOP:
                    self._daemon.delete(f"/sessions/{session}")
                case Verb.PAUSE | Verb.RESUME:
                    self._daemon.post(f"/sessions/{session}/{action.verb.value}")
        except Failed as failed:
            self._view.said = failed.sentence
        else:
            self._view.said = f"{DONE[action.verb]} {session[:8]}"
        self._feed.ask_now()
        self._keyboard.wake()

    # ---- signals

    @contextmanager
    def _other_signals(self) -> Iterator[None]:
        """Draw again when the terminal's size changes, and give the terminal back for Ctrl-Z."""

        def changed(number: int, _: FrameType | None) -> None:
            self._is_suspended |= number == signal.SIGTSTP
            self._keyboard.wake()

        before = {number: signal.signal(number, changed) for number in (signal.SIGWINCH, signal.SIGTSTP)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _suspend(self) -> None:
        """Stop this process as Ctrl-Z does, until it is told to go on."""
        handler = signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTSTP)
        signal.signal(signal.SIGTSTP, handler)
        self._is_suspended = False


DONE = {Verb.STOP: "stopped", Verb.PAUSE: "paused", Verb.RESUME: "resumed"}
