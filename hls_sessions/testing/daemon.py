"""A real daemon, ``hls-sessions serve``, for tests of programs that talk to one."""

from __future__ import annotations

import os
import signal
import ssl
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

BOUND = 30.0
"""Seconds that a daemon may take to end."""

REQUEST_TIMEOUT = 60.0
"""Seconds that an answer may take; that to a request for a segment comes when the segment is made."""


@dataclass
class Daemon:
    """A running daemon on a port of its own."""

    process: subprocess.Popen[str]
    url: str
    """Its address, without a slash at the end."""
    http: httpx.Client
    """A client whose paths are those of the daemon: ``daemon.http.get("/stats")``."""

    def open(self, media: Path | str, **more: Any) -> dict[str, Any]:
        """Open a session of a film, and return it as ``POST /sessions`` answers; ``more`` are fields of the request.

        Raises:
            AssertionError: the daemon refuses it.
        """
        answer = self.http.post("/sessions", json={"media": str(media), **more})
        assert answer.is_success, answer.text  # noqa: S101 - this is for tests
        session: dict[str, Any] = answer.json()
        return session

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Signal it, and return its exit code.

        Raises:
            subprocess.TimeoutExpired: it does not end.
        """
        self.process.send_signal(number)
        return self.process.wait(timeout=BOUND)

    def close(self) -> int | None:
        """Stop it if it still runs, and let go of it. Returns its exit code; None when it had ended before."""
        self.http.close()
        try:
            return self.stop() if self.process.poll() is None else None
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait(BOUND)
            if self.process.stdout is not None:
                self.process.stdout.close()


def serve(segments: Path, roots: Iterable[Path], *options: str, environment: Mapping[str, str] | None = None) -> Daemon:
    """Start a daemon on a free port of this machine, and return it when it is ready.

    Args:
        segments: the folder of its segments.
        roots: its media roots.
        options: more options of ``hls-sessions serve``.
        environment: variables to add to those of this process. It encodes in software, unless they say otherwise,
            because the result of a test must not depend on the machine's hardware.

    Raises:
        AssertionError: it does not start; its reason is on standard error.
    """
    command = [sys.executable, "-m", "hls_sessions", "serve", "--port", "0", "--segments-dir", str(segments)]
    command += [argument for root in roots for argument in ("--media", str(root))]
    process = subprocess.Popen(  # noqa: S603 - an argument list, no shell
        [*command, *options],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"HLS_SESSIONS_ENCODER": "libx264"} | dict(environment or {}),
    )
    assert process.stdout is not None  # noqa: S101 - opened as a pipe above
    ready = process.stdout.readline()
    if not ready.startswith("hls-sessions ready on "):
        process.kill()
        with process:
            raise AssertionError(f"The daemon does not start; it says {ready!r}, and more on standard error.")
    url = ready.split()[-1]
    certificate = (environment or {}).get("HLS_SESSIONS_TLS_CERTIFICATE")
    trust = True if certificate is None else ssl.create_default_context(cafile=certificate)
    return Daemon(process, url, httpx.Client(base_url=url, timeout=REQUEST_TIMEOUT, verify=trust, trust_env=False))


def variables(settings: Mapping[str, Any]) -> dict[str, str]:
    """Return the environment variables that give a daemon these settings."""
    return {
        f"HLS_SESSIONS_{name.upper()}": str(value).lower() if isinstance(value, bool) else str(value)
        for name, value in settings.items()
        if value is not None
    }
