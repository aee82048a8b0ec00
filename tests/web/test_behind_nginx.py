"""A daemon behind nginx, with the configuration that the guide gives."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from websockets.sync.client import connect

from hls_sessions.testing import spare

NGINX = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
GUIDE = Path(__file__).parents[2] / "hls_sessions" / "guide" / "deployment.md"
PREFIX = "/hls-sessions-segments"

pytestmark = pytest.mark.skipif(NGINX is None, reason="there is no nginx")


@contextmanager
def nginx(daemon_url: str, segments: Path, scratch: Path):
    """Run nginx in front of a daemon, as the guide says, and yield a client of it."""
    [server] = re.findall(r"^```nginx\n(.*?)^```", GUIDE.read_text(), re.DOTALL | re.MULTILINE)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    here = {
        "127.0.0.1:8642": daemon_url.removeprefix("http://"),
        "listen 80;": f"listen 127.0.0.1:{port};",
        "/var/cache/hls_sessions/": f"{segments}/",
    }
    for theirs, ours in here.items():
        assert server.count(theirs) == 1, theirs
        server = server.replace(theirs, ours)
    scratch.mkdir()
    bodies = "".join(
        f"{what}_temp_path {scratch}/{what};" for what in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    configuration = scratch / "nginx.conf"
    configuration.write_text(f"""
        {"user root;" if os.geteuid() == 0 else ""}
        daemon off; master_process off; pid {scratch}/pid; error_log {scratch}/errors;
        events {{}}
        http {{ {bodies} access_log off; {server} }}
    """)
    with subprocess.Popen(
        [NGINX, "-p", str(scratch), "-e", str(scratch / "errors"), "-c", str(configuration)]
    ) as process:
        spare(process.pid)
        try:
            transport = httpx.HTTPTransport(retries=8)  # until it listens
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60, transport=transport) as client:
                yield client
        finally:
            process.terminate()


@pytest.fixture(scope="module")
def behind(share_daemon):
    with share_daemon(token="secret", HLS_SESSIONS_ACCEL_REDIRECT=PREFIX) as daemon:
        yield daemon


@pytest.fixture(scope="module")
def shared_nginx(behind, tmp_path_factory):
    with nginx(behind.url, behind.segments, tmp_path_factory.mktemp("nginx") / "run") as client:
        client.headers["Authorization"] = "Bearer secret"
        yield client


@pytest.fixture
def front(behind, shared_nginx):
    """A client of nginx."""
    lent = behind.lend()
    next(lent)
    yield shared_nginx
    next(lent, None)


@pytest.fixture
def base(front, film) -> str:
    """The address of a session."""
    opened = front.post("/sessions", json={"media": film.name})
    assert opened.status_code == 201, opened.text
    return opened.json()["playlist_url"].removesuffix("/master.m3u8")


def segments_of(client: httpx.Client, base: str) -> list[str]:
    names = []
    for playlist in re.findall(
        r'^[\w-]+/index\.m3u8$|(?<=URI=")[\w-]+/index\.m3u8', client.get(f"{base}/master.m3u8").text, re.MULTILINE
    ):
        folder = playlist.partition("/")[0]
        lines = client.get(f"{base}/{playlist}").text.splitlines()
        names += [
            f"{base}/{folder}/{name}" for name in ["init.mp4", *(line for line in lines if line.endswith(".m4s"))]
        ]
    return [name for name in names if "/thumbnails/" not in name]


def test_a_film_is_played_byte_for_byte_and_nginx_sends_what_is_on_disk(front, behind, base):
    addresses = segments_of(front, base)
    held = [front.get(address) for address in addresses]
    again = [front.get(address) for address in addresses]
    direct = [behind.http.get(address) for address in addresses]

    assert len(addresses) > 6
    assert {answer.status_code for answer in [*held, *again, *direct]} == {200}
    assert [answer.content for answer in again] == [answer.content for answer in held]
    assert [answer.content for answer in direct] == [answer.content for answer in held]
    # Each has a tag of its own making.
    assert not {answer.headers["etag"] for answer in again} & {answer.headers["etag"] for answer in direct}
    for sent, own in zip(again, direct, strict=True):
        told = ("content-type", "cache-control", "link", "access-control-allow-origin", "access-control-expose-headers")
        assert [sent.headers.get(name) for name in told] == [own.headers.get(name) for name in told]
        assert "x-accel-redirect" not in sent.headers


def test_a_range_a_head_and_a_tag_are_answered_as_by_the_daemon(front, base):
    address = f"{base}/video-90p/0.m4s"
    whole = front.get(address)
    part = front.get(address, headers={"Range": "bytes=10-19"})
    head = front.head(address)
    known = front.get(address, headers={"If-None-Match": whole.headers["etag"]})

    assert (part.status_code, part.content) == (206, whole.content[10:20])
    assert part.headers["content-range"] == f"bytes 10-19/{len(whole.content)}"
    assert (head.status_code, head.headers["content-length"], head.content) == (200, str(len(whole.content)), b"")
    assert (known.status_code, known.content) == (304, b"")


def test_a_segment_that_is_gone_before_nginx_opens_it_comes_from_the_daemon(front, behind, base, tmp_path):
    whole = front.get(f"{base}/video-90p/1.m4s").content
    (tmp_path / "empty").mkdir()
    # To this nginx, every segment is gone.
    with nginx(behind.url, tmp_path / "empty", tmp_path / "run") as client:
        answer = client.get(f"{base}/video-90p/1.m4s")
        part = client.get(f"{base}/video-90p/1.m4s?again", headers={"Range": "bytes=10-19"})

    assert (answer.status_code, answer.content) == (200, whole)
    assert answer.headers["access-control-allow-origin"] == "*"
    assert (part.status_code, part.content) == (206, whole[10:20])


def test_a_segment_that_was_deleted_is_made_again(front, behind, base):
    whole = front.get(f"{base}/video-90p/1.m4s").content
    [path] = behind.segments.glob("*/video-90p/1.m4s")
    path.unlink()

    assert front.get(f"{base}/video-90p/1.m4s").content == whole


def test_no_client_can_ask_for_the_files_themselves(front, behind, base):
    front.get(f"{base}/video-90p/0.m4s")
    [path] = behind.segments.glob("*/video-90p/0.m4s")

    assert front.get(f"{PREFIX}/{path.relative_to(behind.segments)}").status_code == 404


def test_a_client_without_a_proxy_gets_the_bytes(behind, base):
    answer = behind.http.get(f"{base}/video-90p/0.m4s")

    assert len(answer.content) == int(answer.headers["content-length"]) > 0


def test_a_daemon_that_was_told_of_no_proxy_sends_its_files_itself(http, session):
    address = f"/sessions/{session['session_id']}/video-90p/0.m4s"
    answer = http.get(address, headers={"X-Sendfile-Type": "X-Accel-Redirect"})

    assert "x-accel-redirect" not in answer.headers
    assert answer.content == http.get(address).content


def test_events_are_passed_on_as_they_happen(front, base):
    with front.stream("GET", f"{base}/events") as answer:
        lines = answer.iter_lines()
        assert next(lines) == "event: session"
        front.post(f"{base}/pause")
        assert next(line for line in lines if line.startswith("event: state")) == "event: state_changed"


def test_a_recording_arrives_over_a_websocket(front):
    live = front.post("/live", json={}).json()
    url = str(front.base_url).replace("http", "ws").rstrip("/")
    with connect(f"{url}{live['input_url']}?token={live['input_token']}") as source:
        source.send(json.dumps({"type": "start"}))
        assert json.loads(source.recv(30))["type"] == "started"


def test_a_page_of_this_very_site_may_change_something(front, base):
    headers = {"Origin": str(front.base_url).rstrip("/"), "Authorization": ""}
    front.post("/login", json={"token": "secret"}, headers=headers)
    try:
        assert front.post(f"{base}/pause", headers=headers).status_code == 200
    finally:
        front.cookies.clear()
