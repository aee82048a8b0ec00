"""Two daemons and a real Ray: joined by the command line. It takes a minute: ``scripts/soak --cluster`` runs it."""

from __future__ import annotations

import signal

import psutil
import pytest
from machines import free_port, until

from hls_sessions.testing import Clip, make, serve, spare

pytestmark = pytest.mark.timeout(240)

SECRET = "a secret of these tests"
TOKEN = {"Authorization": "Bearer token"}


@pytest.fixture(scope="module")
def film(hls_clip_folder):
    return make(Clip(seconds=60, size="160x90", gop=50, pixels="yuv420p"), hls_clip_folder)


@pytest.fixture
def ray_port():
    return free_port("127.0.0.2")


@pytest.fixture
def join(film, tmp_path, ray_port):
    """Start a daemon that joins a cluster; it is stopped after the test."""
    daemons = []

    def join(name, host, cluster, secret=SECRET):
        variables = {
            "HLS_SESSIONS_CLUSTER_SECRET": secret,
            "HLS_SESSIONS_NODE_NAME": name,
            "HLS_SESSIONS_RAY_PORT": str(ray_port),
        }
        options = ("--host", host, "--token", "token", "--state-dir", str(tmp_path / name), "--cluster", cluster)
        daemon = serve(tmp_path / f"{name}-segments", [film.parent], *options, environment=variables)
        daemon.http.headers.update(TOKEN)
        spare(daemon.process.pid)
        daemons.append(daemon)
        return daemon

    yield join
    for daemon in reversed(daemons):
        daemon.close()


def alive(daemon):
    return [node["name"] for node in daemon.http.get("/nodes").json() if node["alive"]]


def directory_of(daemon):
    """Return the process of the directory where Ray runs it on the node of this daemon; else None."""
    children = psutil.Process(daemon.process.pid).children(recursive=True)
    return next((child for child in children if "DirectoryActor" in child.name() + " ".join(child.cmdline())), None)


def segment(daemon, session, number):
    return daemon.http.get(f"/sessions/{session}/video-copy/{number}.m4s").status_code


def test_two_daemons_are_one_and_a_viewer_goes_on_whatever_part_is_lost(join, film, capfd):
    """One test, because tests of one file may run in several processes, and each would start a cluster of its own."""
    first = join("first", "127.0.0.2", "new")
    with pytest.raises(AssertionError, match="does not start"):
        join("third", "127.0.0.4", first.url, secret="another secret of these tests")
    assert "has another cluster_secret" in capfd.readouterr().err
    second = join("second", "127.0.0.3", first.url.removeprefix("http://"))
    until(lambda: alive(first) == alive(second) == ["first", "second"])
    session = first.open(film.name)["session_id"]
    assert [segment(daemon, session, 3) for daemon in (first, second)] == [200, 200]

    directory_of(first).kill()
    session = second.open(film.name)["session_id"]
    assert [segment(daemon, session, 5) for daemon in (first, second)] == [200, 200]
    until(lambda: directory_of(first) or directory_of(second), 60)
    until(lambda: alive(first) == alive(second) == ["first", "second"], 60)

    first.process.send_signal(signal.SIGKILL)  # with Ray's head
    first.process.wait(30)
    assert [segment(second, session, number) for number in (8, 20)] == [200, 200]
    assert second.open(film.name)["state"] == "active"
