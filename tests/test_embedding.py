"""The examples of the guide, as media servers run them: whole programs, in the servers that people have."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urljoin

import httpx
import pytest

import hls_sessions

PAGE = Path(hls_sessions.__file__).parent / "guide" / "embedding.md"
EXAMPLES = dict(
    re.findall(r"^## ([^\n]+)\n(?:(?!^## ).)*?^```python\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)
)
BOUND = 60
MOST_LINES = 40

UVICORN = ["uvicorn", "example:app", "--timeout-graceful-shutdown", "3", "--port"]
HYPERCORN = ["hypercorn", "example:app", "--graceful-timeout", "3", "--bind"]
GRANIAN = ["granian", "--interface", "asgi", "example:app", "--host", "127.0.0.1", "--port"]
SERVERS = {
    "FastAPI": [UVICORN, GRANIAN],
    "Starlette": [HYPERCORN],
    "Django": [UVICORN],
    "aiohttp": [["example"]],
}


@pytest.fixture
def film(hls_clip):
    return hls_clip(seconds=4, size="160x90")


@pytest.fixture
def surroundings(film, tmp_path, hls_segments_dir):
    """The environment of an example, whose sessions keep their segments in the test's folder."""
    return os.environ | {
        "FILMS": str(film.parent),
        "HLS_SESSIONS_SEGMENTS_DIR": str(hls_segments_dir),
        "HLS_SESSIONS_ENCODER": "libx264",
        "PYTHONPATH": str(tmp_path),
    }


def test_there_is_an_example_for_each_and_none_is_long():
    assert EXAMPLES.keys() == {*SERVERS, "A script"}
    assert max(len(code.splitlines()) for code in EXAMPLES.values()) <= MOST_LINES


@pytest.mark.parametrize(
    ("name", "server"), [(name, server) for name, servers in SERVERS.items() for server in servers], ids=str
)
def test_a_film_is_played_and_nothing_is_left(name, server, film, tmp_path, surroundings, hls_segments_dir):
    (tmp_path / "example.py").write_text(EXAMPLES[name])
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    where = [] if server == ["example"] else [f"127.0.0.1:{port}" if server is HYPERCORN else str(port)]
    process = subprocess.Popen(
        [sys.executable, "-m", *server, *where], cwd=tmp_path, env=surroundings | {"PORT": str(port)}
    )
    try:
        with httpx.Client(
            base_url=f"http://127.0.0.1:{port}", headers={"X-Account": "anna"}, timeout=BOUND, trust_env=False
        ) as http:
            answer = opened(http, f"/play/{film.name}", process)
            found = answer.headers.get("location") or answer.json()["playlist"]
            master = http.get(found)
            rendition = master.url.join(uris(master)[0])
            playlist = http.get(rendition)
            segments = [http.get(rendition.join(uri)) for uri in uris(playlist)]
            stranger = http.get(found, headers={"X-Account": "berta"})
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(BOUND)

    assert len(segments) == 4
    assert {segment.status_code for segment in segments} == {200}
    assert all(b"moof" in segment.content for segment in segments)
    assert stranger.status_code == (403 if name == "FastAPI" else 200)
    assert list(hls_segments_dir.iterdir()) == []


def opened(http, path, process) -> httpx.Response:
    """Have a film opened as soon as the server listens."""
    deadline = time.monotonic() + BOUND
    while True:
        assert process.poll() is None
        assert time.monotonic() < deadline
        try:
            answer = http.post(path)
        except httpx.ConnectError:
            time.sleep(0.05)
            continue
        assert answer.status_code < 400, answer.text
        return answer


def uris(playlist: httpx.Response) -> list[str]:
    return [line for line in playlist.text.splitlines() if line and not line.startswith("#")]


def test_a_script_writes_a_presentation(film, tmp_path, surroundings, hls_segments_dir):
    (tmp_path / "example.py").write_text(EXAMPLES["A script"])
    (tmp_path / "out").mkdir()

    subprocess.run(
        [sys.executable, "example.py", film.name, "out"], cwd=tmp_path, env=surroundings, check=True, timeout=BOUND
    )

    master = (tmp_path / "out" / "master.m3u8").read_text()
    for uri in re.findall(r"^[^#\n].*index\.m3u8$", master, re.MULTILINE):
        playlist = (tmp_path / "out" / uri).read_text()
        for named in re.findall(r'^[^#\n].*$|(?<=URI=")[^"]+', playlist, re.MULTILINE):
            assert (tmp_path / "out" / urljoin(uri, named)).stat().st_size > 0
    assert list(hls_segments_dir.iterdir()) == []
