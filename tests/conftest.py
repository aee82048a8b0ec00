from __future__ import annotations

import os
import select
import shlex
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from textwrap import indent
from typing import TYPE_CHECKING

import psutil
import pytest
from hypothesis import settings

from hls_sessions.ffmpeg import find
from hls_sessions.testing import Daemon, serve, session_directories, spare
from hls_sessions.testing.doubles import answers_as

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


# It is a project of its own, which test_package.py runs. A real Ray takes a minute: scripts/soak --cluster has one.
collect_ignore = ["example_project", *([] if "HLS_SESSIONS_TEST_RAY" in os.environ else ["cluster/test_ray.py"])]

BOUND = 30
"""Seconds after which an event that did not happen counts as never."""

# No test asserts a duration, because a busy machine is no failure; pytest-timeout finds a hang.
settings.register_profile("hls_sessions", deadline=None)
settings.load_profile("hls_sessions")


def pytest_addoption(parser):
    group = parser.getgroup("soak", "generated films and orders (scripts/soak)")
    group.addoption("--soak", type=float, metavar="SECONDS", help="go on with ever new ones for so long")
    group.addoption("--soak-seed", type=int, default=0, metavar="N", help="which ones come first")


def pytest_collection_modifyitems(config, items):
    """Leave out tests with one of two ffmpegs, where their file says so.

    ``ONE_FFMPEG``: that of the system is enough. ``FFMPEGS_IN_TURN``: each of the file's tests is run with one of them,
    in turn by these parameters, or by the tests themselves where there are none. HLS_SESSIONS_TEST_ALL runs them all.
    """
    if "HLS_SESSIONS_TEST_ALL" in os.environ:
        return
    turns: dict[tuple[object, ...], str] = {}
    left_out = [item for item in items if _is_of_another_turn(item, turns)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        out = set(left_out)
        items[:] = [item for item in items if item not in out]


def _is_of_another_turn(item, turns) -> bool:
    params = dict(item.callspec.params) if hasattr(item, "callspec") else {}
    ffmpeg, module = params.pop("ffmpeg", None) or params.pop("binary", None), item.module
    if ffmpeg not in {"PATH", "wheel"}:
        return False
    if getattr(module, "ONE_FFMPEG", False):
        return ffmpeg != "PATH"
    if (names := getattr(module, "FFMPEGS_IN_TURN", None)) is None:
        return False
    what = [params[name] for name in names if name in params] or [item.originalname, *params.values()]
    key = (module.__name__, repr(what))
    turn = turns.setdefault(key, ("PATH", "wheel")[len(turns) % 2])
    return ffmpeg != turn


@pytest.fixture(scope="session", autouse=True)
def _user_folders(tmp_path_factory):
    """No test uses its developer's state and cache. All processes of pytest-xdist share a cache, as daemons do."""
    run = tmp_path_factory.getbasetemp()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state-home")))
        patch.setenv("XDG_CACHE_HOME", str((run.parent if "PYTEST_XDIST_WORKER" in os.environ else run) / "cache-home"))
        yield


@pytest.fixture(autouse=True)
def _nothing_left(hls_nothing_left):
    """Every test gives back every process, thread and session directory it took."""


PACKAGER = """
import os, signal
from hls_sessions.ffmpeg.packaging import worker

class Asked:
    "What the real packager is asked through."
    def __init__(self, channel):
        self.channel, self.send = channel, channel.send
    def refuse(self, why):
        self.send({{"error": why, "errno": None}})
        return self.receive()
    def receive(self):
        message = self.channel.receive()
        if "stream" in message.body:
            asked = os.path.basename(message.body["file"] or "init")
{script}
        return message

def serve(channel):
    worker.serve(Asked(channel))
"""


@pytest.fixture
def packager_double(monkeypatch, tmp_path):
    """Return a function that makes packagers misbehave: it takes Python that runs before they do what is ``asked``.

    It takes effect for supervisors that are started later.
    """

    def double(script):
        folder = tmp_path / "packager"
        folder.mkdir()
        (folder / "packager_double.py").write_text(PACKAGER.format(script=indent(script, " " * 12)))
        monkeypatch.setenv("PYTHONPATH", str(folder))
        monkeypatch.setattr("hls_sessions.ffmpeg.packaging.packager.PACKAGE", "packager_double:serve")
        monkeypatch.setenv("HLS_SESSIONS_SANDBOX", "off")  # a double writes where a packager may not

    return double


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Where everything is installed, a test that skips itself has failed."""
    report = yield
    if report.skipped and os.environ.get("HLS_SESSIONS_NO_SKIPS") and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped: {report.longrepr[2]}"
    return report


@pytest.fixture
def until():
    """Wait for something outside this process, of which no event tells."""

    def until(happened):
        deadline = time.monotonic() + BOUND
        while not happened():
            assert time.monotonic() < deadline, "it never happened"
            time.sleep(0.005)

    return until


@pytest.fixture
def ends():
    """Wait until a process has ended; False when it has not within the bound."""

    def ends(pid):
        try:
            descriptor = os.pidfd_open(pid)
        except ProcessLookupError:
            return True
        try:
            return bool(select.select([descriptor], [], [], BOUND)[0])
        finally:
            os.close(descriptor)

    return ends


@pytest.fixture
def double(tmp_path):
    """Make an ffmpeg whose first runs do something else, in shell.

    ``$folder`` is where a run writes, ``$run`` its number, from one.
    """

    def double(misbehave, *, times=-1):
        script = tmp_path / "ffmpeg"
        runs = shlex.quote(str(tmp_path / "ffmpeg.runs"))
        script.write_text(f"""#!/bin/sh
for word; do case "$word" in */%d.m4s) folder=$(dirname "$word") ;; esac; done
if [ "$folder" ]; then
  echo run >> {runs}
  run=$(wc -l < {runs})
  if [ {times} -lt 0 ] || [ "$run" -le {times} ]; then
    {misbehave}
  fi
fi
{answers_as(find(), tmp_path)}
""")
        script.chmod(0o755)
        return script

    return double


@pytest.fixture
def paced(double):
    """Make an ffmpeg that is so many times as fast as the film; it counts its runs, as all doubles do."""
    return lambda speed: double(f'exec {shlex.quote(find())} -readrate {speed} "$@"')


@pytest.fixture
def slow_ffmpeg(hls_fake_ffmpeg):
    """The path of an ffmpeg that takes a quarter of a second for a second of film; it is a fake, which costs little."""
    return str(hls_fake_ffmpeg(speed=4))


@pytest.fixture
def start_daemon(hls_daemon, hls_clip_folder, tmp_path):
    """Return a function that starts a daemon, which also serves what the test makes in its own folder."""

    def start(*options: str, media: Path | None = None, **environment: str) -> Daemon:
        roots = [media] if media else [hls_clip_folder, tmp_path]
        return hls_daemon(*options, media=roots, environment=environment)

    return start


@dataclass
class SharedDaemon(Daemon):
    """A daemon that many tests use, one after another."""

    segments: Path
    media: Path
    """A media root for films of a test's own, besides the folder of all clips."""
    token: str | None

    def lend(self) -> Iterator[SharedDaemon]:
        """Lend it to a test. Then end the sessions that are open, undo changed settings, and look for leftovers."""
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        before = self.http.get("/settings", headers=headers).json()
        yield self
        for session in self.http.get("/sessions", headers=headers).json():
            self.http.delete(f"/sessions/{session['session_id']}", headers=headers)
        if self.http.get("/settings", headers=headers).json() != before:
            changed = {name: before["settings"][name] for name in before["changeable"]}
            assert self.http.patch("/settings", headers=headers, json=changed).json() == before
        for path in self.media.iterdir():
            path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
        assert not [command for command in self._children() if "-segment_format" in command], "an encoder is left"
        assert session_directories(self.segments) == set()

    def _children(self) -> list[list[str]]:
        found = []
        for process in psutil.Process(self.process.pid).children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                found.append(process.cmdline())
        return found


@pytest.fixture(scope="session")
def share_daemon(hls_clip_folder, tmp_path_factory):
    """Return a context with a daemon for several tests. In the end it must stop well, and leave no session."""

    @contextmanager
    def share_daemon(token: str | None = None, **environment: str) -> Iterator[SharedDaemon]:
        segments, media, state = (tmp_path_factory.mktemp(name) for name in ("segments", "media", "state"))
        defaults = {
            "XDG_STATE_HOME": str(state),
            "HLS_SESSIONS_DRAIN": "true",
            "HLS_SESSIONS_PREPARE": "false",  # as of hls_daemon
        }
        options = () if token is None else ("--token", token)
        started = serve(segments, [media, hls_clip_folder], *options, environment=defaults | environment)
        spare(started.process.pid)
        with started.process, started.http:
            yield SharedDaemon(**vars(started), segments=segments, media=media, token=token)
            assert started.stop() == 0
        assert list(segments.iterdir()) == []

    return share_daemon


@pytest.fixture(scope="session")
def shared_daemon(share_daemon) -> Iterator[SharedDaemon]:
    with share_daemon() as daemon:
        yield daemon


@pytest.fixture
def daemon(shared_daemon) -> Iterator[SharedDaemon]:
    """A running daemon. It is shared: a test that stops it, or that depends on what it did before, starts its own."""
    yield from shared_daemon.lend()


@pytest.fixture(scope="session")
def guarded_daemon(share_daemon) -> Iterator[SharedDaemon]:
    with share_daemon(token="secret") as daemon:
        yield daemon


@pytest.fixture
def guarded(guarded_daemon) -> Iterator[SharedDaemon]:
    """A running daemon with a token, ``secret``; shared as the other is."""
    yield from guarded_daemon.lend()
