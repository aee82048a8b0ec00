"""Play a film through the real daemon, as a media server would: over HTTP."""

from __future__ import annotations

import argparse
import contextlib
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from hls_sessions.cli.info import print_session
from hls_sessions.cli.screen import print_rows
from hls_sessions.testing import Clip, make

if TYPE_CHECKING:
    from collections.abc import Iterator

FILM = Clip(seconds=60, rate="30000/1001", size="1280x720", gop=90, pixels="yuv420p")
STOP_TIMEOUT = 10.0
"""Seconds the daemon may take to end; it takes a fraction of one."""


def main() -> int:
    """Start the daemon, open a session, play; return the exit code."""
    arguments = parse()
    # SIGTERM and a closed terminal end the demo as Ctrl-C does: by an exception, so that all is cleaned up.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="hls_sessions-demo-") as folder, contextlib.suppress(KeyboardInterrupt):
        film = arguments.file or made(Path(folder))
        with (
            daemon(film.parent, Path(folder) / "state") as url,
            httpx.Client(base_url=url, timeout=120, trust_env=False) as http,
        ):
            session = opened(http, film)
            first = fetched(http, session, session["renditions"][0]["id"], 0)
            session = http.get(f"/sessions/{session['session_id']}").json()
            print_session(session, url)
            print(f"\nThe first segment was there after {first:.2f} s.")
            if arguments.once:
                return fetch_all(http, session)
            print(f"\nWatch it at {url}{session['player_url']}  (Ctrl-C ends everything)", flush=True)
            signal.pause()
    return 0


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="scripts/demo", description=__doc__)
    parser.add_argument("--once", action="store_true", help="fetch every segment of every rendition, and end")
    parser.add_argument("file", nargs="?", type=Path, help="a media file; without one, a clip is made")
    arguments = parser.parse_args()
    if arguments.file is not None:
        arguments.file = arguments.file.expanduser().resolve()
        if not arguments.file.is_file():
            parser.error(f"there is no file {arguments.file}")
    return arguments


def made(folder: Path) -> Path:
    """Make a film with audio."""
    print(f"Making a clip of {FILM.seconds:g} s with sound ...", flush=True)
    return make(FILM, folder, "demo.mp4")


@contextlib.contextmanager
def daemon(root: Path, state: Path) -> Iterator[str]:
    """Run the daemon while its address is used."""
    command = [sys.executable, "-m", "hls_sessions", "serve", "--media", str(root), "--port", "0"]
    command += ["--state-dir", str(state), "--drain"]  # there will be no next daemon that goes on with them
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        ready = process.stdout.readline()
        if not ready:
            sys.exit(process.wait())
        print(ready, flush=True)
        yield ready.split()[-1]
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(STOP_TIMEOUT)


def opened(http: httpx.Client, film: Path) -> dict[str, Any]:
    """Open a session, or end with the daemon's reason."""
    answer = http.post("/sessions", json={"media": str(film), "user": "demo"})
    if answer.is_error:
        sys.exit(f"scripts/demo: {answer.json()['detail']}")
    session: dict[str, Any] = answer.json()
    return session


def fetched(http: httpx.Client, session: dict[str, Any], rendition: str, number: int) -> float:
    """Fetch one segment, and return how many seconds that took."""
    begun = time.monotonic()
    http.get(f"/sessions/{session['session_id']}/{rendition}/{number}.m4s").raise_for_status()
    return time.monotonic() - begun


def fetch_all(http: httpx.Client, session: dict[str, Any]) -> int:
    """Fetch every segment that the playlists name, and print a table; return 1 if one failed, else 0."""
    rows = []
    failures = 0
    for rendition in session["renditions"]:
        base = f"/sessions/{session['session_id']}/{rendition['id']}"
        lines = http.get(f"{base}/index.m3u8").raise_for_status().text.splitlines()
        segments = [line for line in lines if line and not line.startswith("#")]
        names = [*(["init.mp4"] if any(line.startswith("#EXT-X-MAP:") for line in lines) else []), *segments]
        length = sum(float(line[8:].rstrip(",")) for line in lines if line.startswith("#EXTINF:"))
        begun = time.monotonic()
        answers = [http.get(f"{base}/{name}") for name in names]
        took = time.monotonic() - begun
        bad = [answer for answer in answers if answer.is_error]
        failures += len(bad)
        size = sum(len(answer.content) for answer in answers if answer.is_success)
        got = f"{len(segments) - len(bad)} of {len(segments)}"
        rows.append((rendition["id"], got, f"{size:,}", f"{length:.3f}", f"{took:.2f}"))
        for answer in bad:
            print(f"{answer.url}: {answer.status_code} {answer.text}", file=sys.stderr)
    print()
    print_rows(("RENDITION", "SEGMENTS", "BYTES", "SECONDS OF MEDIA", "SECONDS TAKEN"), rows)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
